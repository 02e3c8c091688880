/// A public key as OpenSSH writes it: type, blob (RFC 4253, section 6.6), comment.
public struct SSHPublicKey: Sendable, Equatable {
    /// `ssh-ed25519`, `ecdsa-sha2-nistp256`, `ssh-rsa` …
    public let type: String
    public let blob: [UInt8]
    public var comment: String

    /// nil where the blob does not begin with a type.
    public init?(blob: [UInt8], comment: String = "") {
        var reader = WireReader(blob)
        guard let type = reader.text(), !type.isEmpty, !reader.rest.isEmpty else { return nil }
        self.type = type
        self.blob = blob
        self.comment = comment
    }

    /// `type base64 [comment]`; nil for anything else.
    public init?(line: some StringProtocol) {
        let words = line.split(maxSplits: 2) { $0 == " " || $0 == "\t" || $0.isNewline }
        guard words.count >= 2, let blob = Base64.decode(words[1]) else { return nil }
        var comment = words.count == 3 ? String(words[2]) : ""
        while comment.last?.isWhitespace == true { comment.removeLast() }
        self.init(blob: blob, comment: comment)
        guard type == words[0] else { return nil }
    }

    /// 32 bytes (RFC 8709).
    public init(ed25519 key: [UInt8], comment: String) {
        var writer = WireWriter()
        writer.put("ssh-ed25519")
        writer.put(key)
        self.type = "ssh-ed25519"
        self.blob = writer.bytes
        self.comment = comment
    }

    public var bare: String { "\(type) \(Base64.encode(blob))" }
    public var line: String { comment.isEmpty ? bare : "\(bare) \(comment)" }
    public var fingerprint: String { "SHA256:" + Base64.encode(FileDigest.of(blob), padded: false) }

    /// As `ssh-keygen -l` prints it: `256 SHA256:… comment (ED25519)`.
    public var words: String {
        let name: String
        switch type {
        case "ssh-ed25519": name = "ED25519"
        case "ssh-rsa": name = "RSA"
        case "ssh-dss": name = "DSA"
        default: name = type.hasPrefix("ecdsa-") ? "ECDSA" : type
        }
        return "\(bits) \(fingerprint) \(comment.isEmpty ? "no comment" : comment) (\(name))"
    }

    private var bits: Int {
        switch type {
        case "ssh-ed25519": return 256
        case "ssh-rsa":
            var reader = WireReader(blob)
            guard reader.string() != nil, reader.string() != nil, let modulus = reader.string() else { return 0 }
            let digits = modulus.drop { $0 == 0 }
            return digits.count * 8 - (digits.first?.leadingZeroBitCount ?? 0)
        default: return type.hasPrefix("ecdsa-sha2-nistp") ? Int(type.dropFirst(16)) ?? 0 : 0
        }
    }

    public static func == (a: Self, b: Self) -> Bool { a.blob == b.blob }
}
