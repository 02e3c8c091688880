import CLinux
import Glibc
import Linux
import Spool

/// The budget as it is set; what it means in bytes depends on the disk.
public struct BudgetSettings: Sendable {
    public enum Free: Sendable { case automatic, bytes(Int64), percent(Int) }
    public var files: Int
    public var bytes: Int64?
    public var free: Free
    public init(files: Int, bytes: Int64?, free: Free) {
        self.files = files
        self.bytes = bytes
        self.free = free
    }
}

/// Drops the oldest finished files until the budget holds.
enum BudgetKeeper {
    struct Drop {
        let file: String
        let interface: String
        let bytes: Int64
        let packets: UInt64?
        let gap: Gap
    }

    static func enforce(_ settings: BudgetSettings, in spool: borrowing Directory) -> [Drop] {
        guard let names = try? spool.names() else { return [] }
        let files = oldestFirst(names.compactMap { SpoolName($0) })
        let sizes = files.map { (try? spool.status($0.pcap))??.size ?? 0 }
        var disk = statvfs()
        guard unsafe fstatvfs(spool.number, &disk) == 0 else { return [] }
        let total = Int64(disk.f_blocks) * Int64(disk.f_frsize)
        let free = Int64(disk.f_bavail) * Int64(disk.f_frsize)
        let wanted: Int64
        switch settings.free {
        case .automatic: wanted = min(total / 10, 10 << 30)
        case .bytes(let bytes): wanted = bytes
        case .percent(let percent): wanted = total / 100 * Int64(percent)
        }
        let count = SpoolBudget(files: settings.files, bytes: settings.bytes, free: wanted).drops(sizes: sizes, freeOnDisk: free)
        var drops: [Drop] = []
        for (name, size) in zip(files, sizes).dropLast() where drops.count < count {
            if let drop = drop(name, size, in: spool) { drops.append(drop) }
        }
        return drops
    }

    /// Stamps across interfaces, numbers within one: a file is never older than those before it, whatever the
    /// clock said when it was opened.
    private static func oldestFirst(_ files: [SpoolName]) -> [SpoolName] {
        var aged: [(age: String, name: SpoolName)] = []
        for name in files.sorted() {
            let before = aged.last.flatMap { ($0.name.sensor, $0.name.interface) == (name.sensor, name.interface) ? $0.age : nil }
            aged.append((max(before ?? "", name.stamp), name))
        }
        return aged.sorted { ($0.age, $0.name) < ($1.age, $1.name) }.map(\.name)
    }

    /// nil where the shipper holds the file, or it is gone.
    private static func drop(_ name: SpoolName, _ size: Int64, in spool: borrowing Directory) -> Drop? {
        guard let file = try? spool.open(name.pcap, flags: O_RDONLY), flock(file.number, LOCK_EX | LOCK_NB) == 0,
            (try? spool.rename(name.pcap, to: SpoolName.dropped(of: name.pcap))) != nil
        else { return nil }
        let facts = JSONFile.read(CaptureFacts.self, name.meta, in: spool)
        _ = try? spool.remove(name.meta)
        _ = try? spool.remove(SpoolName.manifest(of: name.pcap))
        let gap = Gap(
            from: facts?.first ?? facts?.opened ?? name.stamp, to: facts?.last ?? facts?.finished ?? name.stamp,
            reason: "dropped to keep the spool's budget", lost: facts?.written)
        return Drop(file: name.pcap, interface: name.interface, bytes: size, packets: facts?.written, gap: gap)
    }
}
