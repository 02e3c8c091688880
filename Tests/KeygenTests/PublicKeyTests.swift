import Evidence
import Testing

@Suite struct PublicKeyTests {
    let key = SSHPublicKey(ed25519: Array(0..<32), comment: "a comment of words")

    @Test("a line is read back as the key that was written")
    func roundTrip() throws {
        #expect(SSHPublicKey(line: key.line) == key)
        #expect(SSHPublicKey(line: "  \(key.line) \r\n") == key)
        #expect(try #require(SSHPublicKey(line: key.bare)).comment == "")
        #expect(SSHPublicKey(line: key.bare)?.line == key.bare)
    }

    @Test("a line with options, a wrong type, bad base64, a cut blob or a second line is no key")
    func refused() {
        let base64 = Base64.encode(key.blob)
        #expect(SSHPublicKey(line: "restrict \(key.line)") == nil)
        #expect(SSHPublicKey(line: "ssh-rsa \(base64)") == nil)
        #expect(SSHPublicKey(line: "ssh-ed25519 \(base64.dropLast(2))-=") == nil)
        #expect(SSHPublicKey(line: "ssh-ed25519 \(Base64.encode(Array(key.blob.dropLast())))") == nil)
        #expect(SSHPublicKey(line: "ssh-ed25519 \(Base64.encode(key.blob + [0]))") == nil)
        #expect(SSHPublicKey(line: "\(key.line)\n\(key.line)") == nil)
        #expect(SSHPublicKey(line: "ssh-ed25519") == nil)
        #expect(SSHPublicKey(line: "") == nil)
        #expect(SSHPublicKey(type: "ssh-ed25519", blob: [0, 0, 0, 255, 1]) == nil)
    }

    @Test("a comment can't bring a second line into authorized_keys")
    func comment() {
        #expect(key.with(comment: "x\nssh-ed25519 AAAA\u{0} ").comment == "xssh-ed25519 AAAA")
    }
}
