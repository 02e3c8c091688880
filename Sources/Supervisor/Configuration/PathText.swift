/// Paths as text, by the rules of Python's posixpath: nothing here looks at a file.
enum PathText {
    /// All before the last slash; of `/x` it is `/`, of `x` nothing.
    static func directory(of path: String) -> String {
        guard let slash = path.utf8.lastIndex(of: UInt8(ascii: "/")) else { return "" }
        let head = path[...slash]
        guard let end = head.utf8.lastIndex(where: { $0 != UInt8(ascii: "/") }) else { return String(head) }
        return String(path[...end])
    }

    /// `second` as seen from `first`; an absolute one stands alone.
    static func join(_ first: String, _ second: String) -> String {
        if first.isEmpty || second.utf8.first == UInt8(ascii: "/") { return second }
        return first.utf8.last == UInt8(ascii: "/") ? first + second : first + "/" + second
    }

    /// Without `.`, `..` and doubled slashes. POSIX gives exactly two leading slashes a meaning of their own.
    static func normal(_ path: String) -> String {
        let slashes = path.utf8.prefix { $0 == UInt8(ascii: "/") }.count
        let root = slashes == 0 ? "" : slashes == 2 ? "//" : "/"
        var parts: [Substring] = []
        for part in path.utf8.split(separator: UInt8(ascii: "/")).map(Substring.init) where part != "." {
            if part != ".." || (root.isEmpty && parts.isEmpty) || parts.last == ".." {
                parts.append(part)
            } else {
                _ = parts.popLast()
            }
        }
        let text = root + parts.joined(separator: "/")
        return text.isEmpty ? "." : text
    }
}

extension ConfigurationWorld {
    func absolute(_ path: String) -> String { PathText.normal(PathText.join(currentDirectory, path)) }

    /// `~` and `~name` at the front, where the home is known.
    func expandingHome(_ path: String) -> String {
        guard path.utf8.first == UInt8(ascii: "~") else { return path }
        let head = path[..<(path.utf8.firstIndex(of: UInt8(ascii: "/")) ?? path.endIndex)]
        let name = String(head.dropFirst())
        let found = name.isEmpty ? environment["HOME"] ?? home(nil) : home(name)
        guard var base = found else { return path }
        while base.utf8.last == UInt8(ascii: "/") { base.removeLast() }
        let text = base + path[head.endIndex...]
        return text.isEmpty ? "/" : text
    }

    func normalized(_ path: String) -> String { absolute(expandingHome(path)) }
}
