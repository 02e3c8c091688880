import Linux
import Spool

/// What must survive a crash of the shipper, for each file whose delivery has begun (`state/ship.journal`).
struct JournalEntry: Codable, Sendable, Equatable {
    enum Phase: String, Codable, Sendable {
        /// Bytes go to the temporary name.
        case uploading
        /// Everything is there under temporary names, and no rename is under way: one was refused.
        case uploaded
        /// Everything is there under temporary names; the renames may have happened.
        case renaming
    }
    /// Hidden names at the target: of the pcap and of its manifest.
    var temporary: String
    var manifestTemporary: String
    var phase = Phase.uploading
    /// The manifest has its final name.
    var isManifestDone = false
    /// Bytes that a successful fsync at the target covered.
    var safe: Int64 = 0
    /// When the renames began, in seconds on the wall.
    var committed: Int64?
    /// Where the delivery went: another target is another delivery.
    var target: String
    /// Of which file: one that was put in its place since is another delivery, too.
    var inode: UInt64
    var size: Int64
    var modified: Int64

    /// Names no other session can hold: eight random letters.
    init(file: String, status: FileStatus, target: String, random: String) {
        // 255 bytes are a name's limit (NAME_MAX).
        let stem = ".\(file)".utf8.count + random.utf8.count + 11 <= 255 ? ".\(file)." : ".long."
        self.temporary = "\(stem)\(random).part"
        self.manifestTemporary = "\(stem)json.\(random).part"
        self.target = target
        self.inode = status.inode
        self.size = status.size
        self.modified = status.modified.microseconds
    }

    /// Whoever keeps the drop box may have cleared the temporary files since, as those of yesterday: that they are missing no
    /// longer says that they were renamed. A clock that jumped makes it look so, too.
    func mayBeCleared(at seconds: Int64) -> Bool {
        phase == .renaming && committed.map { seconds.subtractingReportingOverflow($0).partialValue.magnitude > 20 * 3600 } ?? false
    }

    func isOf(_ status: FileStatus) -> Bool {
        inode == status.inode && size == status.size && modified == status.modified.microseconds
    }
}

extension JournalEntry {
    static func randomLetters() -> String {
        String((0..<8).map { _ in "abcdefghijklmnopqrstuvwxyz234567".randomElement() ?? "a" })
    }
}

/// The entries, kept in one small file that is replaced atomically.
final class Journal {
    static let file = "ship.journal"
    /// An entry is half a kilobyte, and a drop box where every name is taken keeps one for each file that waits.
    private static let most = 64 << 20
    private let state: Directory
    private(set) var entries: [String: JournalEntry]

    init(_ state: consuming Directory) {
        let bytes = (try? state.read(Self.file, limit: Self.most)) ?? nil
        self.entries = bytes.flatMap { JSONFile.decode([String: JournalEntry].self, from: $0) } ?? [:]
        self.state = state
    }

    /// Written with the next `save`.
    func set(_ file: String, _ entry: JournalEntry) {
        var entry = entry
        entry.committed = entry.phase == .renaming ? entries[file]?.committed ?? WallTime.now().seconds : nil
        entries[file] = entry
    }
    /// Written with the next `save`: an entry whose file is gone means nothing.
    func forget(_ file: String) { entries[file] = nil }
    func save() throws(ShipFault) {
        try withRoom { () throws(SystemError) in try JSONFile.write(entries, Self.file, in: state) }
    }
    /// For what must be written before a file can leave.
    func withRoom(_ body: () throws(SystemError) -> Void) throws(ShipFault) {
        try ShipFault.here { () throws(SystemError) in try Reserve.spend(in: state, body) }
    }
    func keepReserve() { Reserve.keep(in: state) }
}
