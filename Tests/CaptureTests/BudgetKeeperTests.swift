import Glibc
import Linux
import Spool
import Testing

@testable import Capture

struct BudgetKeeperTests: ~Copyable {
    let scratch: Scratch
    let spool: Directory

    init() throws {
        let scratch = try Scratch()
        let spool = try Directory(scratch.path)
        self.scratch = scratch
        self.spool = spool
    }
    func fill(_ names: [SpoolName], size: Int = 1000) throws {
        for name in names { try spool.put(name.pcap, [UInt8](repeating: 0, count: size)) }
    }
    func keep(files: Int = 0, bytes: Int64? = nil, free: Int64 = 0) -> [BudgetKeeper.Drop] {
        let drops = rename(files: files, bytes: bytes, free: free)
        for drop in drops { BudgetKeeper.forget(drop, in: spool) }
        return drops
    }
    /// Only the first half: a crash comes before the gaps are down.
    func rename(files: Int = 0, bytes: Int64? = nil, free: Int64 = 0) -> [BudgetKeeper.Drop] {
        enforce(BudgetSettings(files: files, bytes: bytes, free: .bytes(free)))
    }
    func enforce(_ settings: BudgetSettings) -> [BudgetKeeper.Drop] {
        var keeper = BudgetKeeper()
        return keeper.enforce(settings, in: spool)
    }
    /// The finished files that are left.
    func left() throws -> Set<String> { Set(try spool.names().filter { $0.hasSuffix(".pcap") }) }

    @Test func `the oldest go until the number holds, hidden before they are removed`() throws {
        let names = (1...5).map { Sample.name($0) }
        try fill(names)
        let drops = rename(files: 3)
        #expect(drops.map(\.file) == [names[0].pcap, names[1].pcap])
        #expect(drops.map(\.bytes) == [1000, 1000])
        #expect(drops.map(\.interface) == ["eth0", "eth0"])
        #expect(try left() == Set(names[2...].map(\.pcap)))
        #expect(try Set(spool.names()).isSuperset(of: drops.map { SpoolName.dropped(of: $0.file) }))
        // A crash before their gaps were down: they are told again, and then gone.
        #expect(Set(keep(files: 3).map(\.file)) == Set(drops.map(\.file)))
        #expect(try Set(spool.names()) == Set(names[2...].map(\.pcap)))
        #expect(keep(files: 3).isEmpty)
    }

    @Test func `the oldest go until the bytes hold, never the newest`() throws {
        let names = (1...4).map { Sample.name($0) }
        try fill(names)
        #expect(keep(bytes: 3000).map(\.file) == [names[0].pcap])
        #expect(keep(bytes: 10).map(\.file) == [names[1].pcap, names[2].pcap])
        #expect(try left() == [names[3].pcap])
        #expect(keep(bytes: 10).isEmpty)
    }

    @Test func `a file that is being shipped is passed over`() throws {
        let names = (1...4).map { Sample.name($0) }
        try fill(names)
        let held = try spool.open(names[0].pcap, flags: O_RDONLY)
        #expect(flock(held.number, LOCK_EX | LOCK_NB) == 0)
        #expect(keep(files: 3).map(\.file) == [names[1].pcap])
        #expect(try left() == [names[0].pcap, names[2].pcap, names[3].pcap])
        // Let go, it is the oldest again.
        #expect(flock(held.number, LOCK_UN) == 0)
        #expect(keep(files: 2).map(\.file) == [names[0].pcap])
    }

    @Test func `the newest stays although all others are held`() throws {
        let names = (1...2).map { Sample.name($0) }
        try fill(names)
        let held = try spool.open(names[0].pcap, flags: O_RDONLY)
        #expect(flock(held.number, LOCK_SH | LOCK_NB) == 0)
        #expect(keep(files: 1).isEmpty)
        #expect(try left() == Set(names.map(\.pcap)))
    }

    @Test func `only what the sensor wrote and finished is dropped`() throws {
        let names = (1...2).map { Sample.name($0) }
        try fill(names)
        let others = [
            "foreign.pcap", "a-really-old-20200101T000000Z-0000000001.pcap", Sample.name(0).part, "notes.txt",
            "\(Sample.name(0).pcap).json",
        ]
        for name in others { try spool.put(name, [UInt8](repeating: 0, count: 100_000)) }
        #expect(keep(files: 1, bytes: 1).map(\.file) == [names[0].pcap])
        #expect(try Set(spool.names()).isSuperset(of: others))
    }

    @Test func `facts become the gap's bounds and count, and go with the file`() throws {
        let names = (1...2).map { Sample.name($0) }
        try fill(names)
        var facts = CaptureFacts(sensor: "boogey", interface: "eth0", series: "s", sequence: 1, linktype: 1, snaplen: 1, opened: "o")
        facts.first = "2026-11-25T05:11:47.000000Z"
        facts.last = "2026-11-25T05:12:00.000000Z"
        facts.written = 77
        try JSONFile.write(facts, names[0].meta, in: spool)
        try spool.put(SpoolName.manifest(of: names[0].pcap), [])
        let drops = keep(files: 1)
        #expect(drops.map(\.packets) == [77])
        #expect(
            drops.map(\.gap) == [
                Gap(
                    from: "2026-11-25T05:11:47.000000Z", to: "2026-11-25T05:12:00.000000Z", reason: "dropped to keep the spool's budget",
                    lost: 77)
            ])
        #expect(try Set(spool.names()) == [names[1].pcap])
    }

    @Test func `without facts the gap says when, and that nobody counted`() throws {
        try fill([Sample.name(1), Sample.name(2)])
        let drop = try #require(keep(files: 1).first)
        #expect(drop.packets == nil)
        #expect(drop.gap.from == "2026-11-25T05:11:47.000000Z")
        #expect(drop.gap.lost == nil)
    }

    @Test func `interfaces share the budget, oldest stamp first`() throws {
        let names = [
            Sample.name(500, interface: "eth0", stamp: "20261125T050000Z"), Sample.name(1, interface: "eth1", stamp: "20261125T050100Z"),
            Sample.name(501, interface: "eth0", stamp: "20261125T050200Z"), Sample.name(2, interface: "eth1", stamp: "20261125T050300Z"),
        ]
        try fill(names.reversed())
        #expect(keep(files: 1).map(\.file) == names.prefix(3).map(\.pcap))
    }

    @Test func `a clock that was set back does not make the newest file the oldest`() throws {
        let names = [
            Sample.name(1, stamp: "20261125T050000Z"), Sample.name(2, stamp: "20261125T050100Z"), Sample.name(3, stamp: "20200101T000000Z"),
            Sample.name(4, stamp: "20200101T000100Z"),
        ]
        try fill(names)
        #expect(keep(files: 2).map(\.file) == [names[0].pcap, names[1].pcap])
        #expect(keep(files: 1).map(\.file) == [names[2].pcap])
        #expect(try left() == [names[3].pcap])
    }

    @Test func `where others filled the disk nothing is dropped for its sake`() throws {
        let names = (1...3).map { Sample.name($0) }
        try fill(names)
        #expect(keep(free: .max / 2).isEmpty)
        #expect(try left() == Set(names.map(\.pcap)))
    }

    @Test func `a percentage of the disk and the automatic amount are bounds too`() throws {
        try fill((1...3).map { Sample.name($0) })
        #expect(enforce(BudgetSettings(files: 0, bytes: nil, free: .percent(0))).isEmpty)
        // All that is ours would not free 99 % of any disk.
        #expect(enforce(BudgetSettings(files: 0, bytes: nil, free: .percent(99))).isEmpty)
        #expect(try left().count == 3)
    }

    @Test func `one that has looked before sees files that came and went since`() throws {
        var keeper = BudgetKeeper()
        let names = (1...6).map { Sample.name($0) }
        try fill(Array(names[..<3]))
        let settings = BudgetSettings(files: 3, bytes: nil, free: .bytes(0))
        #expect(keeper.enforce(settings, in: spool).isEmpty)
        // The shipper has delivered one, capture has finished two.
        try spool.remove(names[0].pcap)
        try fill([names[3], names[4]])
        let drops = keeper.enforce(settings, in: spool)
        #expect(drops.map(\.file) == [names[1].pcap])
        #expect(try left() == Set(names[2...4].map(\.pcap)))
        // Not told yet: it is told again, until it is forgotten.
        #expect(keeper.enforce(settings, in: spool).map(\.file) == [names[1].pcap])
        BudgetKeeper.forget(drops[0], in: spool)
        #expect(keeper.enforce(settings, in: spool).isEmpty)
    }
}
