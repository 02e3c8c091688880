import Evidence
import Testing

@Suite struct KnownHostsTests {
    static let key = SSHPublicKey(ed25519: Array(0..<32), comment: "")
    static let other = SSHPublicKey(ed25519: Array(1..<33), comment: "")
    static let rsa = SSHPublicKey(
        type: "ssh-rsa", blob: [0, 0, 0, 7] + Array("ssh-rsa".utf8) + [0, 0, 0, 1, 3, 0, 0, 0, 2, 0, 255])!

    /// drop.example, as `ssh-keygen -H` writes it with a salt of our own.
    static let hashed: String = "|1|AAECAwQFBgcICQoLDA0ODxAREhM=|6UgA7gVGSHThRMLTe6Tq0IgO9gs="

    struct Case: Sendable, CustomTestStringConvertible {
        let name: String
        let text: String
        var host = "drop.example"
        var port: UInt16 = 22
        let answer: KnownHosts.Answer
        var testDescription: String { name }
    }

    static let cases: [Case] = [
        Case(name: "an empty file", text: "", answer: .unknown),
        Case(name: "a plain name", text: "drop.example \(key.bare)", answer: .known),
        Case(name: "a name in capitals", text: "Drop.Example \(key.bare)", host: "dRop.eXample", answer: .known),
        Case(name: "a comment after the key", text: "drop.example \(key.bare) added by me", answer: .known),
        Case(
            name: "tabs and leading blanks", text: " \tdrop.example\t\(key.type)\t\(Base64.encode(key.blob))",
            answer: .known),
        Case(name: "one of a list", text: "a,drop.example,10.0.0.1 \(key.bare)", answer: .known),
        Case(name: "an address", text: "2001:db8::1 \(key.bare)", host: "2001:DB8::1", answer: .known),
        Case(name: "another name", text: "drop.example.org \(key.bare)", answer: .unknown),
        Case(name: "the port in brackets", text: "[drop.example]:2222 \(key.bare)", port: 2222, answer: .known),
        Case(name: "port 22 in brackets", text: "[drop.example]:22 \(key.bare)", answer: .known),
        Case(name: "another port", text: "[drop.example]:2222 \(key.bare)", port: 2223, answer: .unknown),
        Case(name: "a plain name for another port", text: "drop.example \(key.bare)", port: 2222, answer: .known),
        Case(name: "another key under a plain name for another port", text: "drop.example \(other.bare)", port: 2222, answer: .unknown),
        Case(
            name: "another key for the port, the right one without", text: "drop.example \(key.bare)\n[drop.example]:2222 \(other.bare)",
            port: 2222, answer: .changed(known: [other])),
        Case(name: "revoked under a plain name", text: "@revoked drop.example \(key.bare)", port: 2222, answer: .revoked),
        Case(name: "a hash of a plain name for another port", text: "\(hashed) \(key.bare)", port: 2222, answer: .known),
        Case(name: "a hash of a name", text: "\(hashed) \(key.bare)", host: "DROP.example", answer: .known),
        Case(name: "a hash of another name", text: "\(hashed) \(key.bare)", host: "else.example", answer: .unknown),
        Case(name: "a hash cut short", text: "\(hashed.dropLast(3)) \(key.bare)", answer: .unknown),
        Case(
            name: "an address and port", text: "[2001:db8::1]:2222 \(key.bare)", host: "2001:db8::1", port: 2222,
            answer: .known),
        Case(name: "a star", text: "*.example \(key.bare)", answer: .known),
        Case(name: "a star with a port", text: "[*.example]:2222 \(key.bare)", port: 2222, answer: .known),
        Case(name: "question marks", text: "dr?p.exampl? \(key.bare)", answer: .known),
        Case(name: "a question mark is one byte", text: "drop.example? \(key.bare)", answer: .unknown),
        Case(name: "a negated name after a match", text: "*.example,!drop.example \(key.bare)", answer: .unknown),
        Case(name: "a negated name before a match", text: "!drop.*,*.example \(key.bare)", answer: .unknown),
        Case(name: "a negation alone", text: "!else \(key.bare)", answer: .unknown),
        Case(name: "another key of the type", text: "drop.example \(other.bare)", answer: .changed(known: [other])),
        Case(name: "a key of another type only", text: "drop.example \(rsa.bare)", answer: .changed(known: [rsa])),
        Case(
            name: "the right key after a wrong one", text: "drop.example \(other.bare)\ndrop.example \(key.bare)",
            answer: .known),
        Case(
            name: "several others", text: "drop.example \(rsa.bare)\n* \(other.bare)",
            answer: .changed(known: [rsa, other])),
        Case(name: "revoked for all", text: "drop.example \(key.bare)\n@revoked * \(key.bare)", answer: .revoked),
        Case(
            name: "revoked before", text: "@revoked drop.example \(key.bare)\ndrop.example \(key.bare)",
            answer: .revoked),
        Case(name: "another key revoked", text: "@revoked * \(other.bare)\ndrop.example \(key.bare)", answer: .known),
        Case(name: "only another key revoked", text: "@revoked * \(other.bare)", answer: .unknown),
        Case(name: "revoked elsewhere", text: "@revoked else \(key.bare)\ndrop.example \(key.bare)", answer: .known),
        Case(name: "an authority alone", text: "@cert-authority *.example \(other.bare)", answer: .certified(authorities: [other])),
        Case(name: "an authority's own key", text: "@cert-authority *.example \(key.bare)", answer: .certified(authorities: [key])),
        Case(
            name: "an authority for the port", text: "@cert-authority [*.example]:2222 \(other.bare)", port: 2222,
            answer: .certified(authorities: [other])),
        Case(name: "an authority for another port", text: "@cert-authority [*.example]:2222 \(other.bare)", answer: .unknown),
        Case(name: "an authority for others", text: "@cert-authority *.test,!drop.example \(other.bare)", answer: .unknown),
        Case(name: "an authority and the plain key", text: "@cert-authority * \(other.bare)\ndrop.example \(key.bare)", answer: .known),
        Case(
            name: "an authority and another plain key", text: "@cert-authority * \(rsa.bare)\ndrop.example \(other.bare)",
            answer: .changed(known: [other])),
        Case(name: "an authority and a revocation", text: "@cert-authority * \(other.bare)\n@revoked * \(key.bare)", answer: .revoked),
        Case(
            name: "an address with its scope", text: "fe80::1%eth0 \(key.bare)", host: "FE80::1%eth0", answer: .known),
        Case(name: "an address of another scope", text: "fe80::1%eth1 \(key.bare)", host: "fe80::1%eth0", answer: .unknown),
        Case(
            name: "an address with scope and port", text: "[fe80::1%eth0]:2222 \(key.bare)", host: "fe80:0::1%eth0", port: 2222,
            answer: .known),
        Case(name: "an address written long", text: "2001:db8::1 \(key.bare)", host: "2001:0DB8:0:0::1", answer: .known),
        Case(name: "an address that stands long in the file", text: "2001:0db8::1 \(key.bare)", host: "2001:0db8::1", answer: .known),
        Case(name: "no end of line", text: "else \(rsa.bare)\ndrop.example \(key.bare)", answer: .known),
        Case(name: "a lone CR at the end", text: "drop.example \(key.bare)\r", answer: .known),
        Case(
            name: "a byte order mark spoils its line only", text: "\u{FEFF}drop.example \(other.bare)\ndrop.example \(key.bare)",
            answer: .known),
        Case(name: "capitals in the file, with a port", text: "[DROP.example]:2222 \(key.bare)", port: 2222, answer: .known),
        Case(name: "a negated port pattern", text: "[*.example]:2222,![drop.example]:2222 \(key.bare)", port: 2222, answer: .unknown),
        Case(name: "an unknown marker", text: "@trusted drop.example \(key.bare)", answer: .unknown),
        Case(name: "CR LF", text: "# c\r\n\r\ndrop.example \(key.bare)\r\nelse \(rsa.bare)\r\n", answer: .known),
        Case(
            name: "garbage around",
            text: "\u{0}\u{1}\n|1|x\n|2|AAAA|AAAA \(key.bare)\ndrop.example\ndrop.example ssh-ed25519\n"
                + "drop.example ssh-ed25519 !!\ndrop.example 1024 35 1234\n@revoked\n@\ndrop.example \(key.bare)",
            answer: .known),
        Case(name: "a comment that looks like a line", text: "#drop.example \(key.bare)", answer: .unknown),
    ]

    @Test("known_hosts is read as OpenSSH reads it", arguments: cases)
    func table(_ c: Case) {
        #expect(KnownHosts(text: c.text).answer(host: c.host, port: c.port, key: Self.key) == c.answer)
    }

    @Test("the types to ask for are those recorded, each once, without revoked and authorities' keys")
    func types() {
        let text = """
            drop.example \(Self.rsa.bare)
            * \(Self.key.bare)
            drop.example \(Self.other.bare)
            else ssh-dss AAAAB3NzaC1kc3M=
            @revoked drop.example ecdsa-sha2-nistp256 AAAA
            """
        let hosts = KnownHosts(text: text)
        #expect(hosts.knownTypes(host: "drop.example", port: 22) == ["ssh-rsa", "ssh-ed25519"])
        #expect(hosts.knownTypes(host: "drop.example", port: 2222) == ["ssh-ed25519"])
        let plain = KnownHosts(text: "drop.example \(Self.rsa.bare)")
        #expect(plain.knownTypes(host: "drop.example", port: 2222) == ["ssh-rsa"])
    }

    @Test(
        "the line that is written is found again",
        arguments: [("Drop.Example", 22), ("drop.example", 2222), ("::1", 2222), ("FE80:0::1%eth0", 22), ("fe80::1%eth0", 2222)])
    func line(host: String, port: UInt16) {
        let line = KnownHosts.line(host: host, port: port, key: Self.key)
        #expect(KnownHosts(text: line + "\n").answer(host: host, port: port, key: Self.key) == .known)
    }

    @Test("the line is written as OpenSSH would")
    func written() {
        #expect(KnownHosts.line(host: "Drop.Example", port: 22, key: Self.key) == "drop.example \(Self.key.bare)")
        #expect(
            KnownHosts.line(host: "Drop.Example", port: 2222, key: Self.key) == "[drop.example]:2222 \(Self.key.bare)")
    }

    @Test("names that ssh-keygen has hashed are found", .needsSSHKeygen)
    func hashedByOpenSSH() throws {
        let scratch = try Scratch()
        try scratch.write("known_hosts", "drop.example \(Self.key.bare)\n[drop.example]:2222 \(Self.other.bare)\n")
        try SSHKeygen.run("-H", "-f", scratch.file("known_hosts"))
        let text = try #require(try scratch.read("known_hosts"))
        #expect(text.hasPrefix("|1|"))
        let hosts = KnownHosts(text: text)
        #expect(hosts.answer(host: "DROP.example", port: 22, key: Self.key) == .known)
        #expect(hosts.answer(host: "drop.example", port: 2222, key: Self.other) == .known)
        #expect(hosts.answer(host: "drop.example", port: 2222, key: Self.key) == .changed(known: [Self.other]))
        #expect(hosts.answer(host: "else.example", port: 22, key: Self.key) == .unknown)
    }

    @Test("a pattern of many stars takes no long time", .timeLimit(.minutes(1)))
    func stars() {
        let pattern = String(repeating: "*a", count: 2000) + "b"
        let hosts = KnownHosts(text: "\(pattern) \(Self.key.bare)")
        #expect(hosts.answer(host: String(repeating: "a", count: 4000), port: 22, key: Self.key) == .unknown)
    }
}
