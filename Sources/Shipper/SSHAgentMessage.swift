import Evidence

/// A key that an agent holds.
struct AgentIdentity: Sendable, Equatable {
    /// As in a `.pub` file, without base64.
    let blob: [UInt8]
    let comment: String
    /// nil where it is no key of a form known here.
    var publicKey: SSHPublicKey? { SSHPublicKey(blob: blob) }
}

/// What an agent signed, taken apart: SSH's signature blob is the name of the algorithm and its bytes (RFC 4253, section 6.6).
struct AgentSignature: Sendable, Equatable {
    let algorithm: String
    /// What libssh2's sign callback gives back: it puts the algorithm before them itself.
    let bytes: [UInt8]
}

/// The messages of an ssh-agent (draft-miller-ssh-agent), as far as a login needs them: bytes after the length that leads each.
enum AgentMessage {
    /// As OpenSSH's: nothing longer is sent or taken, and no agent has more keys.
    static let longest = 256 << 10
    static let mostIdentities = 2048

    private static let failure: UInt8 = 5
    private static let requestIdentities: UInt8 = 11
    private static let identitiesAnswer: UInt8 = 12
    private static let signRequest: UInt8 = 13
    private static let signResponse: UInt8 = 14
    private static let extensionFailure: UInt8 = 28

    enum Answer: Sendable, Equatable {
        case identities([AgentIdentity])
        case signature(AgentSignature)
        /// Locked, or the key is gone, or its owner said no.
        case failure
    }

    static func identities() -> [UInt8] { [requestIdentities] }

    static func sign(blob: [UInt8], data: [UInt8], flags: UInt32) -> [UInt8] {
        var writer = WireWriter()
        writer.raw([signRequest])
        writer.string(blob)
        writer.string(data)
        writer.uint32(flags)
        return writer.bytes
    }

    /// With the length that leads it on the socket.
    static func framed(_ message: [UInt8]) -> [UInt8] {
        var writer = WireWriter()
        writer.string(message)
        return writer.bytes
    }

    /// nil for what makes no sense: too short, too long, an answer to nothing that is asked here.
    static func answer(_ bytes: [UInt8]) -> Answer? {
        guard let kind = bytes.first else { return nil }
        var reader = WireReader(bytes.dropFirst())
        switch kind {
        case failure, extensionFailure: return .failure
        case identitiesAnswer:
            guard let count = reader.uint32(), count <= mostIdentities else { return nil }
            var found: [AgentIdentity] = []
            for _ in 0..<count {
                guard let blob = reader.string(), let comment = reader.string() else { return nil }
                found.append(AgentIdentity(blob: blob, comment: String(decoding: comment, as: UTF8.self)))
            }
            return reader.isAtEnd ? .identities(found) : nil
        case signResponse:
            guard let blob = reader.string(), reader.isAtEnd else { return nil }
            var parts = WireReader(blob)
            guard let algorithm = parts.text(), !algorithm.isEmpty, let signature = parts.string(), !signature.isEmpty, parts.isAtEnd else {
                return nil
            }
            return .signature(AgentSignature(algorithm: algorithm, bytes: signature))
        default: return nil
        }
    }

    /// The algorithm that a login is to be signed with, from the data to be signed (RFC 4252, section 7): libssh2 chose it by what
    /// the server takes, and tells it nowhere else. nil where the data is no such request.
    static func algorithm(ofLogin data: [UInt8]) -> String? {
        var reader = WireReader(data)
        guard reader.string() != nil, reader.raw(1) == [50], reader.string() != nil, reader.text() == "ssh-connection",
            reader.text() == "publickey", reader.raw(1) == [1], let algorithm = reader.text(), reader.string() != nil, reader.isAtEnd
        else { return nil }
        return algorithm
    }

    /// An RSA key signs with SHA-1 unless it is told otherwise.
    static func flags(for algorithm: String) -> UInt32 {
        switch algorithm {
        case "rsa-sha2-256": 2
        case "rsa-sha2-512": 4
        default: 0
        }
    }
}
