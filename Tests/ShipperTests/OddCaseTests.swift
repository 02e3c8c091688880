import Evidence
import Glibc
import Linux
import Settings
import Spool
import Testing

@testable import Shipper

/// What happens rarely, and to somebody.
@Suite struct OddCaseTests {
    let first = "s@eth0-20261125T000000Z-0000000001.pcap"
    let second = "s@eth0-20261125T000100Z-0000000002.pcap"
    let content = [UInt8]((0..<5000).map { UInt8(truncatingIfNeeded: $0 &* 31) })

    @Test("a temporary file that was cut at the target is sent again without a word, and closed once")
    func cutTemporary() throws {
        let scratch = try Scratch()
        let target = MemoryTarget()
        let content = [UInt8](repeating: 7, count: 50_000)
        try scratch.put(first, content)
        try scratch.deliver(first, over: MemoryLane(1, target), while: { target.written < 30_000 })
        #expect(Journal(try Directory(scratch.state)).entries[first]?.safe ?? 0 > 0)
        let temporary = try #require(target.files.keys.first)
        target.files[temporary] = Array(content.prefix(100))
        #expect(try scratch.deliver([first], over: [MemoryLane(2, target)]) == [])
        #expect(target.files[first] == content)
    }

    @Test("more entries than fit in a megabyte survive in the journal")
    func largeJournal() throws {
        let scratch = try Scratch()
        try scratch.put(first, content)
        let status = try #require(try Directory(scratch.spool).status(first))
        let journal = Journal(try Directory(scratch.state))
        for number in 0..<4000 {
            let name = SpoolName(sensor: "s", interface: "eth0", stamp: "20261125T000000Z", sequence: UInt64(number)).pcap
            journal.set(name, JournalEntry(file: name, status: status, target: "box", random: "abcdefgh"))
        }
        try journal.save()
        #expect(Journal(try Directory(scratch.state)).entries.count == 4000)
    }

    @Test("what lies beside one file and cannot be read or removed keeps no other file", arguments: [".json", ".meta"])
    func besides(ending: String) throws {
        let scratch = try Scratch()
        let target = MemoryTarget()
        try scratch.put(first, content)
        try scratch.put(second, content)
        let beside = ending == ".json" ? SpoolName.manifest(of: first) : SpoolName.meta(of: first)
        mkdir(scratch.spool + "/" + beside, 0o755)
        defer { rmdir(scratch.spool + "/" + beside) }
        for round in 1...3 {
            let journal = Journal(try Directory(scratch.state))
            try ShipWorker.clearDelivered(journal, spool: try Directory(scratch.spool))
            let waiting = DeliveryOrder.sorted(try scratch.names().filter { $0.hasSuffix(".pcap") })
            let faults = try scratch.deliver(waiting, over: [MemoryLane(round, target)])
            #expect(faults.allSatisfy { $0.kind == .file }, "\(faults)")
        }
        #expect(target.files[second] == content)
        #expect(target.appeared.filter { $0 == first }.count <= 1)
    }

    @Test("a FIFO under the name of a manifest holds up nothing", .timeLimit(.minutes(1)))
    func fifo() throws {
        let scratch = try Scratch()
        let target = MemoryTarget()
        try scratch.put(first, content)
        try scratch.put(second, content)
        mkfifo(scratch.spool + "/" + SpoolName.manifest(of: first), 0o644)
        try scratch.deliver([first, second], over: [MemoryLane(1, target)])
        #expect(target.files[second] == content)
    }

    /// Keeps any time and size, which not every file system does.
    private static let shared = "/dev/shm"

    private func onSharedMemory(_ files: [String], _ body: (borrowing Directory) throws -> Void) throws {
        let directory = try Directory("\(Self.shared)/sensor-test-\(getpid())-\(files[0])", create: true)
        defer {
            for name in files { unlink(directory.path + "/" + name) }
            rmdir(directory.path)
        }
        for name in files { try directory.replace(name, with: [1]) }
        try body(directory)
    }
    private func setTime(_ path: String, _ seconds: Int) {
        let times = [timespec](repeating: timespec(tv_sec: seconds, tv_nsec: 0), count: 2)
        #expect(utimensat(AT_FDCWD, path, times, 0) == 0)
    }

    @Test("times that no calendar has trap nobody", .enabled(if: access(shared, W_OK) == 0, "needs \(shared)"))
    func times() throws {
        try onSharedMemory(["a.pcap", "b.pcap"]) { directory in
            setTime(directory.path + "/a.pcap", Int.max / 1000)
            setTime(directory.path + "/b.pcap", Int.min / 1000)
            var watch = try SpoolWatch(directory.path)
            _ = try watch.finished()
        }
    }

    @Test("sizes beyond all disks trap nobody", .enabled(if: access(shared, W_OK) == 0, "needs \(shared)"))
    func sizes() throws {
        try onSharedMemory(["c.pcap", "d.pcap"]) { directory in
            for name in ["c.pcap", "d.pcap"] {
                #expect(truncate(directory.path + "/" + name, Int.max) == 0)
                // At rest for long.
                setTime(directory.path + "/" + name, 1_000_000_000)
            }
            let found = try directory.sizes(endingIn: ".pcap")
            #expect(found.files == 2 && found.bytes == .max)
            #expect(
                DryRun.run(
                    ShipOptions(
                        spool: directory.path, state: directory.path, target: .directory("/nowhere"), keyFiles: [], knownHostsFiles: []))
                    == 0)
        }
    }

    @Test("a server that tells sizes only is asked for the content before a file counts as delivered")
    func sizeOnly() {
        var settlement = Settlement("t", to: "f", size: 10, sha256: "", mayBeDone: true, looksFirst: false)
        let there = TargetAnswer.status(TargetStatus(size: 10, modified: 0, owner: 0))
        _ = settlement.begin(on: 1)
        _ = settlement.answered(.rename("t", to: "f", lane: 1), .refused(.other("Failure")))
        _ = settlement.answered(.look("t", lane: 1), there)
        let (calls, outcome) = settlement.answered(.look("f", lane: 1), there)
        #expect(outcome == .going)
        #expect(calls == [.open("f", .reading, lane: 1)])
    }

    @Test(
        "while a file is sent again, because its temporary was taken away before its rename, no younger one passes it",
        arguments: [10_000, 30_000, 40_000, 44_000, 48_000, 52_000, 56_000])
    func takenBeforeRename(younger: Int) throws {
        let scratch = try Scratch()
        let target = MemoryTarget()
        try scratch.put(first, [UInt8](repeating: 1, count: 60_000))
        try scratch.put(second, [UInt8](repeating: 7, count: younger))
        var step = 0
        var refusedAt = Int.max
        var passedAt = 0
        target.before = { call in
            if case .rename(let from, first, _) = call, refusedAt == .max {
                refusedAt = step
                target.files[from] = nil
            }
            if case .rename(_, second, _) = call, target.files[first] == nil { passedAt = step }
        }
        let dispatcher = try scratch.dispatcher()
        dispatcher.isPOSIX = true
        var limit: RateLimit?
        for file in [first, second] { #expect(try dispatcher.start(file)) }
        // Two lanes: the one carries the older file once more while the other is free.
        let lanes = [MemoryLane(1, target), MemoryLane(2, target)]
        while dispatcher.count > 0, step < 1000 {
            step += 1
            _ = try dispatcher.step(lanes, &limit)
        }
        #expect(target.files.count == 4)
        // What was asked before the refusal was heard cannot be taken back.
        #expect(passedAt <= refusedAt)
    }

    @Test("a byte per second is no reason to look again and again")
    func slowest() {
        var limit = RateLimit(bytesPerSecond: 1)
        var now = MonotonicTime(nanoseconds: 1)
        var looks = 0
        var sent = 0
        while sent < 10 {
            let most = limit.allowance(at: now)
            looks += 1
            if most > 0 {
                limit.spend(1)
                sent += 1
            }
            now = limit.due(now, isWaiting: true) ?? now
        }
        #expect(looks < 40)
    }

    @Test("many interfaces with long backlogs are not all kept in memory, and no series is forgotten")
    func manySeries() throws {
        var oldest = OldestFiles(most: 4096)
        for number in 1...1000 {
            for interface in 0..<50 {
                let name = Array(
                    SpoolName(sensor: "s", interface: "eth\(interface)", stamp: "20261125T000000Z", sequence: UInt64(1001 - number)).pcap
                        .utf8)
                _ = name.withUnsafeBufferPointer { oldest.offer($0, isWanted: { _ in true }) }
            }
        }
        #expect(oldest.count == 50_000)
        #expect(oldest.isPartial)
        let all = oldest.names
        #expect(all.count <= 20_000)
        for interface in 0..<50 {
            let names = all.filter { $0.hasPrefix("s@eth\(interface)-") }
            #expect(names.first?.hasSuffix("-0000000001.pcap") ?? false)
            #expect(names.count >= 100)
        }
    }

    @Test("while the hours are closed nobody is woken by what may be tried again then, for it would be at once and again at once")
    func closed() {
        let now = MonotonicTime(nanoseconds: 1_000_000_000_000)
        let past = MonotonicTime(nanoseconds: 999_000_000_000)
        #expect(ShipWorker.wake(closedFor: 3600, due: past, interval: 300, now: now) == now + 300)
        #expect(ShipWorker.wake(closedFor: 60, due: past, interval: 300, now: now) == now + 60)
        #expect(ShipWorker.wake(closedFor: nil, due: past, interval: 300, now: now) == past)
    }

    @Test("no more files are under way than descriptors allow")
    func descriptors() {
        #expect(Dispatcher.fitting(descriptors: 20) == 1)
        #expect(Dispatcher.fitting(descriptors: 64) == 8)
        #expect(Dispatcher.fitting(descriptors: 1024) > 400)
    }

    @Test("a spool that another directory has taken the place of is noticed")
    func replacedSpool() throws {
        let scratch = try Scratch()
        var watch = try SpoolWatch(scratch.spool)
        rename(scratch.spool, scratch.path + "/old")
        defer { rmdir(scratch.path + "/old") }
        _ = try Directory(scratch.spool, create: true)
        try scratch.put(first, content)
        try scratch.put(SpoolName.meta(of: first), [1])
        #expect(throws: ShipFault.self) { try watch.finished() }
    }

    @Test(
        "a temporary file that was cleared away at the target, long after a rename that never came about, is sent again",
        arguments: [true, false])
    func clearedLater(isManifest: Bool) throws {
        let scratch = try Scratch()
        let target = MemoryTarget()
        try scratch.put(first, content)
        var renames = 0
        target.before = { call in
            guard case .rename = call else { return }
            renames += 1
            if renames == (isManifest ? 1 : 2) { target.failAt = (target.calls + 1, .before) }
        }
        #expect(try scratch.deliver([first], over: [MemoryLane(1, target)]).map(\.kind) == [.passing])
        target.before = nil
        target.failAt = nil
        for name in target.files.keys where name.hasSuffix(".part") { target.files[name] = nil }
        #expect(target.files[first] == nil)
        // A weekend passes.
        let state = try Directory(scratch.state)
        var entries = Journal(try Directory(scratch.state)).entries
        let committed = try #require(entries[first]?.committed)
        entries[first]?.committed = committed - 2 * 86_400
        try JSONFile.write(entries, Journal.file, in: state)
        #expect(try scratch.deliver([first], over: [MemoryLane(2, target)]) == [])
        #expect(target.files[first] == content)
        #expect(target.files.count == 2)
        #expect(target.appeared == [first + ".json", first])
        #expect(try scratch.names() == [])
    }
}
