/// What a private key file is, as far as it tells without a passphrase.
public struct SSHPrivateKeyFile: Sendable {
    public enum Format: Sendable { case openssh, pem, pkcs8 }
    public enum Kind: String, Sendable { case ed25519 = "Ed25519", ecdsa = "ECDSA", rsa = "RSA", dsa = "DSA", unknown = "unknown" }
    public let format: Format
    public let kind: Kind
    public let isEncrypted: Bool
    /// Only the OpenSSH format carries it in clear; with its comment where the file is not encrypted.
    public let publicKey: SSHPublicKey?

    private static let magic = Array("openssh-key-v1\0".utf8)

    /// nil where it is no private key.
    public init?(bytes: [UInt8]) {
        let lines = String(decoding: bytes, as: UTF8.self).split { $0.isNewline }.map { $0.drop { $0 == " " } }
        guard let start = lines.firstIndex(where: { $0.hasPrefix("-----BEGIN ") }) else { return nil }
        let label = lines[start].dropFirst(11).prefix { $0 != "-" }
        let body = lines[(start + 1)...].prefix { !$0.hasPrefix("-----END ") }
        switch label {
        case "OPENSSH PRIVATE KEY":
            guard let raw = Base64.decode(body.joined()), let read = Self.openSSH(raw) else { return nil }
            format = .openssh
            kind = Self.kind(of: read.key.type)
            isEncrypted = read.isEncrypted
            publicKey = read.key
        case "RSA PRIVATE KEY", "EC PRIVATE KEY", "DSA PRIVATE KEY":
            format = .pem
            kind = label.hasPrefix("RSA") ? .rsa : label.hasPrefix("EC") ? .ecdsa : .dsa
            isEncrypted = body.contains { $0.hasPrefix("Proc-Type:") && $0.contains("ENCRYPTED") }
            publicKey = nil
        case "PRIVATE KEY", "ENCRYPTED PRIVATE KEY":
            format = .pkcs8
            kind = .unknown
            isEncrypted = label.hasPrefix("ENC")
            publicKey = nil
        default: return nil
        }
    }

    private static func kind(of type: String) -> Kind {
        switch type {
        case "ssh-ed25519": return .ed25519
        case "ssh-rsa": return .rsa
        case "ssh-dss": return .dsa
        default: return type.hasPrefix("ecdsa-sha2-") ? .ecdsa : .unknown
        }
    }

    /// OpenSSH's PROTOCOL.key.
    private static func openSSH(_ raw: [UInt8]) -> (key: SSHPublicKey, isEncrypted: Bool)? {
        var reader = WireReader(raw)
        guard reader.take(magic), let cipher = reader.text(), reader.string() != nil, reader.string() != nil, reader.number() == 1,
            let blob = reader.string(), let secret = reader.string(), var key = SSHPublicKey(blob: blob)
        else { return nil }
        if cipher != "none" { return (key, true) }
        // The comment is the last string; how many come before it depends on the kind.
        let strings: Int
        switch kind(of: key.type) {
        case .ed25519: strings = 2
        case .ecdsa: strings = 3
        case .rsa: strings = 6
        case .dsa: strings = 5
        case .unknown: return (key, false)
        }
        var inner = WireReader(secret)
        guard inner.number() != nil, inner.number() != nil, inner.text() == key.type else { return nil }
        for _ in 0..<strings where inner.string() == nil { return nil }
        key.comment = inner.text() ?? ""
        return (key, false)
    }

    /// An unencrypted Ed25519 key: `seed` and `publicKey` are 32 bytes, `check` any number.
    public static func encodeEd25519(seed: [UInt8], publicKey: [UInt8], comment: String, check: UInt32) -> [UInt8] {
        var secret = WireWriter()
        secret.put(check)
        secret.put(check)
        secret.put("ssh-ed25519")
        secret.put(publicKey)
        secret.put(seed + publicKey)
        secret.put(comment)
        var padding: UInt8 = 1
        while secret.bytes.count % 8 != 0 {
            secret.putRaw([padding])
            padding += 1
        }
        var out = WireWriter()
        out.putRaw(magic)
        out.put("none")
        out.put("none")
        out.put("")
        out.put(UInt32(1))
        out.put(SSHPublicKey(ed25519: publicKey, comment: "").blob)
        out.put(secret.bytes)
        var text = "-----BEGIN OPENSSH PRIVATE KEY-----\n"
        var rest = Base64.encode(out.bytes)[...]
        while !rest.isEmpty {
            text += rest.prefix(70) + "\n"
            rest = rest.dropFirst(70)
        }
        return Array((text + "-----END OPENSSH PRIVATE KEY-----\n").utf8)
    }
}
