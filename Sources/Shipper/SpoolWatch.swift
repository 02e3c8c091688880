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
    private let spool: Directory
    private let notify: Descriptor
    private var renamedIn: Set<String> = []
    private var seen: [String: (status: FileStatus, at: MonotonicTime)] = [:]
    /// Names that are no text, with the wrong bytes replaced.
    private(set) var unreadable: Set<String> = []
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
                    if word(4) & UInt32(IN_MOVED_TO) != 0 { renamedIn.insert(name) }
                }
                if word(4) & UInt32(IN_Q_OVERFLOW) != 0 { heard = true }
                at += 16 + length
            }
        }
        return heard
    }

    /// Finished files in the order of delivery.
    mutating func finished() throws(ShipFault) -> [String] {
        let names: Set<String>
        do { names = Set(try spool.names()) } catch { throw .local(error) }
        nextLook = nil
        renamedIn = renamedIn.filter { names.contains($0) }
        seen = seen.filter { names.contains($0.key) }
        let now = MonotonicTime.now()
        var ready: [String] = []
        unreadable = names.filter {
            $0.hasSuffix(".pcap") && !$0.hasPrefix(".") && $0.contains("\u{FFFD}") && ((try? spool.status($0)) ?? nil) == nil
        }
        for name in names where name.hasSuffix(".pcap") && !name.hasPrefix(".") && !unreadable.contains(name) {
            if SpoolName(name) != nil, names.contains(SpoolName.meta(of: name)) {
                ready.append(name)
            } else if rests(name, now) {
                ready.append(name)
            }
        }
        return DeliveryOrder.sorted(ready)
    }

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
