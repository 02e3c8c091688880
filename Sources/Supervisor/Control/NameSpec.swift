/// How a user names a process or a whole group: `NAME` (of the group of that name), `GROUP:NAME`, `GROUP:*` and `GROUP:`.
public struct NameSpec: Sendable, Equatable {
    public let group: String
    /// nil: all of the group.
    public let process: String?

    /// Any text is a name; whether somebody bears it is another question. Only the first colon divides.
    public init(_ text: String) {
        guard let colon = text.utf8.firstIndex(of: UInt8(ascii: ":")) else {
            group = text
            process = text
            return
        }
        group = String(text[..<colon])
        let rest = text[text.utf8.index(after: colon)...]
        process = rest.isEmpty || rest == "*" ? nil : String(rest)
    }

    public init(group: String, process: String?) {
        self.group = group
        self.process = process
    }

    /// The short form: a process that bears its group's name needs no group.
    public static func text(group: String, process: String) -> String { group == process ? process : "\(group):\(process)" }
}
