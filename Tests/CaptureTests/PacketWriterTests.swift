import CPcap
import Events
import Glibc
import Linux
import Spool
import Testing

@testable import Capture

/// Packets into files, without a ring.
@Suite struct PacketWriterTests {
    /// Records `packets` as (second, size) into a directory of its own. Returns its files in order.
    private static func record(
        _ packets: [(second: Int, size: Int)], seconds: Int64 = 60, bytes: Int64 = 1 << 30, limit: UInt64 = .max
    ) throws -> (files: [PcapScanner], facts: [CaptureFacts], total: UInt64) {
        let scratch = try Scratch()
        let spool = try Directory(scratch.path)
        _ = try Directory(scratch.path + "/state", create: true)
        let finisher = try Finisher(
            spool: Directory(scratch.path), ledger: Ledger(Directory(scratch.path + "/state"), interface: "eth0"),
            facts: .init(
                sensor: "lab", interface: "eth0", series: "s", linktype: 1, snaplen: 262_144, filter: nil,
                budget: BudgetSettings(files: 0, bytes: nil, free: .bytes(0)), offloads: nil), log: WorkerLog(.text))
        finisher.start()
        let dead = try #require(pcap_open_dead(DLT_EN10MB, 262_144))
        defer { pcap_close(dead) }
        var writer = try PacketWriter(
            spool: Directory(scratch.path), rule: RotationRule(seconds: seconds, bytes: bytes), finisher: finisher, sensor: "lab",
            interface: "eth0", linktype: 1, snaplen: 262_144, nextSequence: 1, limit: limit, counters: dead)
        var payload = [UInt8](repeating: 0, count: 300_000)
        for (number, packet) in packets.enumerated() {
            for byte in 0..<4 { payload[byte] = UInt8(truncatingIfNeeded: number >> (8 * byte)) }
            var head = pcap_pkthdr()
            head.ts.tv_sec = packet.second
            head.ts.tv_usec = number % 1_000_000
            head.caplen = UInt32(packet.size)
            head.len = UInt32(packet.size) + (packet.size == 77 ? 1 : 0)
            if !writer.takes(&head, payload) { writer.decide(&head, payload) }
        }
        let total = writer.totalWritten
        writer.finish()
        finisher.join()
        let names = try spool.names().compactMap { SpoolName($0) }.sorted()
        let files = try names.map { name in
            var scanner = PcapScanner()
            let bytes = try #require(try spool.read(name.pcap, limit: 64 << 20))
            scanner.take(bytes)
            #expect(scanner.wholeBytes == Int64(bytes.count), "\(name.pcap) ends in a whole record")
            return scanner
        }
        #expect(try spool.names().allSatisfy { !$0.hasSuffix(".part") })
        return (files, names.compactMap { JSONFile.read(CaptureFacts.self, $0.meta, in: spool) }, total)
    }

    @Test func `more than the buffer holds is in the file to the last record`() throws {
        // 9000 of about 1500 bytes: three buffers, records across each boundary.
        let (files, facts, total) = try Self.record((0..<9000).map { (1000 + $0 / 5000, 1400 + $0 % 200) })
        #expect(files.map(\.packets) == [9000])
        #expect(facts.map(\.written) == [9000])
        #expect(total == 9000)
    }

    @Test func `the largest packets that there are`() throws {
        let (files, _, _) = try Self.record((0..<50).map { (1000, $0 % 2 == 0 ? 262_144 : 1) })
        #expect(files.map(\.packets) == [50])
    }

    @Test func `a window's end, a size's end and a clock that was set back each begin a file`() throws {
        let (files, facts, _) = try Self.record(
            [(60, 100), (119, 100), (120, 100), (118, 100), (117, 100), (61, 100)] + (0..<30).map { _ in (61, 10_000) }, bytes: 100_000)
        // 118 is late by little and stays; 117 is too far back, and begins a file of the window that 61 is in, too.
        #expect(files.map(\.packets) == [2, 2, 11, 9, 9, 3])
        #expect(files.allSatisfy { $0.wholeBytes <= 100_000 })
        #expect(facts.map(\.sequence) == Array(1...6))
    }

    @Test func `a packet larger than a file may be has one of its own`() throws {
        let (files, _, _) = try Self.record([(60, 10), (60, 5000), (60, 10), (60, 10)], bytes: 1000)
        #expect(files.map(\.packets) == [1, 1, 2])
    }

    @Test func `after the wanted number nothing more is recorded, and what is empty never is`() throws {
        let (files, facts, total) = try Self.record([(60, 10), (60, 0), (60, 77), (60, 10), (60, 10)], limit: 3)
        #expect(files.map(\.packets) == [3])
        #expect(total == 3)
        #expect(facts.map(\.cut) == [1])
    }

    @Test func `first and last stamp are the packets' own`() throws {
        let (_, facts, _) = try Self.record([(1_700_000_000, 10), (1_700_000_001, 10), (1_700_000_002, 10)])
        #expect(facts.map(\.first) == ["2023-11-14T22:13:20.000000Z"])
        #expect(facts.map(\.last) == ["2023-11-14T22:13:22.000002Z"])
    }
}
