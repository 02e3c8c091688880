import Crypto

/// known_hosts (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT), line by line: one that cannot be read says nothing
/// about the next.
public struct KnownHosts: Sendable {
    public enum Answer: Sendable, Equatable {
        case known
        case unknown
        /// The host is known, by these keys.
        case changed(known: [SSHPublicKey])
        case revoked
    }
    private struct Entry {
        let isRevoked: Bool
        let patterns: [Substring]
        let key: SSHPublicKey
    }
    private let entries: [Entry]

    public init(text: String) {
        entries = text.split { $0.isNewline }.compactMap(Self.entry)
    }

    private static func entry(_ line: Substring) -> Entry? {
        var words = line.split(maxSplits: 1) { $0 == " " || $0 == "\t" }
        guard var first = words.first, !first.hasPrefix("#"), words.count == 2 else { return nil }
        var isRevoked = false
        if first.hasPrefix("@") {
            // A certificate authority vouches for certificates, which are not asked for here.
            guard first == "@revoked" else { return nil }
            isRevoked = true
            words = words[1].split(maxSplits: 1) { $0 == " " || $0 == "\t" }
            guard words.count == 2 else { return nil }
            first = words[0]
        }
        guard let key = SSHPublicKey(line: words[1]) else { return nil }
        return Entry(isRevoked: isRevoked, patterns: first.split(separator: ","), key: key)
    }

    public func answer(host: String, port: UInt16, key: SSHPublicKey) -> Answer {
        let mine = entries.filter { Self.matches($0.patterns, host: host, port: port) }
        if mine.contains(where: { $0.isRevoked && $0.key == key }) { return .revoked }
        let valid = mine.filter { !$0.isRevoked }.map(\.key)
        if valid.contains(key) { return .known }
        return valid.isEmpty ? .unknown : .changed(known: valid)
    }

    /// Types of the host's keys, to ask the server for first.
    public func knownTypes(host: String, port: UInt16) -> [String] {
        entries.filter { !$0.isRevoked && Self.matches($0.patterns, host: host, port: port) }.map(\.key.type)
    }

    /// The line that makes a key known.
    public static func line(host: String, port: UInt16, key: SSHPublicKey) -> String {
        let name = host.lowercased()
        return "\(port == 22 ? name : "[\(name)]:\(port)") \(key.bare)"
    }

    private static func matches(_ patterns: [Substring], host: String, port: UInt16) -> Bool {
        let host = host.lowercased()
        let names = port == 22 ? [host, "[\(host)]:22"] : ["[\(host)]:\(port)"]
        var found = false
        for pattern in patterns {
            if pattern.hasPrefix("|1|") {
                if names.contains(where: { isHash(pattern, of: $0) }) { found = true }
                continue
            }
            let isNegated = pattern.hasPrefix("!")
            let glob = Array((isNegated ? pattern.dropFirst() : pattern).lowercased().utf8)
            if names.contains(where: { Self.glob(glob[...], Array($0.utf8)[...]) }) {
                if isNegated { return false }
                found = true
            }
        }
        return found
    }

    /// `|1|salt|HMAC-SHA1(salt, name)`.
    private static func isHash(_ pattern: Substring, of name: String) -> Bool {
        let parts = pattern.dropFirst(3).split(separator: "|")
        guard parts.count == 2, let salt = Base64.decode(parts[0]), let hash = Base64.decode(parts[1]) else { return false }
        let code = HMAC<Insecure.SHA1>.authenticationCode(for: Array(name.utf8), using: SymmetricKey(data: salt))
        return Array(code) == hash
    }

    /// `*` and `?`.
    private static func glob(_ pattern: ArraySlice<UInt8>, _ name: ArraySlice<UInt8>) -> Bool {
        var (pattern, name) = (pattern, name)
        var retry: (pattern: ArraySlice<UInt8>, name: ArraySlice<UInt8>)?
        while let c = name.first {
            if let p = pattern.first, p == 0x3f || p == c {
                pattern = pattern.dropFirst()
                name = name.dropFirst()
            } else if pattern.first == 0x2a {
                pattern = pattern.dropFirst()
                retry = (pattern, name)
            } else if let back = retry {
                pattern = back.pattern
                name = back.name.dropFirst()
                retry = (pattern, name)
            } else {
                return false
            }
        }
        return pattern.allSatisfy { $0 == 0x2a }
    }
}
