import Evidence
import Testing

@Suite struct EncodingTests {
    /// RFC 4648, section 10.
    static let vectors = [
        ("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("fooba", "Zm9vYmE="),
        ("foobar", "Zm9vYmFy"),
    ]

    @Test("base64 equals the RFC's vectors, with and without padding", arguments: vectors)
    func equalsVectors(plain: String, encoded: String) {
        let bytes = Array(plain.utf8)
        let bare = encoded.filter { $0 != "=" }
        #expect(Base64.encode(bytes) == encoded)
        #expect(Base64.encode(bytes, padded: false) == bare)
        #expect(Base64.decode(encoded) == bytes)
        #expect(Base64.decode(bare) == bytes)
    }

    @Test("all bytes survive base64 at every length")
    func roundTrip() {
        for length in 0...300 {
            let bytes = (0..<length).map { UInt8(truncatingIfNeeded: $0 &* 37 &+ length) }
            #expect(Base64.decode(Base64.encode(bytes)) == bytes)
            #expect(Base64.decode(Base64.encode(bytes, padded: false)) == bytes)
        }
    }

    @Test(
        "what base64 never gives is not taken for it",
        arguments: [
            "A", "A===", "=", "Zg=", "Zm9v=", "Zm9v====", "Z g==", "Zg==\n", "Zh==", "Zm9=", "Zg==Zg==", "Zm-_", "Zmé=",
        ])
    func illegal(text: String) { #expect(Base64.decode(text) == nil) }

    /// FIPS 180-4's examples.
    @Test("SHA-256 equals the standard's examples, in one piece or many")
    func sha256() {
        let text = Array("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq".utf8)
        let expected = "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
        var digest = FileDigest()
        for index in text.indices { digest.update(text[index...index]) }
        #expect(FileDigest.hex(digest.finish()) == expected)
        #expect(FileDigest.hex(FileDigest.of(text)) == expected)
        #expect(
            FileDigest.hex(FileDigest().finish()) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
    }

    @Test("a copy of a digest goes its own way")
    func copies() {
        var digest = FileDigest()
        digest.update(Array("ab".utf8)[...])
        var copy = digest
        copy.update(Array("c".utf8)[...])
        #expect(copy.finish() == FileDigest.of(Array("abc".utf8)))
        #expect(digest.finish() == FileDigest.of(Array("ab".utf8)))
        Array("c".utf8).withUnsafeBytes { digest.update($0) }
        #expect(digest.finish() == copy.finish())
    }
}
