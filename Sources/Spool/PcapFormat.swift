/// The classic pcap format (pcap-savefile(5)), little-endian, microseconds.
public enum PcapFormat {
    public static let headerSize = 24
    public static let recordHeaderSize = 16
    /// libpcap's MAXIMUM_SNAPLEN.
    public static let maximumSnaplen: Int32 = 262_144

    public static func header(linktype: Int32, snaplen: Int32) -> [UInt8] {
        var out: [UInt8] = []
        for word in [0xa1b2_c3d4, 0x0004_0002, 0, 0, UInt32(snaplen), UInt32(linktype)] as [UInt32] {
            for shift in [0, 8, 16, 24] as [UInt32] { out.append(UInt8(truncatingIfNeeded: word >> shift)) }
        }
        return out
    }
}

/// Reads a pcap as far as it is whole: what a crash leaves behind is bytes up to some point, or zeros.
public struct PcapScanner: Sendable {
    public private(set) var packets: UInt64 = 0
    /// Of these, longer on the wire than recorded.
    public private(set) var cut: UInt64 = 0
    /// The length of the file up to the end of the last whole record.
    public private(set) var wholeBytes: Int64 = 0
    /// Microseconds since the epoch.
    public private(set) var first: Int64?
    public private(set) var last: Int64?
    public private(set) var linktype: Int32 = 0
    public private(set) var snaplen: Int32 = 0
    public private(set) var isEnded = false
    private var rest: [UInt8] = []
    private var sawHeader = false

    public init() {}

    /// Takes the next bytes of the file, in order.
    public mutating func take(_ bytes: [UInt8]) {
        if isEnded { return }
        rest += bytes
        var at = 0
        func word(_ offset: Int) -> UInt32 {
            UInt32(rest[offset]) | UInt32(rest[offset + 1]) << 8 | UInt32(rest[offset + 2]) << 16 | UInt32(rest[offset + 3]) << 24
        }
        if !sawHeader {
            guard rest.count >= PcapFormat.headerSize else { return }
            guard word(0) == 0xa1b2_c3d4 else {
                isEnded = true
                return
            }
            snaplen = Int32(truncatingIfNeeded: word(16))
            linktype = Int32(truncatingIfNeeded: word(20) & 0xffff)
            sawHeader = true
            wholeBytes = Int64(PcapFormat.headerSize)
            at = PcapFormat.headerSize
        }
        while rest.count - at >= PcapFormat.recordHeaderSize {
            let captured = word(at + 8)
            let length = word(at + 12)
            // A record that holds nothing, or more than it may, is where the writing had ended.
            guard captured > 0, captured <= length, word(at + 4) < 1_000_000,
                captured <= UInt32(max(snaplen, 0)) || captured <= UInt32(PcapFormat.maximumSnaplen) && snaplen == 0
            else {
                isEnded = true
                break
            }
            let size = PcapFormat.recordHeaderSize + Int(captured)
            guard rest.count - at >= size else { break }
            let time = Int64(word(at)) * 1_000_000 + Int64(word(at + 4))
            if first == nil { first = time }
            last = time
            packets += 1
            if captured < length { cut += 1 }
            at += size
            wholeBytes += Int64(size)
        }
        rest.removeFirst(at)
    }
}
