import CPcap

/// A packet made by hand, to ask a filter about: the first of a TCP connection or its answer, or a small UDP one.
struct ProbePacket {
    enum Transport: UInt8, Sendable {
        case tcp = 6
        case udp = 17
    }
    /// Both of IPv4 (4 bytes) or both of IPv6 (16).
    struct Pair: Sendable {
        var client: [UInt8]
        var server: [UInt8]
    }
    var transport: Transport
    var pair: Pair
    var clientPort: UInt16
    var serverPort: UInt16
    /// From the server to the client.
    var isAnswer: Bool
    /// 802.1Q tags in the frame.
    var tags = 0

    private static let clientMAC: [UInt8] = [0x02, 0, 0, 0, 0, 1]
    private static let serverMAC: [UInt8] = [0x02, 0, 0, 0, 0, 2]

    /// `hasEthernet` false: without a link header (DLT_RAW).
    func bytes(hasEthernet: Bool) -> [UInt8] {
        let (from, to) = isAnswer ? (pair.server, pair.client) : (pair.client, pair.server)
        let ports = isAnswer ? [serverPort, clientPort] : [clientPort, serverPort]
        var body = ports.flatMap(Self.word)
        switch transport {
        case .tcp:
            let flags: UInt8 = isAnswer ? 0x12 : 0x02
            body += [0, 0, 0, 1, 0, 0, 0, 0, 0x50, flags, 0xff, 0xff, 0, 0, 0, 0]
        case .udp: body += Self.word(8 + 32) + [0, 0] + [UInt8](repeating: 0, count: 32)
        }
        let isSix = from.count == 16
        let head: [UInt8] =
            isSix
            ? [0x60, 0, 0, 0] + Self.word(UInt16(body.count)) + [transport.rawValue, 64]
            : [0x45, 0] + Self.word(UInt16(20 + body.count)) + [0, 1, 0x40, 0, 64, transport.rawValue, 0, 0]
        let packet = head + from + to + body
        guard hasEthernet else { return packet }
        let ethernet = isAnswer ? Self.clientMAC + Self.serverMAC : Self.serverMAC + Self.clientMAC
        let tagged = (0..<tags).flatMap { Self.word(0x8100) + Self.word(UInt16(100 + $0)) }
        return ethernet + tagged + Self.word(isSix ? 0x86dd : 0x0800) + packet
    }

    private static func word(_ value: UInt16) -> [UInt8] { [UInt8(value >> 8), UInt8(value & 0xff)] }
}

/// Asks a filter's program about packets, by libpcap's interpreter (pcap_offline_filter(3PCAP)).
struct FilterProbe {
    let hasEthernet: Bool
    private var instructions: [bpf_insn]

    /// Loads from here on are the kernel's answers about a packet, and no bytes of it (SKF_AD_OFF, linux/filter.h).
    private static let ancillary: UInt32 = 0xffff_f000
    private static let packetType = ancillary + 4
    /// PACKET_OUTGOING (packet(7)).
    private static let outgoing: UInt32 = 4
    private static let loads: [UInt16] = [0x20, 0x28, 0x30]
    private static let loadConstant: UInt16 = 0x00

    /// Outgoing: as `inbound` and `outbound` ask. All else that can be asked is 0.
    init(_ program: FilterProgram, hasEthernet: Bool, isOutgoing: Bool = false) {
        self.hasEthernet = hasEthernet
        let answer: UInt32 = isOutgoing ? Self.outgoing : 0
        instructions = program.instructions.map {
            if Self.loads.contains($0.code), $0.k >= Self.ancillary {
                return bpf_insn(code: Self.loadConstant, jt: 0, jf: 0, k: $0.k == Self.packetType ? answer : 0)
            }
            return bpf_insn(code: $0.code, jt: $0.jumpTrue, jf: $0.jumpFalse, k: $0.k)
        }
    }

    mutating func accepts(_ packet: ProbePacket) -> Bool {
        let bytes = packet.bytes(hasEthernet: hasEthernet)
        return unsafe instructions.withUnsafeMutableBufferPointer {
            var program = unsafe bpf_program(bf_len: UInt32($0.count), bf_insns: $0.baseAddress)
            var head = pcap_pkthdr()
            head.caplen = UInt32(bytes.count)
            head.len = head.caplen
            return unsafe pcap_offline_filter(&program, &head, bytes) != 0
        }
    }
}
