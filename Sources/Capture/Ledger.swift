import Glibc
import Linux
import Spool

/// The state directory's files of one interface.
struct Ledger: ~Copyable, Sendable {
    private let directory: Directory
    private let interface: String

    init(_ directory: consuming Directory, interface: String) {
        self.directory = directory
        self.interface = SpoolName.escape(interface)
    }

    private var file: String { InterfaceState.file(of: interface) }
    func state() -> InterfaceState? { JSONFile.read(InterfaceState.self, file, in: directory) }
    /// `recording` is of the file that has just been opened, whose number is the one before `next`.
    func setNext(_ next: UInt64, recording: InterfaceState.Recording? = nil) throws(SystemError) {
        var now = state() ?? InterfaceState(next: next)
        now.next = max(next, now.next)
        now.recording = recording ?? now.recording
        try JSONFile.write(now, file, in: directory)
    }
    /// `next` is what is known of the sequence, should an earlier write of it have failed.
    func setActivity(_ activity: InterfaceState.Activity, at: String, next: UInt64 = 1) throws(SystemError) {
        var now = state() ?? InterfaceState(next: 1)
        now.next = max(now.next, next)
        now.activity = activity
        now.at = at
        try JSONFile.write(now, file, in: directory)
    }

    /// Held as long as the descriptor is open: one program for each interface and directory. nil where there is
    /// another.
    func claim() throws(SystemError) -> Descriptor? {
        let file = try directory.open("capture-\(interface).lock", flags: O_RDWR | O_CREAT)
        if flock(file.number, LOCK_EX | LOCK_NB) != 0 { return nil }
        return file
    }

    /// Makes room for what has to be told at the end, should the disk be full then.
    func keepReserve() { Reserve.keep(Reserve.capture(SpoolName.unescape(interface)), in: directory) }
    /// Runs `body`, on a full disk once more after giving the reserve up.
    func spendingReserve(_ body: () throws(SystemError) -> Void) throws(SystemError) {
        try Reserve.spend(Reserve.capture(SpoolName.unescape(interface)), in: directory, body)
    }

    private func prefix(_ interface: String) -> String { "gap-\(interface)@" }  // no escaped name holds an @
    /// One file a gap: it stays until a manifest carries it. Those of the budget are joined into one. To be
    /// called inside `locked` where another program's interface is meant.
    func addGap(_ gap: Gap, interface other: String? = nil) throws(SystemError) {
        let prefix = prefix(other ?? interface)
        if gap.reason == Gap.budgetReason {
            let name = "\(prefix)budget.json"
            let before = JSONFile.read(Gap.self, name, in: directory)
            return try JSONFile.write(before.map { $0.joined(gap) } ?? gap, name, in: directory)
        }
        let unique = "\(WallTime.now().microseconds)-\(UInt32.random(in: 0 ... .max))"
        try JSONFile.write(gap, "\(prefix)\(unique).json", in: directory)
    }
    /// While gaps move between files and manifests: programs of other interfaces keep the same budget.
    func locked(_ body: () throws(SystemError) -> Void) throws(SystemError) {
        let file = try directory.open("gaps.lock", flags: O_RDWR | O_CREAT)
        try checked("flock gaps.lock") { Int(flock(file.number, LOCK_EX)) }
        defer { flock(file.number, LOCK_UN) }
        try body()
    }
    func gaps() -> [(file: String, gap: Gap)] {
        let names = (try? directory.names()) ?? []
        return names.filter { $0.hasPrefix(prefix(interface)) && $0.hasSuffix(".json") }.sorted().compactMap { name in
            JSONFile.read(Gap.self, name, in: directory).map { (name, $0) }
        }
    }
    func removeGap(_ file: String) { _ = try? directory.remove(file) }
}
