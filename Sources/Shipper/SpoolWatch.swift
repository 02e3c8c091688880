import CLinux
import Glibc
import Linux
import Spool

/// Which files of the spool are finished.
///
/// Ours are by their name. What others put there is when it was renamed in, or has not changed for two
/// seconds: by its stamp, or where clocks disagree by looking twice.
struct SpoolWatch: ~Copyable {
    private static let rest = 2.0
    /// So many files of each interface are known by name, whatever waits behind them.
    private static let most = 4096
    private let spool: Directory
    private let notify: Descriptor
    private var renamedIn: Set<String> = []
    private var seen: [String: (status: FileStatus, at: MonotonicTime)] = [:]
    /// Names that are no text, with the wrong bytes replaced.
    private(set) var unreadable: Set<String> = []
    /// Files at the last look, without those that were known, and whether more waited than were named.
    private(set) var count = 0
    private(set) var isPartial = false
    /// When a file that was still changing wants to be looked at again.
    private(set) var nextLook: MonotonicTime?

    init(_ path: String) throws(SystemError) {
        let spool = try Directory(path)
        let notify = Descriptor(
            owning: Int32(
                try checked("inotify_init1") {
                    Int(inotify_init1(Int32(bitPattern: UInt32(IN_CLOEXEC)) | Int32(bitPattern: UInt32(IN_NONBLOCK))))
                }))
        try checked("inotify_add_watch \(path)") {
            unsafe Int(inotify_add_watch(notify.number, path, UInt32(IN_MOVED_TO) | UInt32(IN_CLOSE_WRITE)))
        }
        self.spool = spool
        self.notify = notify
    }

    /// Readable when something was finished.
    var descriptor: Int32 { notify.number }

    /// Takes what inotify(7) has to say. True where a pcap may be ready.
    mutating func hear() -> Bool {
        var heard = false
        while let bytes = try? notify.read(1 << 16), !bytes.isEmpty {
            var at = 0
            while at + 16 <= bytes.count {
                func word(_ offset: Int) -> UInt32 { (0..<4).reduce(0) { $0 | UInt32(bytes[at + offset + $1]) << UInt32(8 * $1) } }
                let length = Int(word(12))
                let name = String(decoding: bytes[(at + 16)..<min(bytes.count, at + 16 + length)].prefix { $0 != 0 }, as: UTF8.self)
                if name.hasSuffix(".pcap"), !name.hasPrefix(".") {
                    heard = true
                    if word(4) & UInt32(IN_MOVED_TO) != 0, !isOurs(name) { renamedIn.insert(name) }
                }
                if word(4) & UInt32(IN_Q_OVERFLOW) != 0 { heard = true }
                at += 16 + length
            }
        }
        return heard
    }

    /// The oldest finished files in the order of delivery, but for those `besides` which are known.
    mutating func finished(besides known: Set<String> = []) throws(ShipFault) -> [String] {
        // What is written is seen under its path; who holds the directory that was there before would see nothing, for ever.
        let there = try ShipFault.here { () throws(SystemError) in try Directory(spool.path).status(".") }
        let here = try ShipFault.here { () throws(SystemError) in try spool.status(".") }
        guard there?.inode == here?.inode, there?.device == here?.device else {
            throw ShipFault(.operators, "another directory has taken the place of the spool \(spool.path)")
        }
        var oldest = OldestFiles(most: Self.most)
        var unreadable: Set<String> = []
        do throws(SystemError) {
            unsafe try spool.visit(endingIn: ".pcap") { name in
                if unsafe name.first == UInt8(ascii: ".") { return }
                if unsafe !oldest.offer(name, isWanted: { !known.contains($0) }) {
                    unsafe unreadable.insert(String(decoding: name, as: UTF8.self))
                }
            }
        } catch { throw .local(error) }
        self.unreadable = unreadable
        (count, isPartial) = (oldest.count - unreadable.count, oldest.isPartial)
        nextLook = nil
        let names = oldest.names
        let now = MonotonicTime.now()
        if !seen.isEmpty || !renamedIn.isEmpty {
            let there = Set(names)
            seen = seen.filter { there.contains($0.key) }
            renamedIn = renamedIn.filter { there.contains($0) }
        }
        var ready: [String] = []
        ready.reserveCapacity(names.count)
        for name in names where isOurs(name) || rests(name, now) { ready.append(name) }
        return ready
    }

    /// Finished by its name: capture's facts are beside it.
    private func isOurs(_ name: String) -> Bool {
        SpoolName(name) != nil && ((try? spool.status(SpoolName.meta(of: name))) ?? nil) != nil
    }

    func exists(_ name: String) -> Bool { ((try? spool.status(name)) ?? nil) != nil }

    private mutating func rests(_ name: String, _ now: MonotonicTime) -> Bool {
        guard let status = try? spool.status(name), status.isRegular else { return false }
        if renamedIn.contains(name) { return true }
        let age = Double(WallTime.now().microseconds - status.modified.microseconds) / 1e6
        if age >= Self.rest { return true }
        if let before = seen[name], before.status == status {
            if now - before.at >= Self.rest { return true }
        } else {
            seen[name] = (status, now)
        }
        let look = (seen[name]?.at ?? now) + Self.rest
        nextLook = min(nextLook ?? look, look)
        return false
    }
}
