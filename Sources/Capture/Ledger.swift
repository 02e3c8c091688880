import Linux
import Spool

/// What must outlive a capture program: the next sequence number, and what it was doing when it ended.
struct InterfaceState: Codable, Sendable, Equatable {
    enum Activity: String, Codable, Sendable {
        case capturing, stopped, killed
        case interfaceGone = "interface gone"
    }
    var next: UInt64
    var activity: Activity?
    /// Since when nothing has been recorded, or the last moment known to be recorded.
    var at: String?
}

/// The state directory's files of one interface.
struct Ledger: ~Copyable, Sendable {
    private let directory: Directory
    private let interface: String

    init(_ directory: consuming Directory, interface: String) {
        self.directory = directory
        self.interface = SpoolName.escape(interface)
    }

    private var file: String { "capture-\(interface).json" }
    func state() -> InterfaceState? { JSONFile.read(InterfaceState.self, file, in: directory) }
    func setNext(_ next: UInt64) throws(SystemError) {
        var now = state() ?? InterfaceState(next: next)
        now.next = max(next, now.next)
        try JSONFile.write(now, file, in: directory)
    }
    func setActivity(_ activity: InterfaceState.Activity, at: String) throws(SystemError) {
        var now = state() ?? InterfaceState(next: 1)
        now.activity = activity
        now.at = at
        try JSONFile.write(now, file, in: directory)
    }

    private func prefix(_ interface: String) -> String { "gap-\(interface)-" }
    /// One file a gap: it stays until a manifest carries it.
    func addGap(_ gap: Gap, interface other: String? = nil) throws(SystemError) {
        let unique = "\(WallTime.now().microseconds)-\(UInt32.random(in: 0 ... .max))"
        try JSONFile.write(gap, "\(prefix(other ?? interface))\(unique).json", in: directory)
    }
    func gaps() -> [(file: String, gap: Gap)] {
        let names = (try? directory.names()) ?? []
        // Time and number follow the prefix and nothing else: eth0 must not take the gaps of eth0-1.
        let own = names.filter { name in
            guard name.hasPrefix(prefix(interface)), name.hasSuffix(".json") else { return false }
            let rest = name.dropFirst(prefix(interface).count).dropLast(5).split(separator: "-", omittingEmptySubsequences: false)
            return rest.count == 2 && rest.allSatisfy { UInt64($0) != nil }
        }
        return own.sorted().compactMap { name in
            JSONFile.read(Gap.self, name, in: directory).map { (name, $0) }
        }
    }
    func removeGap(_ file: String) { _ = try? directory.remove(file) }
}
