/// Where finished files go.
public enum Target: Sendable, Equatable {
    case ssh(SSHTarget)
    case directory(String)

    private static let expected =
        "user@host:/dir, user@[IPv6]:dir, or a local directory that begins with / or ./"

    /// scp's form; a bare word is wrong, because it would be a local file to scp and a host to everyone else.
    public static func parse(_ text: String) throws(SettingProblem) -> Target {
        func wrong(_ expected: String = Target.expected) -> SettingProblem { SettingProblem("SCP_TARGET", text, expected) }
        if text.hasPrefix("/") || text.hasPrefix("./") { return .directory(text) }
        if text.contains("://") { throw wrong(expected + "; a port goes into SCP_ARGUMENTS (-P)") }
        var rest = Substring(text)
        var user: String?
        // The last @ before the host parts them: accounts of a directory are called user@realm.
        if let at = rest.prefix(while: { $0 != ":" }).lastIndex(of: "@") {
            user = String(rest[..<at])
            rest = rest[rest.index(after: at)...]
            if user?.isEmpty == true { throw wrong() }
        }
        let host: String
        if rest.hasPrefix("[") {
            guard let close = rest.firstIndex(of: "]") else { throw wrong("a closing ] after the address") }
            host = String(rest[rest.index(after: rest.startIndex)..<close])
            rest = rest[rest.index(after: close)...]
        } else {
            guard let colon = rest.firstIndex(of: ":") else { throw wrong() }
            host = String(rest[..<colon])
            rest = rest[colon...]
            let before = rest.dropFirst().split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false).first ?? ""
            if let colon = before.firstIndex(of: ":") {
                let first = before[..<colon]
                let isPort = host.contains(".") && !first.isEmpty && first.allSatisfy(\.isWholeNumber)
                if isPort { throw wrong(expected + "; a port goes into SCP_ARGUMENTS (-P)") }
                throw wrong("an IPv6 address in brackets: user@[\(host)…]:/dir")
            }
        }
        guard rest.first == ":", !host.isEmpty, !host.hasPrefix("-"), !host.contains(where: { $0 == " " || $0 == "/" || $0.isNewline })
        else { throw wrong() }
        return .ssh(SSHTarget(user: user, host: host, directory: String(rest.dropFirst())))
    }
}

/// A directory on a server; an empty directory is the account's home.
public struct SSHTarget: Sendable, Equatable {
    public var user: String?
    public var host: String
    public var directory: String
    public init(user: String?, host: String, directory: String) {
        self.user = user
        self.host = host
        self.directory = directory
    }
}
