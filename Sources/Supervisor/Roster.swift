/// The members of a group, as a program of it announces them over a pipe of its own (`ProgramSpec.announcesRoster`).
///
/// Each announcement is the whole roster: one `ControlFrame` with a structure, each member of it a name and whether it
/// joins (true), or only stays where it is there already (false). Who is not named leaves. What is no such frame
/// changes nothing.
public enum Roster {
    public struct Entry: Sendable, Equatable {
        public let name: String
        public let joins: Bool
        public init(_ name: String, joins: Bool) {
            self.name = name
            self.joins = joins
        }
    }

    /// The program's end of the pipe.
    public static let channel: Int32 = 3
    static let most = 4096
    static let longestName = 255
    /// So many names of a usual length, and far less than memory would mind.
    static let longestFrame = 1 << 18

    public static func encode(_ entries: [Entry]) -> [UInt8] {
        ControlFrame.encode(.structure(entries.map { ($0.name, .bool($0.joins)) }))
    }

    /// Takes the first whole roster off `bytes`: nil where it is not all there yet.
    /// - Throws: `Problem` for what is none; nothing that follows can be trusted then.
    static func decode(_ bytes: inout [UInt8]) throws(Problem) -> [Entry]? {
        let value: ControlValue?
        do { value = try ControlFrame.decode(&bytes, longest: longestFrame) } catch {
            throw Problem("no frame, or a longer one than any roster")
        }
        guard let value else { return nil }
        guard case .structure(let members) = value else { throw Problem("another value than a structure") }
        if members.count > most { throw Problem("\(members.count) names, more than \(most)") }
        var entries: [Entry] = []
        var seen: Set<String> = []
        for (name, value) in members {
            guard case .bool(let joins) = value else { throw Problem("a name without yes or no") }
            guard (1...longestName).contains(name.utf8.count) else { throw Problem("a name of \(name.utf8.count) bytes") }
            guard seen.insert(name).inserted else { throw Problem("a name twice: \(name)") }
            entries.append(Entry(name, joins: joins))
        }
        return entries
    }

    struct Problem: Error, Equatable, CustomStringConvertible {
        let description: String
        init(_ description: String) { self.description = description }
    }
}

/// What has to be done so that a group's members are those of its roster. Whatever is neither is left alone.
struct RosterChange: Equatable {
    struct Member: Equatable {
        let name: String
        /// On its way out: it is no member any more, and none of its name can join until it is gone.
        var isLeaving = false
    }

    private(set) var leaves: [String]
    private(set) var joins: [String]

    init(from members: [Member], to roster: [Roster.Entry]) {
        let named = Set(roster.map(\.name))
        let there = Set(members.map(\.name))
        leaves = members.filter { !$0.isLeaving && !named.contains($0.name) }.map(\.name)
        joins = roster.filter { $0.joins && !there.contains($0.name) }.map(\.name)
    }
}

/// How the owner of a supervisor turns names into programs.
public struct RosterMembers {
    /// The program of a name that joins, `member` set to the name; nil: there is none for it.
    public var join: (String) -> ProgramSpec?
    /// It has ended and is removed.
    public var leave: (String) -> Void
    public init(join: @escaping (String) -> ProgramSpec?, leave: @escaping (String) -> Void) {
        self.join = join
        self.leave = leave
    }
}
