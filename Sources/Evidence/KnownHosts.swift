import Crypto

/// What a known_hosts file says about a server's key (sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT").
///
/// Read here and not by libssh2, which knows neither wildcards, negation, `@revoked` nor `@cert-authority`.
/// A line that can't be understood is skipped, as OpenSSH does: one bad line must not lock the sensor out.
public struct KnownHosts: Sendable {
    /// `changed` carries every key the file has for the host. A host known by other types only is changed too:
    /// otherwise whoever stands in the middle need only offer a type that was never recorded.
    public enum Answer: Sendable, Equatable {
        case known
        case unknown
        case changed(known: [SSHPublicKey])
        case revoked
    }

    private let entries: [Entry]

    public init(text: String) {
        // By bytes: Swift takes CR LF for one character.
        entries = text.utf8.split(separator: UInt8(ascii: "\n")).compactMap { Entry(line: String(Substring($0))) }
    }

    /// `host` is a name or an address without brackets. A revocation wins over everything.
    public func answer(host: String, port: UInt16, key: SSHPublicKey) -> Answer {
        let matching = entries(host: host, port: port)
        if matching.contains(where: { $0.marker == .revoked && $0.key.isSameKey(as: key) }) { return .revoked }
        let known = matching.filter { $0.marker == .none }.map(\.key)
        if known.isEmpty { return .unknown }
        return known.contains { $0.isSameKey(as: key) } ? .known : .changed(known: known)
    }

    /// The types of the keys recorded for the host, in the file's order: what to ask the server for, since a type
    /// it was not recorded with would look changed.
    public func knownTypes(host: String, port: UInt16) -> [String] {
        var types: [String] = []
        for entry in entries(host: host, port: port) where entry.marker == .none && !types.contains(entry.key.type) {
            types.append(entry.key.type)
        }
        return types
    }

    /// The line that records `key`, without a line break.
    public static func line(host: String, port: UInt16, key: SSHPublicKey) -> String {
        let host = host.lowercased()
        return "\(port == 22 ? host : "[\(host)]:\(port)") \(key.bare)"
    }

    private func entries(host: String, port: UInt16) -> [Entry] {
        let host = host.lowercased()
        let names = port == 22 ? [host, "[\(host)]:22"] : ["[\(host)]:\(port)"]
        return entries.filter { $0.hosts.matches(names) }
    }

    private struct Entry: Sendable {
        enum Marker { case none, revoked, authority }
        let marker: Marker
        let hosts: HostPatterns
        let key: SSHPublicKey

        init?(line: String) {
            var fields = line.split(maxSplits: 2, whereSeparator: \.isWhitespace)
            guard let first = fields.first, !first.hasPrefix("#") else { return nil }
            switch first {
            case "@revoked": marker = .revoked
            case "@cert-authority": marker = .authority
            default:
                if first.hasPrefix("@") { return nil }
                marker = .none
            }
            if marker != .none {
                fields = line.split(maxSplits: 3, whereSeparator: \.isWhitespace)
                fields.removeFirst()
            }
            guard fields.count >= 2, let hosts = HostPatterns(fields[0]) else { return nil }
            guard let key = SSHPublicKey(line: fields.dropFirst().joined(separator: " ")) else { return nil }
            self.hosts = hosts
            self.key = key
        }
    }
}

/// The first field of a known_hosts line.
enum HostPatterns: Sendable {
    case list([String])
    /// `|1|salt|hash`: HMAC-SHA1 of the name, keyed with the salt.
    case hashed(salt: [UInt8], hash: [UInt8])

    init?(_ field: Substring) {
        guard field.hasPrefix("|") else {
            self = .list(field.lowercased().split(separator: ",").map(String.init))
            return
        }
        let parts = field.split(separator: "|", omittingEmptySubsequences: false)
        guard parts.count == 4, parts[1] == "1" else { return nil }
        guard let salt = Base64.decode(parts[2]), let hash = Base64.decode(parts[3]), hash.count == 20 else {
            return nil
        }
        self = .hashed(salt: salt, hash: hash)
    }

    /// Whether any of the host's `names`, in lower case, is meant. A negated pattern that matches ends the whole
    /// list, wherever it stands.
    func matches(_ names: [String]) -> Bool {
        switch self {
        case .hashed(let salt, let hash):
            return names.contains { name in
                let code = HMAC<Insecure.SHA1>.authenticationCode(
                    for: Array(name.utf8), using: SymmetricKey(data: salt))
                return Array(code) == hash
            }
        case .list(let patterns):
            var found = false
            for pattern in patterns {
                let negated = pattern.hasPrefix("!")
                let body = Array((negated ? pattern.dropFirst() : pattern[...]).utf8)
                guard names.contains(where: { Self.glob(body, Array($0.utf8)) }) else { continue }
                if negated { return false }
                found = true
            }
            return found
        }
    }

    /// `*` any run, `?` any one byte. Goes back only to the last `*`, so that the time stays within the product of
    /// both lengths whatever the file holds.
    static func glob(_ pattern: [UInt8], _ text: [UInt8]) -> Bool {
        var p = 0
        var t = 0
        var star: (pattern: Int, text: Int)?
        while t < text.count {
            if p < pattern.count, pattern[p] == UInt8(ascii: "*") {
                star = (p + 1, t)
                p += 1
            } else if p < pattern.count, pattern[p] == UInt8(ascii: "?") || pattern[p] == text[t] {
                p += 1
                t += 1
            } else if let last = star {
                star = (last.pattern, last.text + 1)
                p = last.pattern
                t = last.text + 1
            } else {
                return false
            }
        }
        return pattern[p...].allSatisfy { $0 == UInt8(ascii: "*") }
    }
}
