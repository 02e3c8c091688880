import CLinux
import Glibc
import Linux

/// Notices an upload that would feed itself: it goes through a tunnel, and the tunnel's own packets are recorded too, where the
/// filter for the own upload cannot see into them.
public enum TunnelAdvice {
    /// What the kernel says of an interface.
    struct Link: Sendable, Equatable {
        /// ARPHRD_*, /sys/class/net/IF/type.
        var type: Int
        /// Of a tun or tap device.
        var hasTunFlags = false
        /// DEVTYPE of uevent.
        var deviceType = ""
        /// Newer kernels name the kind of a virtual link here.
        var driver = ""

        /// nil: no tunnel. ARPHRD_NONE alone says nothing: modems have it too.
        var tunnel: Tunnel? {
            if let tunnel = Tunnel(rawValue: deviceType) ?? Tunnel(rawValue: driver) { return tunnel }
            if hasTunFlags { return .tun }
            switch type {
            case 512: return .ppp
            case 768: return .ipip
            case 769: return .ip6tnl
            case 776: return .sit
            case 778: return .gre
            case 823: return .ip6gre
            default: return nil
            }
        }
    }

    enum Tunnel: String, Sendable, CaseIterable {
        case wireguard, tun, ppp, ipip, gre, gretap, sit, vti, vti6, xfrm, ip6tnl, ip6gre, ip6gretap, vxlan, geneve

        /// Leaves out the packets that carry it.
        var filter: String {
            switch self {
            case .wireguard: return "not (udp port 51820 and host PEER)"
            case .tun: return "not (udp port 1194 and host PEER)"
            case .ppp: return "not (pppoes and host TARGET)"
            case .ipip: return "not (ip proto 4 and host PEER)"
            case .gre, .gretap: return "not (ip proto 47 and host PEER)"
            case .sit: return "not (ip proto 41 and host PEER)"
            case .vti, .vti6, .xfrm: return "not ((ip proto 50 or ip6 proto 50 or udp port 4500) and host PEER)"
            case .ip6tnl: return "not ((ip6 proto 4 or ip6 proto 41) and host PEER)"
            case .ip6gre, .ip6gretap: return "not (ip6 proto 47 and host PEER)"
            case .vxlan: return "not (udp port 4789 and host PEER)"
            case .geneve: return "not (udp port 6081 and host PEER)"
            }
        }
    }

    /// One line, or nil. `addresses` are the target's, numeric, as the shipper announces them.
    public static func warning(addresses: [String], recorded: [String]) -> String? {
        for address in addresses {
            guard let way = interface(to: address), let tunnel = link(way).tunnel else { continue }
            let others = recorded.filter { link($0).type != loopback }
            if let line = line(address: address, way: way, tunnel: tunnel, recorded: others) { return line }
        }
        return nil
    }

    /// `recorded` without loopbacks: any other may carry the tunnel's packets, which only the peer's address would tell for sure.
    static func line(address: String, way: String, tunnel: Tunnel, recorded: [String]) -> String? {
        let others = recorded.filter { $0 != way }
        guard !others.isEmpty else { return nil }
        let names = others.joined(separator: ", ")
        return
            "the upload to \(address) goes through the tunnel \(way) (\(tunnel.rawValue)), whose packets may pass \(names), which is recorded: each upload would be recorded again inside them, and that uploaded, without end; record only the tunnel (PCAP_INTERFACE=\(way)), or leave its packets out with a filter such as `\(tunnel.filter)`, if yours does not do so already"
    }

    // MARK: asking

    private static let loopback = 772

    /// The interface by which packets to a numeric address leave; nil where there is no way.
    public static func interface(to address: String) -> String? {
        let parts = address.split(separator: "%", maxSplits: 1)
        // A zone is the interface, by name or by number.
        if parts.count == 2 {
            let zone = String(parts[1])
            guard let index = UInt32(zone) else { return zone }
            var name = [CChar](repeating: 0, count: Int(IF_NAMESIZE))
            return unsafe if_indextoname(index, &name) == nil ? nil : string(in: name)
        }
        var name = [CChar](repeating: 0, count: Int(IF_NAMESIZE))
        return unsafe sensor_route_interface(address, &name) == 0 ? string(in: name) : nil
    }

    static func link(_ interface: String) -> Link {
        let place = "/sys/class/net/\(interface)"
        var flags: UInt32 = 0
        var driver = [CChar](repeating: 0, count: 32)
        _ = unsafe sensor_interface(interface, &flags, &driver)
        let type = InterfaceChoice.text("\(place)/type").split(separator: "\n").first.flatMap { Int($0) } ?? 0
        return Link(
            type: type, hasTunFlags: !InterfaceChoice.text("\(place)/tun_flags").isEmpty,
            deviceType: deviceType(in: InterfaceChoice.text("\(place)/uevent")), driver: string(in: driver))
    }

    static func deviceType(in uevent: String) -> String {
        uevent.split(separator: "\n").first { $0.hasPrefix("DEVTYPE=") }.map { String($0.dropFirst("DEVTYPE=".count)) } ?? ""
    }
}
