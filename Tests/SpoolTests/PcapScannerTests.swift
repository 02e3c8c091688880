import Spool
import Testing

/// What a crash leaves behind, cut at the last whole record.
struct PcapScannerTests {
    static func word(_ value: UInt32) -> [UInt8] { [0, 8, 16, 24].map { UInt8(truncatingIfNeeded: value >> $0) } }
    static func record(_ second: UInt32, _ microsecond: UInt32, captured: UInt32, length: UInt32? = nil, fill: UInt8 = 0xab) -> [UInt8] {
        word(second) + word(microsecond) + word(captured) + word(length ?? captured) + [UInt8](repeating: fill, count: Int(captured))
    }
    func scan(_ bytes: [UInt8], chunk: Int? = nil) -> PcapScanner {
        var scanner = PcapScanner()
        var at = 0
        while at < bytes.count {
            let end = min(bytes.count, at + (chunk ?? bytes.count))
            scanner.take(Array(bytes[at..<end]))
            at = end
        }
        return scanner
    }

    static let records = [record(100, 5, captured: 60), record(101, 999_999, captured: 1), record(99, 0, captured: 200, length: 1500)]
    static let file = PcapFormat.header(linktype: 1, snaplen: 256) + records.joined()

    @Test func `the header is libpcap's, little-endian, with microseconds`() {
        #expect(
            PcapFormat.header(linktype: 113, snaplen: 262_144) == [
                0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 113, 0, 0, 0,
            ])
        #expect(PcapFormat.header(linktype: 1, snaplen: 1).count == PcapFormat.headerSize)
    }

    @Test func `a whole file is whole`() {
        let scanner = scan(Self.file)
        #expect(scanner.packets == 3)
        #expect(scanner.wholeBytes == Int64(Self.file.count))
        #expect(scanner.first == 100_000_005)
        #expect(scanner.last == 99_000_000)
        #expect(scanner.linktype == 1)
        #expect(scanner.snaplen == 256)
        #expect(!scanner.isEnded)
    }

    @Test func `a torn tail is cut at the last whole record, wherever it was torn`() {
        var ends = [PcapFormat.headerSize]
        for record in Self.records { ends.append(ends.last! + record.count) }
        for length in 0...Self.file.count {
            let scanner = scan(Array(Self.file.prefix(length)))
            let whole = ends.filter { $0 <= length }
            #expect(scanner.wholeBytes == Int64(whole.last ?? 0), "torn at \(length)")
            #expect(scanner.packets == UInt64(max(0, whole.count - 1)), "torn at \(length)")
        }
    }

    @Test(arguments: [1, 2, 3, 7, 16, 17, 24, 25, 100])
    func `in pieces the result is the same as in one`(chunk: Int) {
        for tail in [[], [UInt8](repeating: 0, count: 100), Self.records[0].dropLast()] as [[UInt8]] {
            let bytes = Self.file + tail
            let whole = scan(bytes)
            let pieces = scan(bytes, chunk: chunk)
            #expect(pieces.packets == whole.packets)
            #expect(pieces.wholeBytes == whole.wholeBytes)
            #expect(pieces.first == whole.first)
            #expect(pieces.last == whole.last)
            #expect(pieces.isEnded == whole.isEnded)
        }
    }

    /// Preallocated blocks that were never written, and what else no writer of ours writes.
    static let ends: [(String, [UInt8])] = [
        ("zeros", [UInt8](repeating: 0, count: 4096)),
        ("a record that holds nothing", record(102, 0, captured: 0, length: 60)),
        ("a record over the snaplen", record(102, 0, captured: 257, length: 1500)),
        ("a record longer than its packet", record(102, 0, captured: 60, length: 59)),
        ("a million microseconds", record(102, 1_000_000, captured: 60)),
        ("garbage", [UInt8](repeating: 0xff, count: 64)),
    ]

    @Test(arguments: ends)
    func `the writing had ended where a record is impossible`(what: String, tail: [UInt8]) {
        // A good record behind it does not count: between them lies what nobody can tell.
        let scanner = scan(Self.file + tail + Self.records[0])
        #expect(scanner.isEnded)
        #expect(scanner.packets == 3)
        #expect(scanner.wholeBytes == Int64(Self.file.count))
    }

    @Test func `a record as long as the snaplen is whole`() {
        let scanner = scan(Self.file + Self.record(102, 0, captured: 256))
        #expect(scanner.packets == 4)
        #expect(!scanner.isEnded)
    }

    @Test func `without a snaplen in the header libpcap's greatest holds`() {
        let header = PcapFormat.header(linktype: 1, snaplen: 0)
        #expect(scan(header + Self.record(1, 0, captured: 262_144)).packets == 1)
        let over = scan(header + Self.record(1, 0, captured: 262_145))
        #expect(over.packets == 0)
        #expect(over.isEnded)
    }

    @Test(arguments: [
        [UInt8](repeating: 0, count: 64), Array("not a capture, only some words in a file".utf8),
        [0xa1, 0xb2, 0xc3, 0xd4] + [UInt8](repeating: 0, count: 60), [0x0a, 0x0d, 0x0d, 0x0a] + [UInt8](repeating: 0, count: 60),
    ])
    func `what is no such file holds nothing`(bytes: [UInt8]) {
        let scanner = scan(bytes)
        #expect(scanner.isEnded)
        #expect(scanner.packets == 0)
        #expect(scanner.wholeBytes == 0)
    }

    @Test func `any bytes are taken without a crash, and no more is called whole than there is`() {
        var random = SplitMix(state: 3)
        for _ in 0..<2_000 {
            var bytes = Self.file + Self.records.joined()
            for _ in 0..<Int.random(in: 1...6, using: &random) {
                bytes[Int.random(in: 0..<bytes.count, using: &random)] = .random(in: 0...255, using: &random)
            }
            bytes = Array(bytes.prefix(.random(in: 0...bytes.count, using: &random)))
            let whole = scan(bytes)
            let pieces = scan(bytes, chunk: .random(in: 1...64, using: &random))
            guard whole.wholeBytes <= Int64(bytes.count), whole.packets == pieces.packets, whole.wholeBytes == pieces.wholeBytes else {
                Issue.record("\(bytes)")
                return
            }
        }
    }
}
