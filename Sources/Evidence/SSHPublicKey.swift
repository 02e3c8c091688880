/// A public key as SSH carries it: the name of its type and the blob that begins with the same name
/// (RFC 4253, section 6.6; RFC 5656 for ECDSA; RFC 8709 for Ed25519).
public struct SSHPublicKey: Sendable, Equatable {
    /// `ssh-ed25519`, `ecdsa-sha2-nistp256`, `ssh-rsa`, …
    public let type: String
    public let blob: [UInt8]
    /// May be empty. Never has control characters: it ends in lines that an administrator pastes.
    public let comment: String

    /// nil unless the blob begins with the name of the type and, for the types known here, has the right parts.
    public init?(type: String, blob: [UInt8], comment: String = "") {
        guard Self.isWellFormed(type: type, blob: blob) else { return nil }
        self.type = type
        self.blob = blob
        self.comment = Self.printable(comment)
    }

    /// From what a server shows: the blob names its type itself.
    public init?(blob: [UInt8]) {
        var reader = WireReader(blob)
        guard let type = reader.string() else { return nil }
        self.init(type: String(decoding: type, as: UTF8.self), blob: blob)
    }

    /// `publicKey` are the 32 bytes of RFC 8032.
    public init(ed25519 publicKey: [UInt8], comment: String) {
        precondition(publicKey.count == 32, "an Ed25519 public key has 32 bytes")
        var writer = WireWriter()
        writer.string("ssh-ed25519")
        writer.string(publicKey)
        self.type = "ssh-ed25519"
        self.blob = writer.bytes
        self.comment = Self.printable(comment)
    }

    /// One line of a `.pub` file: `type base64 [comment]`. nil where there is more than one line or where options
    /// lead, as they may in authorized_keys.
    public init?(line: some StringProtocol) {
        let line = Self.trimmed(line)
        guard !line.contains(where: \.isNewline) else { return nil }
        let parts = line.split(maxSplits: 2, whereSeparator: { $0 == " " || $0 == "\t" })
        guard parts.count >= 2, let blob = Base64.decode(parts[1]) else { return nil }
        self.init(type: String(parts[0]), blob: blob, comment: parts.count > 2 ? Self.trimmed(parts[2]) : "")
    }

    public func with(comment: String) -> SSHPublicKey { SSHPublicKey(copying: self, comment: comment) }
    private init(copying key: SSHPublicKey, comment: String) {
        self.type = key.type
        self.blob = key.blob
        self.comment = Self.printable(comment)
    }

    /// The same key, whatever the comments say.
    public func isSameKey(as other: SSHPublicKey) -> Bool { type == other.type && blob == other.blob }

    /// `type base64`
    public var bare: String { "\(type) \(Base64.encode(blob))" }
    /// `type base64 comment`, without a line break.
    public var line: String { comment.isEmpty ? bare : "\(bare) \(comment)" }
    /// `SHA256:` and the digest of the blob in base64 without padding, as OpenSSH prints it.
    public var fingerprint: String { "SHA256:" + Base64.encode(FileDigest.of(blob), padded: false) }
    /// What `ssh-keygen -l` prints: `256 SHA256:… comment (ED25519)`.
    public var words: String { "\(bits) \(fingerprint) \(comment.isEmpty ? "no comment" : comment) (\(label))" }

    private var label: String {
        switch type {
        case "ssh-ed25519": "ED25519"
        case "ssh-rsa": "RSA"
        case "ssh-dss": "DSA"
        case "sk-ssh-ed25519@openssh.com": "ED25519-SK"
        case "sk-ecdsa-sha2-nistp256@openssh.com": "ECDSA-SK"
        case let name where name.hasPrefix("ecdsa-sha2-"): "ECDSA"
        default: type
        }
    }

    private var bits: Int {
        var reader = WireReader(blob)
        _ = reader.string()
        switch type {
        case "ssh-rsa":
            _ = reader.string()  // the exponent stands before the modulus
            return Self.bitLength(reader.string() ?? [])
        case "ssh-dss": return Self.bitLength(reader.string() ?? [])
        case "ecdsa-sha2-nistp384": return 384
        case "ecdsa-sha2-nistp521": return 521
        default: return 256
        }
    }

    private static func bitLength(_ number: [UInt8]) -> Int {
        let significant = number.drop { $0 == 0 }
        guard let first = significant.first else { return 0 }
        return significant.count * 8 - first.leadingZeroBitCount
    }

    private static func isWellFormed(type: String, blob: [UInt8]) -> Bool {
        var reader = WireReader(blob)
        guard !type.isEmpty, reader.text() == type else { return false }
        switch type {
        case "ssh-ed25519": return reader.string()?.count == 32 && reader.isAtEnd
        case "ssh-rsa": return reader.string() != nil && reader.string() != nil && reader.isAtEnd
        case "ssh-dss": return (0..<4).allSatisfy { _ in reader.string() != nil } && reader.isAtEnd
        case "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521":
            guard let curve = reader.text(), type.hasSuffix("-" + curve), let point = reader.string() else {
                return false
            }
            return !point.isEmpty && reader.isAtEnd
        default: return true
        }
    }

    private static func printable(_ text: String) -> String {
        let safe = String.UnicodeScalarView(text.unicodeScalars.filter { $0.properties.generalCategory != .control })
        return trimmed(String(safe))
    }

    private static func trimmed(_ text: some StringProtocol) -> String {
        let end = text.lastIndex { !$0.isWhitespace }
        guard let start = text.firstIndex(where: { !$0.isWhitespace }), let end else { return "" }
        return String(text[start...end])
    }
}
