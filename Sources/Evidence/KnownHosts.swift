import Crypto
import Glibc

/// What a known_hosts file says about a server's key (sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT").
///
/// Read here and not by libssh2, which knows neither wildcards, negation, `@revoked` nor `@cert-authority`.
/// A line that can't be understood is skipped, as OpenSSH does: one bad line must not lock the sensor out.
/// As in ssh, names are compared in lower case and IPv6 addresses in their canonical form, a scope (`%eth0`) belongs to the
/// address, and a line without a port counts for other ports where it holds the very key and no line names the port.
public struct KnownHosts: Sendable {
    /// `changed` carries every key the file has for the host. A host known by other types only is changed too:
    /// otherwise whoever stands in the middle need only offer a type that was never recorded.
    public enum Answer: Sendable, Equatable {
        case known
        case unknown
        case changed(known: [SSHPublicKey])
        case revoked
        /// Only a certificate authority is named for the host: its certificates are not understood here, and to learn the plain key
        /// would go behind the back of whoever wrote that line.
        case certified(authorities: [SSHPublicKey])
    }

    private let entries: [Entry]

    public init(text: String) {
        // By bytes: Swift takes CR LF for one character.
        entries = text.utf8.split(separator: UInt8(ascii: "\n")).compactMap { Entry(line: String(Substring($0))) }
    }

    /// `host` is a name or an address without brackets. A revocation wins over everything.
    public func answer(host: String, port: UInt16, key: SSHPublicKey) -> Answer {
        let names = Names(host, port)
        let matching = entries.filter { $0.hosts.matches(names.exact) }
        let plain = port == 22 ? [] : entries.filter { $0.hosts.matches(names.withoutPort) }
        if (matching + plain).contains(where: { $0.marker == .revoked && $0.key.isSameKey(as: key) }) { return .revoked }
        let known = matching.filter { $0.marker == .none }.map(\.key)
        if known.contains(where: { $0.isSameKey(as: key) }) { return .known }
        if !known.isEmpty { return .changed(known: known) }
        let authorities = (matching + plain).filter { $0.marker == .authority }.map(\.key)
        if plain.contains(where: { $0.marker == .none && $0.key.isSameKey(as: key) }) { return .known }
        return authorities.isEmpty ? .unknown : .certified(authorities: authorities)
    }

    /// The types of the keys recorded for the host, in the file's order: what to ask the server for, since a type
    /// it was not recorded with would look changed.
    public func knownTypes(host: String, port: UInt16) -> [String] {
        let names = Names(host, port)
        var types = types(names.exact)
        if types.isEmpty, port != 22 { types = self.types(names.withoutPort) }
        return types
    }

    private func types(_ names: [String]) -> [String] {
        var types: [String] = []
        for entry in entries where entry.marker == .none && !types.contains(entry.key.type) && entry.hosts.matches(names) {
            types.append(entry.key.type)
        }
        return types
    }

    /// The line that records `key`, without a line break.
    public static func line(host: String, port: UInt16, key: SSHPublicKey) -> String {
        let host = Names.canonical(host.lowercased())
        return "\(port == 22 ? host : "[\(host)]:\(port)") \(key.bare)"
    }

    /// What a line may call a host.
    private struct Names {
        let exact: [String]
        let withoutPort: [String]

        init(_ host: String, _ port: UInt16) {
            let given = host.lowercased()
            let canonical = Self.canonical(given)
            withoutPort = given == canonical ? [given] : [canonical, given]
            let bracketed = withoutPort.map { "[\($0)]:\(port)" }
            exact = port == 22 ? withoutPort + bracketed : bracketed
        }

        /// An IPv6 address as inet_ntop(3) writes it, with its scope; anything else as it is.
        static func canonical(_ host: String) -> String {
            let parts = host.split(separator: "%", maxSplits: 1, omittingEmptySubsequences: false)
            var address = in6_addr()
            guard parts[0].contains(":"), unsafe inet_pton(AF_INET6, String(parts[0]), &address) == 1 else { return host }
            var text = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
            guard unsafe inet_ntop(AF_INET6, &address, &text, socklen_t(text.count)) != nil else { return host }
            let plain = String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
            return parts.count == 2 ? "\(plain)%\(parts[1])" : plain
        }
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
                guard names.contains(where: { Glob.matches(body, Array($0.utf8)) }) else { continue }
                if negated { return false }
                found = true
            }
            return found
        }
    }
}
