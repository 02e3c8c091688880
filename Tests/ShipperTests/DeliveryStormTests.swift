import Evidence
import Glibc
import Linux
import Spool
import Testing

@testable import Shipper

/// Numbers that are the same at each run.
struct Dice: RandomNumberGenerator {
    private var state: UInt64
    init(_ seed: Int) { state = UInt64(seed) &* 0x9e37_79b9_7f4a_7c15 | 1 }
    mutating func next() -> UInt64 {
        state ^= state << 13
        state ^= state >> 7
        state ^= state << 17
        return state
    }
    mutating func below(_ count: Int) -> Int { Int(next() % UInt64(count)) }
}

/// Many files over lanes that die at any moment, with programs that die as well: whatever happens, at the end every file
/// is there once, byte for byte, in order, and nothing else.
@Suite struct DeliveryStormTests {
    private struct Storm {
        let scratch: Scratch
        let target = MemoryTarget()
        var contents: [String: [UInt8]] = [:]
        var dice: Dice
        var nextLane = 1
        var longestWrite = 1000

        /// `large`: fewer, and of a size that several lanes share.
        init(_ seed: Int, large: Bool = false) throws {
            scratch = try Scratch()
            dice = Dice(seed)
            if large { longestWrite = 60_000 }
            for interface in ["eth0", "eth1"] {
                for number in 1...(large ? 3 : 8) {
                    let name = SpoolName(sensor: "s", interface: interface, stamp: "20261125T00000\(number)Z", sequence: UInt64(number))
                        .pcap
                    let size = dice.below(4) == 0 ? 20_000 : dice.below(3000)
                    contents[name] = (0..<size).map { UInt8(truncatingIfNeeded: ($0 + number) &* 31) }
                    if large {
                        let block = [UInt8]((0..<10_007).map { UInt8(truncatingIfNeeded: ($0 + number) &* 31) })
                        contents[name] = []
                        for _ in 0..<(100 + dice.below(200)) { contents[name]? += block }
                    }
                    try scratch.put(name, contents[name] ?? [])
                }
            }
        }

        mutating func lane() -> MemoryLane {
            defer { nextLane += 1 }
            let lane = MemoryLane(nextLane, target)
            lane.pace = 1 + dice.below(6)
            lane.longestWrite = longestWrite
            return lane
        }

        /// One life of the program; `calm` is without faults.
        mutating func live(calm: Bool, isPOSIX: Bool) throws {
            let journal = Journal(try Directory(scratch.state))
            try ShipWorker.clearDelivered(journal, spool: try Directory(scratch.spool))
            let dispatcher = Dispatcher(spool: try Directory(scratch.spool), journal: journal, target: "box")
            dispatcher.isPOSIX = isPOSIX
            var waiting = DeliveryOrder.sorted(try scratch.names().filter { $0.hasSuffix(".pcap") })[...]
            var lanes = [lane()]
            var limit: RateLimit?
            let lastStep = calm ? Int.max : 5 + dice.below(60)
            var step = 0
            while step < lastStep {
                step += 1
                #expect(step < 100_000, "it comes to an end")
                if step >= 100_000 { break }
                if !calm, dice.below(8) == 0 {
                    target.failAt = (target.calls + 1 + dice.below(6), MemoryTarget.Loss.allCases[dice.below(2)])
                }
                if lanes.count < 3, dice.below(4) == 0 { lanes.append(lane()) }
                if dice.below(3) > 0, let file = waiting.popFirst() { #expect(try dispatcher.start(file)) }
                if dice.below(9) == 0 { dispatcher.checkpoint() }
                let alive = lanes.filter { !$0.isDead }
                if alive.isEmpty { return }
                do { _ = try dispatcher.step(alive, &limit) } catch {
                    Issue.record("no fault of the target's: \(error)")
                    return
                }
                lanes = alive.filter { !$0.isDead }
                if dispatcher.count == 0, waiting.isEmpty, lanes.allSatisfy({ $0.underWay == 0 }) { break }
                for news in dispatcher.takeNews() {
                    if case .postponed(let file, let fault) = news { Issue.record("\(file): \(fault)") }
                }
            }
            target.failAt = nil
            for lane in lanes { lane.die() }
        }
    }

    @Test("lanes and programs that die at random: every file once, whole, in order, with its manifest before it", arguments: 0..<150)
    func storm(seed: Int) throws { try weather(try Storm(seed), seed) }

    @Test("the same for files that several lanes share", arguments: 0..<12)
    func large(seed: Int) throws { try weather(try Storm(seed, large: true), seed) }

    private func weather(_ storm: Storm, _ seed: Int) throws {
        var storm = storm
        let isPOSIX = seed % 2 == 0
        storm.target.isLikeRclone = !isPOSIX
        for _ in 0..<12 { try storm.live(calm: false, isPOSIX: isPOSIX) }
        try storm.live(calm: true, isPOSIX: isPOSIX)
        try storm.live(calm: true, isPOSIX: isPOSIX)
        let target = storm.target
        #expect(try storm.scratch.names() == [])
        for (name, content) in storm.contents {
            #expect(target.files[name] == content, "\(name)")
            let said = JSONFile.decode(Manifest.self, from: target.files[SpoolName.manifest(of: name)] ?? [])
            #expect(said?.sha256 == FileDigest.hex(FileDigest.of(content)))
        }
        #expect(target.files.keys.filter { $0.hasSuffix(".part") } == [])
        #expect(target.files.count == 2 * storm.contents.count)
        #expect(target.open == 0)
        let pcaps = target.appeared.filter { $0.hasSuffix(".pcap") }
        #expect(pcaps.count == storm.contents.count, "each final name appears once")
        for interface in ["eth0", "eth1"] {
            let order = pcaps.filter { $0.contains("@\(interface)-") }
            #expect(order == order.sorted(), "\(interface)")
        }
        for name in pcaps {
            let pcap = target.appeared.firstIndex(of: name) ?? 0
            let manifest = target.appeared.firstIndex(of: SpoolName.manifest(of: name)) ?? Int.max
            #expect(manifest < pcap, "the manifest of \(name)")
        }
    }
}
