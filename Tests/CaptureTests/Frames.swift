import CPcap

@testable import Capture

/// Frames made by hand, byte by byte.
struct Frame: Sendable, CustomStringConvertible {
    var description: String
    var bytes: [UInt8]

    enum Transport: UInt8, Sendable {
        case tcp = 6
        case udp = 17
    }

    /// `tags`: the tag protocol of each VLAN tag, outermost first.
    init(
        _ transport: Transport, from: String, _ sourcePort: UInt16, to: String, _ port: UInt16, tags: [UInt16] = [], payload: Int = 20
    ) {
        let isSix = from.contains(":")
        var all: [UInt8] = [2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1]
        for (index, tag) in tags.enumerated() { all += Self.word(tag) + Self.word(UInt16(100 + index)) }
        all += Self.word(isSix ? 0x86dd : 0x0800)
        let body =
            Self.word(sourcePort) + Self.word(port)
            + (transport == .tcp
                ? [0, 0, 0, 1, 0, 0, 0, 0, 0x50, 0x18, 1, 0, 0, 0, 0, 0] : Self.word(UInt16(8 + payload)) + [0, 0])
            + [UInt8](repeating: 0x61, count: payload)
        if isSix {
            all += [0x60, 0, 0, 0] + Self.word(UInt16(body.count)) + [transport.rawValue, 64]
        } else {
            all += [0x45, 0] + Self.word(UInt16(20 + body.count)) + [0, 1, 0x40, 0, 64, transport.rawValue, 0, 0]
        }
        all += Self.address(from) + Self.address(to) + body
        bytes = all
        description = "\(transport) \(from) \(sourcePort) > \(to) \(port) tags \(tags.map { String($0, radix: 16) })"
    }

    /// Not IP at all.
    init(etherType: UInt16, tags: [UInt16] = []) {
        bytes = [2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1]
        for tag in tags { bytes += Self.word(tag) + [0, 5] }
        bytes += Self.word(etherType) + [UInt8](repeating: 0, count: 46)
        description = "ether type \(String(etherType, radix: 16)) tags \(tags.count)"
    }

    private static func word(_ value: UInt16) -> [UInt8] { [UInt8(value >> 8), UInt8(value & 0xff)] }
    private static func address(_ text: String) -> [UInt8] {
        if !text.contains(":") { return text.split(separator: ".").map { UInt8($0)! } }
        // prefix::last, which is all that is needed here
        let parts = text.split(separator: ":")
        let groups = parts.dropLast().map { UInt16($0, radix: 16)! }
        let fill = [UInt16](repeating: 0, count: 7 - groups.count)
        return (groups + fill + [UInt16(parts.last!, radix: 16)!]).flatMap(word)
    }
}

/// libpcap's own interpreter and validator over a program of ours.
enum Machine {
    static func compile(_ text: String) throws -> FilterProgram {
        let dead = pcap_open_dead(DLT_EN10MB, 262_144)!
        defer { pcap_close(dead) }
        return try PcapFilter.compile(text, on: dead)
    }
    private static func instructions(_ program: FilterProgram) -> [bpf_insn] {
        program.instructions.map { bpf_insn(code: $0.code, jt: $0.jumpTrue, jf: $0.jumpFalse, k: $0.k) }
    }
    /// Bytes of the frame that pass; 0: none.
    static func run(_ program: FilterProgram, _ frame: Frame) -> UInt32 {
        var all = instructions(program)
        return all.withUnsafeMutableBufferPointer { buffer in
            var whole = bpf_program(bf_len: UInt32(buffer.count), bf_insns: buffer.baseAddress)
            var head = pcap_pkthdr()
            head.caplen = UInt32(frame.bytes.count)
            head.len = head.caplen
            return UInt32(bitPattern: pcap_offline_filter(&whole, &head, frame.bytes))
        }
    }
    /// What the kernel asks of a program too: jumps go forward and end within it.
    static func isValid(_ program: FilterProgram) -> Bool {
        bpf_validate(instructions(program), Int32(program.instructions.count)) != 0
    }
}
