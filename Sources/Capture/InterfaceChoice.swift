import CLinux
import Glibc
import Linux

/// Which interfaces are recorded.
public enum InterfaceChoice {
    struct Link: Equatable {
        var name: String
        /// The kernel's number, which a new name does not change.
        var index: UInt32 = 0
        var isUp: Bool
        var isLoopback: Bool
        /// Of a bridge or a bond.
        var isMember: Bool
        var isVeth: Bool
        /// What it carries is not seen on another interface, too: one for `any`, once it is up.
        var isEligible: Bool { !isLoopback && !isMember && !isVeth }
    }

    /// `any` becomes every interface of its own; nothing becomes the default route's. A doubt is one line.
    public static func resolve(_ names: [String]) -> (interfaces: [String], doubt: String?) {
        let isAny = names == ["any"]
        if !isAny, !names.isEmpty { return (names, nil) }
        let all = isAny ? any((try? links()) ?? []) : []
        if !all.isEmpty { return (all, nil) }
        let chosen = choose(route4: text("/proc/net/route"), route6: text("/proc/net/ipv6_route"), links: (try? links()) ?? [])
        let doubt =
            "PCAP_INTERFACE=any finds no interface of its own that is up (no loopback, bridge or bond member, veth end): recording \(chosen)"
        return ([chosen], isAny ? doubt : nil)
    }

    static func any(_ links: [Link]) -> [String] {
        links.filter { $0.isUp && $0.isEligible }.prefix(InterfaceRoster.most).map(\.name)
    }

    static func choose(route4: String, route6: String, links: [Link]) -> String {
        if let name = defaultRoute4(route4) ?? defaultRoute6(route6) { return name }
        let others = links.filter { !$0.isLoopback }
        return (others.first { $0.isUp } ?? others.first ?? links.first)?.name ?? "lo"
    }

    private static let up: UInt32 = 0x1, reject: UInt32 = 0x200

    /// /proc/net/route: Iface Destination Gateway Flags RefCnt Use Metric Mask …, numbers in hex but the metric.
    static func defaultRoute4(_ table: String) -> String? {
        var best: (metric: Int, name: String)?
        for line in table.split(separator: "\n").dropFirst() {
            let words = line.split { $0 == "\t" || $0 == " " }
            guard words.count >= 8, words[1] == "00000000", words[7] == "00000000", let flags = UInt32(words[3], radix: 16),
                flags & up != 0, flags & reject == 0, let metric = Int(words[6])
            else { continue }
            if best.map({ metric < $0.metric }) ?? true { best = (metric, String(words[0])) }
        }
        return best?.name
    }

    /// /proc/net/ipv6_route: destination, its length, source, its length, next hop, metric, references, use,
    /// flags, interface; all in hex.
    static func defaultRoute6(_ table: String) -> String? {
        var best: (metric: UInt32, name: String)?
        for line in table.split(separator: "\n") {
            let words = line.split(separator: " ")
            guard words.count >= 10, words[0].allSatisfy({ $0 == "0" }), words[1] == "00", words[9] != "lo",
                let flags = UInt32(words[8], radix: 16), flags & up != 0, flags & reject == 0, let metric = UInt32(words[5], radix: 16)
            else { continue }
            if best.map({ metric < $0.metric }) ?? true { best = (metric, String(words[9])) }
        }
        return best?.name
    }

    /// All that there are.
    static func names() -> [String] { ((try? links()) ?? []).map(\.name) }

    /// Of a file of the kernel's; empty where it cannot be read.
    static func text(_ path: String) -> String {
        var out: [UInt8] = []
        guard let file = try? Descriptor.open(path, flags: O_RDONLY) else { return "" }
        while let part = try? file.read(1 << 16), !part.isEmpty { out += part }
        return String(decoding: out, as: UTF8.self)
    }

    /// All there are, in the kernel's order. Throws rather than leave one out that is there.
    static func links() throws(SystemError) -> [Link] {
        var list: UnsafeMutablePointer<if_nameindex>?
        unsafe list = if_nameindex()
        guard let start = unsafe list else { throw SystemError("if_nameindex", code: errno) }
        defer { unsafe if_freenameindex(start) }
        var out: [Link] = []
        var at = 0
        while let text = unsafe start[at].if_name {
            let name = unsafe String(cString: text)
            let index = unsafe start[at].if_index
            at += 1
            var flags: UInt32 = 0
            var driver = [CChar](repeating: 0, count: 32)
            guard unsafe sensor_interface(name, &flags, &driver) == 0 else {
                if errno == ENODEV { continue }  // gone meanwhile
                throw SystemError("flags of interface \(name)", code: errno)
            }
            let isBridgePort = unsafe access("/sys/class/net/\(name)/brport", F_OK) == 0
            out.append(
                Link(
                    name: name, index: index, isUp: flags & 0x1 != 0, isLoopback: flags & 0x8 != 0,
                    isMember: isBridgePort || flags & 0x800 != 0, isVeth: string(in: driver) == "veth"))
        }
        return out
    }
}
