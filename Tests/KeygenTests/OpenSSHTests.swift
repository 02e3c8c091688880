import Evidence
import Glibc
import Keygen
import Testing

@Suite(.needsSSHKeygen) struct OpenSSHTests {
    @Test("ssh-keygen reads our private key and finds the same public key and comment")
    func ownKey() throws {
        let scratch = try Scratch()
        let pair = try KeyPair.ensure(in: scratch.path, sensorName: "boogey", rsaUsable: false)
        #expect(try SSHKeygen.run("-y", "-f", pair.privateKeyPath) == pair.publicKey.line + "\n")
        #expect(try scratch.read("id_ed25519.pub") == pair.publicKey.line + "\n")
        #expect(try SSHKeygen.run("-l", "-f", pair.privateKeyPath) == pair.publicKey.words + "\n")
        #expect(pair.publicKey.comment == "root@boogey")
    }

    @Test("a comment of any length leaves a key that ssh-keygen reads", arguments: 0..<9)
    func padding(length: Int) throws {
        let scratch = try Scratch()
        let name = String(repeating: "n", count: length)
        let pair = try KeyPair.ensure(in: scratch.path, sensorName: name, rsaUsable: false)
        #expect(try SSHKeygen.run("-y", "-f", pair.privateKeyPath) == pair.publicKey.line + "\n")
    }

    @Test("ssh-keygen can rewrite and relock our key, and sign with it")
    func signs() throws {
        let scratch = try Scratch()
        let pair = try KeyPair.ensure(in: scratch.path, sensorName: "boogey", rsaUsable: false)
        try scratch.write("message", "hello")
        try SSHKeygen.run("-Y", "sign", "-f", pair.privateKeyPath, "-n", "file", scratch.file("message"))
        #expect(try scratch.read("message.sig")?.hasPrefix("-----BEGIN SSH SIGNATURE-----") == true)
        try SSHKeygen.run("-p", "-N", "secret", "-P", "", "-f", pair.privateKeyPath)
        #expect(throws: KeyProblem.self) { try KeyPair.inspect(path: pair.privateKeyPath, rsaUsable: false) }
    }

    @Test(
        "the words for a key are those of ssh-keygen -l",
        arguments: [
            ["-t", "ed25519"], ["-t", "ecdsa", "-b", "256"], ["-t", "ecdsa", "-b", "384"],
            ["-t", "ecdsa", "-b", "521"],
            ["-t", "rsa", "-b", "1024"], ["-t", "rsa", "-b", "2048"],
        ], ["some comment", ""])
    func words(type: [String], comment: String) throws {
        let scratch = try Scratch()
        let file = scratch.file("key")
        try SSHKeygen.run(arguments: type + ["-q", "-N", "", "-C", comment, "-f", file])
        let key = try #require(SSHPublicKey(line: try scratch.read("key.pub") ?? ""))
        #expect(try SSHKeygen.run("-l", "-f", file + ".pub") == key.words + "\n")
    }
}
