/// What can be seen of a private key file without its passphrase.
///
///     -----BEGIN OPENSSH PRIVATE KEY-----     openssh-key-v1 (OpenSSH's PROTOCOL.key); public key in clear
///     -----BEGIN RSA|EC|DSA PRIVATE KEY-----  PEM (RFC 1421 headers; PKCS#1, SEC 1)
///     -----BEGIN [ENCRYPTED ]PRIVATE KEY----- PKCS#8 (RFC 5208, RFC 5958)
public struct SSHPrivateKeyFile: Sendable {
    /// `unknown`: some other `… PRIVATE KEY` armour.
    public enum Format: Sendable { case openssh, pem, pkcs8, unknown }
    public enum Kind: Sendable { case ed25519, ecdsa, rsa, dsa, unknown }

    public let format: Format
    /// `unknown` also where the type is inside the encrypted part.
    public let kind: Kind
    public let isEncrypted: Bool
    /// Only the OpenSSH format has it in clear; its comment only where nothing is encrypted.
    public let publicKey: SSHPublicKey?

    /// nil where this is no private key at all, or a damaged one in OpenSSH format.
    public init?(bytes: [UInt8]) {
        guard let armour = Armour(bytes) else { return nil }
        switch armour.label {
        case "OPENSSH PRIVATE KEY":
            guard let content = armour.content, let file = OpenSSHKeyV1(content) else { return nil }
            format = .openssh
            kind = Self.kind(ofType: file.publicKey.type)
            isEncrypted = file.isEncrypted
            publicKey = file.publicKey
        case "RSA PRIVATE KEY", "EC PRIVATE KEY", "DSA PRIVATE KEY":
            format = .pem
            kind = armour.label.hasPrefix("RSA") ? .rsa : armour.label.hasPrefix("EC") ? .ecdsa : .dsa
            isEncrypted = armour.headers.contains { $0.hasPrefix("Proc-Type:") && $0.hasSuffix("ENCRYPTED") }
            publicKey = nil
        case "PRIVATE KEY":
            format = .pkcs8
            kind = Self.kind(ofPKCS8: armour.content ?? [])
            isEncrypted = false
            publicKey = nil
        case "ENCRYPTED PRIVATE KEY":
            format = .pkcs8
            kind = .unknown
            isEncrypted = true
            publicKey = nil
        default:
            format = .unknown
            kind = .unknown
            isEncrypted = armour.label.contains("ENCRYPTED")
            publicKey = nil
        }
    }

    private static func kind(ofType type: String) -> Kind {
        switch type {
        case "ssh-ed25519": .ed25519
        case "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521": .ecdsa
        case "ssh-rsa": .rsa
        case "ssh-dss": .dsa
        default: .unknown
        }
    }

    /// By the object identifier of the algorithm, which stands within the first bytes of the structure.
    private static func kind(ofPKCS8 der: [UInt8]) -> Kind {
        let identifiers: [(Kind, [UInt8])] = [
            (.ed25519, [0x06, 3, 0x2b, 0x65, 0x70]),
            (.ecdsa, [0x06, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01]),
            (.rsa, [0x06, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01]),
            (.dsa, [0x06, 7, 0x2a, 0x86, 0x48, 0xce, 0x38, 0x04, 0x01]),
        ]
        for start in 0..<min(der.count, 16) {
            for (kind, identifier) in identifiers where der[start...].starts(with: identifier) { return kind }
        }
        return .unknown
    }

    /// An unencrypted Ed25519 key in OpenSSH's own format. `seed` and `publicKey` are the 32 bytes each of RFC 8032,
    /// `check` any random number: equal copies of it tell OpenSSH that decryption went well.
    public static func encodeEd25519(seed: [UInt8], publicKey: [UInt8], comment: String, check: UInt32) -> [UInt8] {
        let key = SSHPublicKey(ed25519: publicKey, comment: comment)
        var section = WireWriter()
        section.uint32(check)
        section.uint32(check)
        section.string(key.type)
        section.string(publicKey)
        section.string(seed + publicKey)
        section.string(key.comment)
        let open = section.bytes.count % 8
        if open > 0 { section.raw((1...UInt8(8 - open))) }

        var file = WireWriter()
        file.raw(OpenSSHKeyV1.magic)
        file.string("none")
        file.string("none")
        file.string("")
        file.uint32(1)
        file.string(key.blob)
        file.string(section.bytes)
        return Armour.text(label: "OPENSSH PRIVATE KEY", content: file.bytes)
    }
}

/// The binary content of OpenSSH's format, for a single key.
private struct OpenSSHKeyV1 {
    static let magic = [UInt8]("openssh-key-v1\0".utf8)
    let isEncrypted: Bool
    let publicKey: SSHPublicKey

    init?(_ content: [UInt8]) {
        var reader = WireReader(content)
        guard reader.raw(Self.magic.count) == Self.magic else { return nil }
        guard let cipher = reader.text(), reader.string() != nil, reader.string() != nil, reader.uint32() == 1 else {
            return nil
        }
        guard let blob = reader.string(), let section = reader.string() else { return nil }
        var blobReader = WireReader(blob)
        guard let type = blobReader.text() else { return nil }
        isEncrypted = cipher != "none"
        var comment = ""
        if !isEncrypted {
            guard let found = Self.comment(section: section, type: type, blob: blob) else { return nil }
            comment = found
        }
        guard let key = SSHPublicKey(type: type, blob: blob, comment: comment) else { return nil }
        publicKey = key
    }

    /// nil where the unencrypted section is damaged; empty for types whose fields are not known here.
    private static func comment(section: [UInt8], type: String, blob: [UInt8]) -> String? {
        var reader = WireReader(section)
        guard let first = reader.uint32(), reader.uint32() == first, reader.text() == type else { return nil }
        let fields: Int
        switch type {
        case "ssh-ed25519": fields = 2
        case "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521": fields = 3
        case "ssh-rsa": fields = 6
        case "ssh-dss": fields = 5
        default: return ""
        }
        var values: [[UInt8]] = []
        for _ in 0..<fields {
            guard let value = reader.string() else { return nil }
            values.append(value)
        }
        // Seed and public key, once more: a login with a damaged one would only be refused, without a reason.
        if type == "ssh-ed25519" {
            guard values[1].count == 64, values[1].suffix(32).elementsEqual(values[0]),
                blob.suffix(32).elementsEqual(values[0])
            else {
                return nil
            }
        }
        guard let comment = reader.string() else { return nil }
        let padding = reader.remainder
        guard padding.enumerated().allSatisfy({ $0.offset + 1 == $0.element }) else { return nil }
        return String(decoding: comment, as: UTF8.self)
    }
}

/// Text armour of RFC 7468, with the headers of RFC 1421 that old PEM keys carry.
private struct Armour {
    let label: String
    let headers: [String]
    /// nil where the lines are no base64.
    let content: [UInt8]?

    init?(_ bytes: [UInt8]) {
        guard let text = String(validating: bytes, as: UTF8.self) else { return nil }
        let lines = text.split(whereSeparator: \.isNewline).map { $0.trimmingSuffix(while: \.isWhitespace) }
        let begin = "-----BEGIN "
        guard let start = lines.firstIndex(where: { $0.hasPrefix(begin) && $0.hasSuffix("PRIVATE KEY-----") }) else {
            return nil
        }
        label = String(lines[start].dropFirst(begin.count).dropLast(5))
        let end = "-----END \(label)-----"
        guard let stop = lines[start...].firstIndex(where: { $0 == end }) else { return nil }
        let body = lines[(start + 1)..<stop]
        headers = body.filter { $0.contains(":") }.map(String.init)
        content = Base64.decode(body.filter { !$0.contains(":") }.joined())
    }

    static func text(label: String, content: [UInt8]) -> [UInt8] {
        let digits = Array(Base64.encode(content).utf8)
        var text = Array("-----BEGIN \(label)-----\n".utf8)
        for start in stride(from: 0, to: digits.count, by: 70) {
            text += digits[start..<min(start + 70, digits.count)]
            text.append(UInt8(ascii: "\n"))
        }
        return text + "-----END \(label)-----\n".utf8
    }
}

extension Substring {
    fileprivate func trimmingSuffix(while predicate: (Character) -> Bool) -> Substring {
        var rest = self
        while let last = rest.last, predicate(last) { rest.removeLast() }
        return rest
    }
}
