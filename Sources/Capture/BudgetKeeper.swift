import Glibc
import Linux
import Spool

/// The budget as it is set; what it means in bytes depends on the disk.
public struct BudgetSettings: Sendable {
    public enum Free: Sendable {
        case automatic
        case bytes(Int64)
        case percent(Int)
    }
    public var files: Int
    public var bytes: Int64?
    public var free: Free
    public init(files: Int, bytes: Int64?, free: Free) {
        self.files = files
        self.bytes = bytes
        self.free = free
    }

    /// Bytes to leave free on a disk of this size.
    func wantedFree(of total: Int64) -> Int64 {
        switch free {
        case .automatic: return min(total / 10, 10 << 30)
        case .bytes(let bytes): return bytes
        case .percent(let percent): return total / 100 * Int64(percent)
        }
    }
}

/// Drops the oldest finished files until the budget holds. A file that a crash left half dropped is told again:
/// a gap may then count it twice, but never not at all.
struct BudgetKeeper {
    struct Drop {
        let file: String
        let interface: String
        let bytes: Int64
        let packets: UInt64?
        let gap: Gap
        /// What its manifest would have told of others.
        let carried: [Gap]
    }
    /// Of finished files, which never change: a spool of ten thousand is not asked for each of them after each file.
    private var known: [String: (name: SpoolName, size: Int64)] = [:]
    /// Until it is certain that there is none.
    private var mayHoldHalfDropped = true

    mutating func enforce(_ settings: BudgetSettings, in spool: borrowing Directory) -> [Drop] {
        guard let disk = DiskSpace(of: spool.number) else { return [] }
        let wanted = settings.wantedFree(of: disk.total)
        let isUnlimited = settings.files == 0 && settings.bytes == nil && disk.free >= wanted
        if isUnlimited, !mayHoldHalfDropped { return [] }
        guard let dropped = try? spool.names(endingIn: ".dropped") else { return [] }
        let half = dropped.compactMap { SpoolName.ofDropped($0) }
        mayHoldHalfDropped = !half.isEmpty
        var drops = half.map { Self.told($0, (try? spool.status(SpoolName.dropped(of: $0.pcap)))??.size ?? 0, in: spool) }
        if isUnlimited { return drops }
        look(at: spool)
        let budget = SpoolBudget(files: settings.files, bytes: settings.bytes, free: wanted)
        if budget.holds(files: known.count, bytes: known.values.reduce(0) { $0 + $1.size }, freeOnDisk: disk.free) { return drops }
        let files = Self.oldestFirst(known.values.map(\.name))
        let sizes = files.map { known[$0.pcap]?.size ?? 0 }
        let count = budget.drops(sizes: sizes, freeOnDisk: disk.free)
        let before = drops.count
        for (name, size) in zip(files, sizes).dropLast() where drops.count - before < count {
            if let drop = Self.drop(name, size, in: spool) { drops.append(drop) }
        }
        if !drops.isEmpty { mayHoldHalfDropped = true }
        return drops
    }

    private mutating func look(at spool: borrowing Directory) {
        var now: [String: (name: SpoolName, size: Int64)] = [:]
        now.reserveCapacity(known.count + 8)
        for file in (try? spool.names(endingIn: ".pcap")) ?? [] {
            if let one = known[file] {
                now[file] = one
            } else if let name = SpoolName(file) {
                now[file] = (name, (try? spool.status(file))??.size ?? 0)
            }
        }
        known = now
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
        guard let file = try? spool.open(name.pcap, flags: O_RDONLY | O_NONBLOCK), flock(file.number, LOCK_EX | LOCK_NB) == 0,
            (try? spool.rename(name.pcap, to: SpoolName.dropped(of: name.pcap))) != nil
        else { return nil }
        return told(name, size, in: spool)
    }

    private static func told(_ name: SpoolName, _ size: Int64, in spool: borrowing Directory) -> Drop {
        let facts = JSONFile.read(CaptureFacts.self, name.meta, in: spool)
        let opened = iso(name.stamp)
        let gap = Gap(
            from: facts?.first ?? facts?.opened ?? opened, to: facts?.last ?? facts?.finished ?? opened,
            reason: Gap.budgetReason, lost: facts.flatMap(\.allPackets))
        return Drop(
            file: name.pcap, interface: name.interface, bytes: size, packets: facts?.written, gap: gap, carried: facts?.gaps ?? [])
    }

    /// A name's stamp as manifests write times.
    private static func iso(_ stamp: String) -> String {
        let d = Array(stamp)
        guard d.count == 16 else { return stamp }
        return
            "\(String(d[0..<4]))-\(String(d[4..<6]))-\(String(d[6..<8]))T\(String(d[9..<11])):\(String(d[11..<13])):\(String(d[13..<15])).000000Z"
    }

    /// Gives its room back; the name stays.
    static func empty(_ drop: Drop, in spool: borrowing Directory) {
        guard let file = try? spool.open(SpoolName.dropped(of: drop.file), flags: O_WRONLY | O_NONBLOCK) else { return }
        try? file.truncate(to: 0)
    }

    /// When its gap is down.
    static func forget(_ drop: Drop, in spool: borrowing Directory) {
        _ = try? spool.remove(SpoolName.meta(of: drop.file))
        _ = try? spool.remove(SpoolName.manifest(of: drop.file))
        _ = try? spool.remove(SpoolName.dropped(of: drop.file))
    }
}
