import CLinux
import CPcap
import Glibc
import Linux

/// What libpcap says, in its own words.
public struct PcapError: Error, CustomStringConvertible, Sendable {
    public enum Kind: Sendable { case interfaceAbsent, refused, promiscuousRefused, filter, other }

    /// What a result of pcap_activate(3PCAP) below 0 means; `words` are libpcap's.
    static func kind(ofActivating result: Int32, _ words: String) -> Kind {
        switch result {
        case PCAP_ERROR_NO_SUCH_DEVICE, PCAP_ERROR_IFACE_NOT_UP: return .interfaceAbsent
        case PCAP_ERROR_PROMISC_PERM_DENIED: return .promiscuousRefused
        case PCAP_ERROR_PERM_DENIED: return .refused
        // Where only the joining is refused libpcap has no number of its own for it.
        default: return words.contains("PACKET_ADD_MEMBERSHIP") ? .promiscuousRefused : .other
        }
    }
    public let kind: Kind
    public let description: String
}

/// Owns one live capture handle (pcap(3PCAP)).
@safe
struct PcapHandle: ~Copyable {
    let pointer: OpaquePointer
    let descriptor: Int32
    let linktype: Int32
    let snaplen: Int32
    let warning: String?
    /// Milliseconds after which the kernel hands over a block that is not full.
    static let blockTimeout: Int32 = 100

    init(interface: String, snaplen: Int32, ring: Int64, promiscuous: Bool) throws(PcapError) {
        var text = [CChar](repeating: 0, count: Int(PCAP_ERRBUF_SIZE))
        guard let pointer = unsafe pcap_create(interface, &text) else {
            throw PcapError(kind: .other, description: string(in: text))
        }
        unsafe pcap_set_snaplen(pointer, snaplen)
        unsafe pcap_set_promisc(pointer, promiscuous ? 1 : 0)
        unsafe pcap_set_timeout(pointer, Self.blockTimeout)
        unsafe pcap_set_buffer_size(pointer, Int32(min(ring, Int64(Int32.max))))
        let result = unsafe pcap_activate(pointer)
        let words = unsafe String(cString: pcap_geterr(pointer))
        let named = unsafe String(cString: pcap_statustostr(result))
        let message = words.isEmpty ? named : "\(named): \(words)"
        if result < 0 {
            unsafe pcap_close(pointer)
            let kind = PcapError.kind(ofActivating: result, words)
            let advice =
                kind == .refused
                ? " (CAP_NET_RAW is missing: start as root, give the binary cap_net_raw+p, or the container --cap-add NET_RAW)" : ""
            throw PcapError(kind: kind, description: "\(interface): \(message)\(advice)")
        }
        guard unsafe pcap_setnonblock(pointer, 1, &text) == 0 else {
            unsafe pcap_close(pointer)
            throw PcapError(kind: .other, description: string(in: text))
        }
        unsafe self.pointer = pointer
        self.descriptor = unsafe pcap_get_selectable_fd(pointer)
        self.linktype = Self.savefileLinktype(unsafe pcap_datalink(pointer))
        self.snaplen = snaplen
        self.warning = result > 0 ? message : nil
    }
    deinit { unsafe pcap_close(pointer) }

    /// DLT_RAW is 12 here and LINKTYPE_RAW 101 in files (pcap-linktype(7)); the other link types this
    /// kernel delivers have one number for both.
    private static func savefileLinktype(_ dlt: Int32) -> Int32 { dlt == DLT_RAW ? 101 : dlt }

    func compile(_ text: String) throws(PcapError) -> FilterProgram {
        unsafe try PcapFilter.compile(text, on: unsafe pointer)
    }

    /// The first filter: libpcap also keeps out what was in the ring before it. Returns its words where the kernel has no room for
    /// it and every packet is copied before it is looked at.
    func install(_ program: FilterProgram) throws(PcapError) -> String? {
        var instructions = program.instructions.map {
            bpf_insn(code: $0.code, jt: $0.jumpTrue, jf: $0.jumpFalse, k: $0.k)
        }
        let count = UInt32(instructions.count)
        let result = unsafe instructions.withUnsafeMutableBufferPointer {
            var filter = unsafe bpf_program(bf_len: count, bf_insns: $0.baseAddress)
            return unsafe pcap_setfilter(pointer, &filter)
        }
        if result < 0 { throw PcapError(kind: .filter, description: message) }
        return message.hasPrefix("Warning:") ? message : nil
    }

    /// Replaces the filter in one step (SO_ATTACH_FILTER, socket(7)): no packet falls between the old one and the new.
    func attach(_ program: FilterProgram) throws(SystemError) {
        let instructions = program.instructions.map { bpf_insn(code: $0.code, jt: $0.jumpTrue, jf: $0.jumpFalse, k: $0.k) }
        let descriptor = descriptor
        try checked("SO_ATTACH_FILTER") {
            unsafe instructions.withUnsafeBytes {
                unsafe Int(sensor_attach_filter(descriptor, $0.baseAddress!, UInt16(clamping: instructions.count)))
            }
        }
    }

    /// What the kernel gave for the ring: libpcap takes less without a word where there is less. nil where /proc is not
    /// mounted. The ring is mapped, under the number of its socket.
    var ringBytes: Int64? {
        var socket = stat()
        guard unsafe fstat(descriptor, &socket) == 0, let file = try? Descriptor.open("/proc/self/maps", flags: O_RDONLY) else {
            return nil
        }
        var all: [UInt8] = []
        while let part = try? file.read(1 << 16), !part.isEmpty { all += part }
        for line in String(decoding: all, as: UTF8.self).split(separator: "\n") where line.hasSuffix("socket:[\(socket.st_ino)]") {
            let bounds = line.prefix { $0 != " " }.split(separator: "-").compactMap { Int64($0, radix: 16) }
            if bounds.count == 2 { return bounds[1] - bounds[0] }
        }
        return nil
    }

    /// libpcap's own words for the last error of this handle.
    var message: String { unsafe String(cString: pcap_geterr(pointer)) }

    func statistics() -> pcap_stat? {
        var stat = pcap_stat()
        return unsafe pcap_stats(pointer, &stat) == 0 ? stat : nil
    }
}

public enum PcapFilter {
    static func compile(_ text: String, on pointer: OpaquePointer) throws(PcapError) -> FilterProgram {
        var program = unsafe bpf_program()
        // 0xffffffff: PCAP_NETMASK_UNKNOWN
        guard unsafe pcap_compile(pointer, &program, text, 1, 0xffff_ffff) == 0 else {
            throw PcapError(kind: .filter, description: unsafe String(cString: pcap_geterr(pointer)))
        }
        defer { unsafe pcap_freecode(&program) }
        let all = unsafe UnsafeBufferPointer(start: program.bf_insns, count: Int(program.bf_len))
        return FilterProgram(
            unsafe all.map {
                FilterProgram.Instruction(code: $0.code, jumpTrue: $0.jt, jumpFalse: $0.jf, k: $0.k)
            })
    }

    /// A name that has no address now may have one later; nothing is wrong with the filter.
    public static func mayPass(_ words: String) -> Bool { words.hasPrefix("unknown host") }

    /// Compiles without an interface. nil where the text is right for Ethernet or, failing that, for
    /// interfaces without a link header; else libpcap's message.
    public static func problem(in text: String) -> String? {
        var first: String?
        for linktype in [DLT_EN10MB, DLT_RAW] {
            guard let dead = unsafe pcap_open_dead(linktype, PcapFilterLimits.snaplen) else { continue }
            defer { unsafe pcap_close(dead) }
            do {
                let count = try unsafe compile(text, on: dead).instructions.count
                if count <= PcapFilterLimits.instructions { return nil }
                return "it takes \(count) instructions, and the kernel has room for \(PcapFilterLimits.instructions)"
            } catch { first = first ?? error.description }
        }
        return first
    }
}

enum PcapFilterLimits {
    static let snaplen: Int32 = 262_144
    /// BPF_MAXINSNS (linux/bpf_common.h) less what leaving out the own upload takes.
    static let instructions = 4096 - 512
}
