import Events
import Glibc
import Linux
import Spool
import Testing

@testable import Capture

/// What a crash left is finished at the next start, once, by the interface it belongs to.
struct RecoveryTests: ~Copyable {
    let scratch: Scratch
    let spool: Directory
    let state: String

    init() throws {
        let scratch = try Scratch()
        let spool = try Directory(scratch.path + "/spool", create: true)
        self.state = scratch.path + "/state"
        self.scratch = scratch
        self.spool = spool
    }
    func ledger(_ interface: String = "eth0") throws -> Ledger { Ledger(try Directory(state, create: true), interface: interface) }
    func recover(_ interface: String = "eth0") throws -> [Recovery.Recovered] {
        try Recovery.finishOpenFiles(interface: interface, series: "series-1", in: spool, ledger: ledger(interface)).done
    }

    @Test func `a torn part is cut at its last whole record and finished with its facts`() throws {
        let name = Sample.name(42)
        let whole = Sample.pcap([1_764_047_507, 1_764_047_509])
        try spool.put(name.part, whole + Sample.record(1_764_047_510).dropLast(3))
        let recovered = try recover()
        #expect(recovered.map(\.name) == [name])
        #expect(recovered.first?.packets == 2)
        #expect(recovered.first?.bytes == Int64(whole.count))
        #expect(recovered.first?.cut == 73)
        #expect(recovered.first?.last == "2025-11-25T05:11:49.000007Z")
        #expect(try Set(spool.names()) == [name.pcap, name.meta])
        #expect(try spool.read(name.pcap) == whole)
        let read = JSONFile.read(CaptureFacts.self, name.meta, in: spool)
        let facts = try #require(read)
        #expect(facts.recovered)
        #expect(facts.sensor == "boogey")
        #expect(facts.interface == "eth0")
        #expect(facts.series == "series-1")
        #expect(facts.sequence == 42)
        #expect(facts.linktype == 1)
        #expect(facts.snaplen == 262_144)
        #expect(facts.first == "2025-11-25T05:11:47.000007Z")
        #expect(facts.last == "2025-11-25T05:11:49.000007Z")
        #expect(facts.written == 2)
        // Nobody counted what the kernel dropped.
        #expect(facts.received == nil)
        #expect(facts.droppedByKernel == nil)
        #expect(facts.finished == nil)
    }

    @Test func `how a torn part was recorded is told as it was when it was opened`() throws {
        let name = Sample.name(42)
        let recording = InterfaceState.Recording(filter: "tcp", excluded: "tcp port 22", offloads: ["gro"])
        try ledger().setNext(43, recording: recording)
        try spool.put(name.part, Sample.pcap([100]))
        #expect(try recover().count == 1)
        let read = JSONFile.read(CaptureFacts.self, name.meta, in: spool)
        let facts = try #require(read)
        #expect(facts.filter == "tcp" && facts.excluded == "tcp port 22" && facts.offloads == ["gro"])
    }

    @Test func `of an older part than the last one nothing is claimed`() throws {
        let name = Sample.name(41)
        try ledger().setNext(43, recording: .init(filter: "tcp", excluded: nil, offloads: nil))
        try spool.put(name.part, Sample.pcap([100]))
        #expect(try recover().count == 1)
        #expect(JSONFile.read(CaptureFacts.self, name.meta, in: spool)?.filter == nil)
    }

    @Test func `a part whose tail was never written loses its zeros`() throws {
        let whole = Sample.pcap([100])
        try spool.put(Sample.name(1).part, whole + [UInt8](repeating: 0, count: 8192))
        #expect(try recover().first?.cut == 8192)
        #expect(try spool.read(Sample.name(1).pcap) == whole)
    }

    @Test func `a part larger than one read is recovered whole`() throws {
        let whole = Sample.pcap([]) + (0..<60).flatMap { Sample.record(100 + $0, size: 60_000) }
        try spool.put(Sample.name(1).part, whole)
        let recovered = try recover()
        #expect(recovered.first?.packets == 60)
        #expect(recovered.first?.cut == 0)
        #expect(try spool.status(Sample.name(1).pcap)?.size == Int64(whole.count))
    }

    @Test(arguments: [
        [], Array(Sample.pcap([]).prefix(10)), Sample.pcap([]), Sample.pcap([]) + Sample.record(5).dropLast(),
        [UInt8](repeating: 0, count: 4096),
        Array("no capture at all, whatever it is".utf8),
    ])
    func `a part without a packet is removed, and no file is made of it`(bytes: [UInt8]) throws {
        try spool.put(Sample.name(1).part, bytes)
        #expect(try recover().isEmpty)
        #expect(try spool.names() == [])
    }

    @Test func `another interface's part and what is not ours is left alone`() throws {
        let left = [
            Sample.name(1, interface: "eth1").part, Sample.name(1, interface: "eth0.1").part, Sample.name(1, interface: "eth").part,
            Sample.name(1, interface: "-eth0").part, ".something.part", "foreign.pcap", ".foreign.pcap.part", Sample.name(7).pcap,
        ]
        for name in left { try spool.put(name, Sample.pcap([100]) + [1]) }
        try spool.put(Sample.name(2).part, Sample.pcap([100]) + [1])
        #expect(try recover().map(\.name) == [Sample.name(2)])
        #expect(try Set(spool.names()) == Set(left + [Sample.name(2).pcap, Sample.name(2).meta]))
        for name in left { #expect(try spool.status(name)?.size == 24 + 76 + 1) }
    }

    @Test func `an interface with an odd name finds its own`() throws {
        let name = Sample.name(3, interface: "a,b %é")
        try spool.put(name.part, Sample.pcap([100]))
        #expect(try recover("a,b").isEmpty)
        #expect(try recover("a,b %é").map(\.name) == [name])
        #expect(JSONFile.read(CaptureFacts.self, name.meta, in: spool)?.interface == "a,b %é")
    }

    @Test func `several parts are finished in the order of their numbers`() throws {
        for (number, stamp) in [(10, "20200101T000000Z"), (9, "20261125T051147Z"), (11, "19700101T000000Z")] {
            try spool.put(Sample.name(UInt64(number), stamp: stamp).part, Sample.pcap([100]))
        }
        #expect(try recover().map(\.name.sequence) == [9, 10, 11])
    }

    @Test func `a part that cannot be finished is said and stays, and the others are finished`() throws {
        try spool.put(Sample.name(1).part, Sample.pcap([100]))
        #expect(mkfifo("\(spool.path)/\(Sample.name(2).part)", 0o600) == 0)
        #expect(mkdir("\(spool.path)/\(Sample.name(3).part)", 0o700) == 0)
        // Another file has the final name.
        try spool.put(Sample.name(4).part, Sample.pcap([200]))
        try spool.put(Sample.name(4).pcap, [1])
        try spool.put(Sample.name(5).part, Sample.pcap([300]))
        let (done, troubles) = try Recovery.finishOpenFiles(interface: "eth0", series: "s", in: spool, ledger: ledger())
        #expect(done.map(\.name.sequence) == [1, 5])
        #expect(troubles.map(\.name) == ["recovery_failed", "recovery_failed", "recovery_failed"])
        for (trouble, number) in zip(troubles, [2, 3, 4] as [UInt64]) { #expect(trouble.message.contains(Sample.name(number).part)) }
        #expect(try spool.read(Sample.name(4).pcap) == [1])
        #expect(try spool.read(Sample.name(4).part) == Sample.pcap([200]))
        rmdir("\(spool.path)/\(Sample.name(3).part)")
    }

    @Test func `an interface is claimed once in a directory, and free again when its program has ended`() throws {
        func isFree(_ interface: String = "eth0") throws -> Bool {
            if let claim = try ledger(interface).claim() {
                _ = claim.number
                return true
            }
            return false
        }
        if let first = try ledger().claim() {
            #expect(try !isFree())
            #expect(try isFree("eth1"))
            #expect(fcntl(first.number, F_GETFD) >= 0)
        } else {
            Issue.record("the first claim was refused")
        }
        #expect(try isFree())
    }

    @Test func `the number is kept with the activity where an earlier write of it failed`() throws {
        try ledger().setActivity(.stopped, at: "t", next: 7)
        #expect(try ledger().state()?.next == 7)
        try ledger().setActivity(.capturing, at: "u", next: 3)
        #expect(try ledger().state()?.next == 7)
    }

    @Test func `recovered twice is recovered once`() throws {
        try spool.put(Sample.name(1).part, Sample.pcap([100]) + [1])
        #expect(try recover().count == 1)
        #expect(try recover().isEmpty)
        #expect(try spool.read(Sample.name(1).pcap) == Sample.pcap([100]))
    }

    @Test func `gaps of the interface go into the first recovered file and leave the ledger`() throws {
        let mine = Gap(from: "a", to: "b", reason: "killed", lost: nil)
        try ledger().addGap(mine)
        try ledger("eth1").addGap(Gap(from: "c", to: "d", reason: "dropped", lost: 3))
        try spool.put(Sample.name(1).part, Sample.pcap([100]))
        try spool.put(Sample.name(2).part, Sample.pcap([200]))
        _ = try recover()
        #expect(JSONFile.read(CaptureFacts.self, Sample.name(1).meta, in: spool)?.gaps == [mine])
        #expect(JSONFile.read(CaptureFacts.self, Sample.name(2).meta, in: spool)?.gaps == [])
        #expect(try ledger().gaps().isEmpty)
        #expect(try ledger("eth1").gaps().map(\.gap.lost) == [3])
    }

    // Where the file system cannot rename without replacing, the file is linked, then unlinked.
    @Test func `a crash between the two steps of the final rename does not stop the next start`() throws {
        let name = Sample.name(1)
        try spool.put(name.part, Sample.pcap([100]))
        try JSONFile.write(
            CaptureFacts(sensor: "boogey", interface: "eth0", series: "s", sequence: 1, linktype: 1, snaplen: 1, opened: "x"), name.meta,
            in: spool)
        #expect(link("\(spool.path)/\(name.part)", "\(spool.path)/\(name.pcap)") == 0)
        #expect(try recover().isEmpty)
        #expect(try Set(spool.names()) == [name.pcap, name.meta])
        #expect(JSONFile.read(CaptureFacts.self, name.meta, in: spool)?.opened == "x")
    }

    // MARK: numbers

    @Test func `no number that any name in the spool carries is used again`() throws {
        #expect(try Recovery.highestSequence(interface: "eth0", in: spool) == 0)
        let names: [(String, UInt64)] = [
            (Sample.name(3).pcap, 3), (Sample.name(4).part, 4), (Sample.name(5).meta, 5), (SpoolName.manifest(of: Sample.name(6).pcap), 6),
            (SpoolName.manifest(of: Sample.name(7).pcap) + ".sig", 7), (SpoolName.dropped(of: Sample.name(8).pcap), 8),
            (Sample.name(9_999_999_998).pcap, 9_999_999_998),
        ]
        for (name, highest) in names {
            try spool.put(name, [])
            try spool.put(name.replacing("eth0", with: "eth1"), [])
            #expect(try Recovery.highestSequence(interface: "eth0", in: spool) == highest, "\(name)")
        }
        for name in ["foreign.pcap", "x", Sample.name(9_999_999_999, interface: "eth0.5").pcap] { try spool.put(name, []) }
        #expect(try Recovery.highestSequence(interface: "eth0", in: spool) == 9_999_999_998)
    }

    @Test func `the next number outlives the spool's emptying and never goes back`() throws {
        #expect(try ledger().state() == nil)
        try ledger().setNext(5)
        try ledger().setNext(3)
        #expect(try ledger().state()?.next == 5)
        try ledger().setActivity(.capturing, at: "t")
        #expect(try ledger().state() == InterfaceState(next: 5, activity: .capturing, at: "t"))
        try ledger().setNext(6)
        #expect(try ledger().state() == InterfaceState(next: 6, activity: .capturing, at: "t"))
        #expect(try ledger("eth1").state() == nil)
    }

    @Test func `gaps are told in the order they were noticed, each interface its own`() throws {
        for number in 1...5 { try ledger().addGap(Gap(from: "\(number)", to: "", reason: "r", lost: nil)) }
        try ledger("a").addGap(Gap(from: "other", to: "", reason: "r", lost: nil))
        try ledger("a").addGap(Gap(from: "handed on", to: "", reason: "r", lost: nil), interface: "eth0")
        #expect(try ledger().gaps().map(\.gap.from) == ["1", "2", "3", "4", "5", "handed on"])
        #expect(try ledger("a").gaps().map(\.gap.from) == ["other"])
    }

    @Test func `an interface whose name begins another's does not see its gaps`() throws {
        try ledger("eth0-1").addGap(Gap(from: "mine", to: "", reason: "r", lost: nil))
        #expect(try ledger("eth0").gaps().isEmpty)
        #expect(try ledger("eth0-1").gaps().count == 1)
    }
}
