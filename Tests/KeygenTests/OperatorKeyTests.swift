import Evidence
import Glibc
import Keygen
import Testing

@Suite(.needsSSHKeygen) struct OperatorKeyTests {
    /// What `ensure` says of a key that ssh-keygen made with these arguments.
    private func problem(_ arguments: [String], rsaUsable: Bool = false, removePublic: Bool = false) throws -> String? {
        let scratch = try Scratch()
        try SSHKeygen.run(arguments: arguments + ["-q", "-C", "theirs", "-f", scratch.file("id_ed25519")])
        if removePublic { unlink(scratch.file("id_ed25519.pub")) }
        return try refusal(scratch, rsaUsable: rsaUsable)
    }

    private func refusal(_ scratch: borrowing Scratch, rsaUsable: Bool = false) throws -> String? {
        do {
            let pair = try KeyPair.ensure(in: scratch.path, sensorName: "boogey", rsaUsable: rsaUsable)
            #expect(!pair.isNew)
            #expect(try SSHKeygen.run("-y", "-f", pair.privateKeyPath).hasPrefix(pair.publicKey.bare))
            return nil
        } catch let problem as KeyProblem {
            #expect(problem.description.hasPrefix(scratch.file("id_ed25519") + ": "))
            #expect(!problem.description.contains("\n"))
            return problem.description
        }
    }

    @Test(
        "Ed25519 and ECDSA keys are taken",
        arguments: [
            ["-t", "ed25519"], ["-t", "ecdsa", "-b", "256"], ["-t", "ecdsa", "-b", "384"],
            ["-t", "ecdsa", "-b", "521"],
        ])
    func taken(type: [String]) throws {
        #expect(try problem(type + ["-N", ""]) == nil)
        #expect(try problem(type + ["-N", ""], removePublic: true) == nil)
    }

    @Test("an RSA key is taken only where it can be used", arguments: [[], ["-m", "PEM"]])
    func rsa(format: [String]) throws {
        let arguments = ["-t", "rsa", "-b", "2048", "-N", ""] + format
        #expect(try problem(arguments, rsaUsable: true) == nil)
        #expect(try #require(try problem(arguments)).contains("is an RSA key"))
    }

    @Test("an ECDSA key in PEM is taken with its .pub, and without it the way to make one is told")
    func pem() throws {
        let arguments = ["-t", "ecdsa", "-m", "PEM", "-N", ""]
        #expect(try problem(arguments) == nil)
        #expect(try #require(try problem(arguments, removePublic: true)).contains("run: ssh-keygen -y -f"))
    }

    @Test("a .pub of another type does not pass for that of a PEM key")
    func foreignPublic() throws {
        let scratch = try Scratch()
        try SSHKeygen.run("-t", "ecdsa", "-m", "PEM", "-N", "", "-q", "-f", scratch.file("id_ed25519"))
        try scratch.write("id_ed25519.pub", SSHPublicKey(ed25519: Array(0..<32), comment: "x").line)
        #expect(try refusal(scratch)?.contains("missing or of another type") == true)
        #expect(try KeyPair.inspect(path: scratch.file("id_ed25519"), rsaUsable: false) == nil)
    }

    @Test(
        "a key with a passphrase is refused with the command that removes it",
        arguments: [
            ["-t", "ed25519"], ["-t", "ecdsa"], ["-t", "ecdsa", "-m", "PEM"], ["-t", "ecdsa", "-m", "PKCS8"],
        ])
    func locked(type: [String]) throws {
        let text = try #require(try problem(type + ["-N", "secret"]))
        #expect(text.contains("is locked by a passphrase"))
        #expect(text.contains("run: ssh-keygen -p -N '' -f /tmp/"))
    }

    @Test("a PKCS#8 key is refused, and the command told makes it one that is taken")
    func pkcs8() throws {
        let scratch = try Scratch()
        let path = scratch.file("id_ed25519")
        try SSHKeygen.run("-t", "ecdsa", "-m", "PKCS8", "-N", "", "-q", "-f", path)
        #expect(
            try refusal(scratch)
                == "\(path): is in PKCS#8 format; OpenSSH's own is needed; run: ssh-keygen -p -N '' -f \(path)")
        try SSHKeygen.run("-p", "-N", "", "-f", path)
        #expect(try refusal(scratch) == nil)
    }

    @Test("an RSA key in PKCS#8 is called by its type first, since rewriting it would not help")
    func pkcs8RSA() throws {
        let text = try #require(try problem(["-t", "rsa", "-b", "2048", "-m", "PKCS8", "-N", ""]))
        #expect(text.contains("is an RSA key"))
    }

    @Test("an operator's key keeps its own comment")
    func comment() throws {
        let scratch = try Scratch()
        try SSHKeygen.run("-t", "ed25519", "-N", "", "-q", "-C", "ops@desk", "-f", scratch.file("id_ed25519"))
        unlink(scratch.file("id_ed25519.pub"))
        #expect(
            try KeyPair.ensure(in: scratch.path, sensorName: "boogey", rsaUsable: false).publicKey.comment == "ops@desk"
        )
        #expect(try scratch.read("id_ed25519.pub")?.hasSuffix(" ops@desk\n") == true)
    }

    @Test("a key without a comment takes that of its .pub, else the sensor's")
    func noComment() throws {
        let scratch = try Scratch()
        try SSHKeygen.run("-t", "ed25519", "-N", "", "-q", "-C", "", "-f", scratch.file("id_ed25519"))
        let bare = try #require(SSHPublicKey(line: try scratch.read("id_ed25519.pub") ?? ""))
        try scratch.write("id_ed25519.pub", bare.with(comment: "from pub").line + "\n")
        #expect(
            try KeyPair.ensure(in: scratch.path, sensorName: "boogey", rsaUsable: false).publicKey.comment == "from pub"
        )
        unlink(scratch.file("id_ed25519.pub"))
        #expect(
            try KeyPair.ensure(in: scratch.path, sensorName: "boogey", rsaUsable: false).publicKey.comment
                == "root@boogey")
    }

    /// Mode, and what is said of it: nothing, a warning, or a refusal.
    static let modes: [(UInt32, String?, refused: Bool)] = [
        (0o400, nil, false), (0o600, nil, false), (0o700, nil, false), (0o440, "can be read by others (mode 0440)", false),
        (0o444, "can be read by others (mode 0444)", false), (0o640, "can be read by others (mode 0640)", false),
        (0o644, "can be read by others (mode 0644)", false), (0o604, "can be read by others (mode 0604)", false),
        (0o620, "can be written by its group (mode 0620)", false), (0o660, "can be written by its group (mode 0660)", false),
        (0o664, "can be written by its group (mode 0664)", false), (0o602, "can be written by others (mode 0602)", true),
        (0o666, "can be written by others (mode 0666)", true), (0o777, "can be written by others (mode 0777)", true),
    ]

    @Test("a key that anybody can write is refused, one that others can read or the group write is warned of", arguments: modes)
    func mode(mode: UInt32, words: String?, refused: Bool) throws {
        let scratch = try Scratch()
        let path = try KeyPair.ensure(in: scratch.path, sensorName: "boogey", rsaUsable: false).privateKeyPath
        chmod(path, mode)
        let line = words.map { "\(path): \($0); run: chmod 600 \(path)" }
        if refused {
            #expect(try refusal(scratch) == line)
        } else {
            #expect(try KeyPair.ensure(in: scratch.path, sensorName: "boogey", rsaUsable: false).warning == line)
        }
    }

    @Test("what libssh2 cannot read is for the agent, where there is one; what no server takes stays refused")
    func agent() throws {
        let scratch = try Scratch()
        func use(_ arguments: String..., rsaUsable: Bool = false) throws -> KeyInspection.Use? {
            let path = scratch.file("k")
            unlink(path)
            unlink(path + ".pub")
            try SSHKeygen.run(arguments: arguments + ["-q", "-f", path])
            let found = try? KeyInspection(path: path, rsaUsable: rsaUsable, hasAgent: true)
            if let found { #expect(found.publicKey != nil) }
            return found?.use
        }
        #expect(try use("-t", "ed25519", "-N", "") == .file)
        #expect(try use("-t", "ed25519", "-N", "secret") == .agent)
        #expect(try use("-t", "ecdsa", "-m", "PEM", "-N", "secret") == .agent)
        #expect(try use("-t", "ecdsa", "-m", "PKCS8", "-N", "") == .agent)
        #expect(try use("-t", "ecdsa", "-m", "PKCS8", "-N", "secret") == .agent)
        #expect(try use("-t", "rsa", "-b", "2048", "-N", "secret") == nil)
        #expect(try use("-t", "rsa", "-b", "2048", "-N", "secret", rsaUsable: true) == .agent)
        // Only the public half is here.
        let path = scratch.file("k")
        unlink(path)
        #expect(try KeyInspection(path: path, rsaUsable: true, hasAgent: true).use == .agent)
        #expect(throws: KeyProblem.self) { try KeyInspection(path: path, rsaUsable: true) }
        unlink(path + ".pub")
        #expect(throws: KeyProblem.self) { try KeyInspection(path: path, rsaUsable: true, hasAgent: true) }
    }

    @Test("an Ed25519 key in PKCS#8, as openssl makes it, is refused before anybody connects with it")
    func ed25519PKCS8() throws {
        // RFC 8410, section 7 (the key of section 10.3).
        let text =
            "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n-----END PRIVATE KEY-----\n"
        let problem = #expect(throws: KeyProblem.self) { try KeyInspection.judge("/k", Array(text.utf8), rsaUsable: true, hasAgent: false) }
        #expect(
            problem?.description
                == "/k: is in PKCS#8 format; OpenSSH's own is needed; run (OpenSSH 9.6 or later): ssh-keygen -p -N '' -f /k")
        #expect(try KeyInspection.judge("/k", Array(text.utf8), rsaUsable: true, hasAgent: true).use == .agent)
    }

    @Test("without an agent a passphrase's way out names SSH_AUTH_SOCK")
    func agentNamed() throws { #expect(try #require(try problem(["-t", "ed25519", "-N", "secret"])).contains("SSH_AUTH_SOCK")) }

    static let dsa = "-----BEGIN DSA PRIVATE KEY-----\nMIIBuwIBAAKBgQ==\n-----END DSA PRIVATE KEY-----\n"
    static let putty = "PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none\n"
    static let cut =
        "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAA\n-----END OPENSSH PRIVATE KEY-----\n"
    static let other = "-----BEGIN FOO PRIVATE KEY-----\nAAAA\n-----END FOO PRIVATE KEY-----\n"

    @Test(
        "whatever else lies there is called by its name",
        arguments: [
            ("", "is empty; remove it"), ("garbage\n", "is no private key, or a damaged one"), (dsa, "is a DSA key"),
            (putty, "is in PuTTY's format; run: puttygen"), (cut, "is no private key, or a damaged one"),
            (other, "is a private key of an unknown format"),
            (SSHPublicKey(ed25519: Array(0..<32), comment: "x").line + "\n", "is a public key"),
            (String(repeating: "x", count: 70_000), "is too large"),
        ])
    func others(content: String, words: String) throws {
        let scratch = try Scratch()
        try scratch.write("id_ed25519", content)
        #expect(try #require(try refusal(scratch)).contains(": " + words))
        #expect(try scratch.read("id_ed25519") == content)
    }

    @Test("a directory, a FIFO and a dangling link are called so, and nothing waits for the FIFO")
    func noFile() throws {
        let scratch = try Scratch()
        let path = scratch.file("id_ed25519")
        mkdir(path, 0o700)
        #expect(try refusal(scratch) == "\(path): is a directory, not a private key")
        rmdir(path)
        mkfifo(path, 0o600)
        #expect(try refusal(scratch) == "\(path): is no regular file, not a private key")
        unlink(path)
        symlink("/nowhere/at/all", path)
        #expect(try #require(try refusal(scratch)).contains("a link that leads nowhere"))
    }

    @Test("a damaged byte in the private part is noticed")
    func damaged() throws {
        let scratch = try Scratch()
        let file = SSHPrivateKeyFile.encodeEd25519(
            seed: Array(repeating: 1, count: 32), publicKey: Array(0..<32), comment: "c", check: 7)
        let text = String(decoding: file, as: UTF8.self)
        #expect(SSHPrivateKeyFile(bytes: file)?.publicKey?.comment == "c")
        let lines = text.split(separator: "\n")
        try scratch.write("id_ed25519", ([lines[0]] + lines[2...]).joined(separator: "\n"))
        #expect(try #require(try refusal(scratch)).contains("damaged"))
    }

    @Test("a private part that belongs to another public key is noticed")
    func mixed() throws {
        let scratch = try Scratch()
        let other = SSHPublicKey(ed25519: Array(1..<33), comment: "")
        let file = SSHPrivateKeyFile.encodeEd25519(
            seed: Array(repeating: 1, count: 32), publicKey: Array(0..<32), comment: "c", check: 7)
        let text = String(decoding: file, as: UTF8.self).split(separator: "\n").dropFirst().dropLast().joined()
        var content = try #require(Base64.decode(text))
        let start = try #require(content.indices.first { content[$0...].starts(with: Array(0..<32)) })
        content.replaceSubrange(start..<start + 32, with: other.blob.suffix(32))
        #expect(SSHPrivateKeyFile(bytes: file) != nil)
        try scratch.write(
            "id_ed25519",
            "-----BEGIN OPENSSH PRIVATE KEY-----\n\(Base64.encode(content))\n-----END OPENSSH PRIVATE KEY-----\n")
        #expect(try #require(try refusal(scratch)).contains("damaged"))
    }

    @Test("a path that a shell would take apart is quoted in the command told")
    func quoting() throws {
        let problem = #expect(throws: KeyProblem.self) {
            try KeyPair.inspect(path: "/no such/it's\n", rsaUsable: false)
        }
        #expect(problem?.description.hasSuffix("-f '/no such/it'\\''s?'") == true)
    }
}
