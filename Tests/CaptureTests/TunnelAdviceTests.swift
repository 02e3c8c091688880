import Testing

@testable import Capture

/// An upload that would record itself through a tunnel is noticed.
struct TunnelAdviceTests {
    @Test(
        arguments: [
            (.init(type: 1), nil), (.init(type: 1, driver: "virtio_net"), nil), (.init(type: 1, deviceType: "bridge"), nil),
            (.init(type: 772), nil), (.init(type: 0), nil),
            // A modem that speaks bare IP.
            (.init(type: 65534, deviceType: "wwan", driver: "qmi_wwan"), nil), (.init(type: 65534), nil),
            (.init(type: 65534, hasTunFlags: true, driver: "tun"), .tun), (.init(type: 65534, hasTunFlags: true), .tun),
            (.init(type: 1, hasTunFlags: true), .tun), (.init(type: 65534, deviceType: "wireguard"), .wireguard),
            (.init(type: 65534, deviceType: "wireguard", driver: "wireguard"), .wireguard), (.init(type: 65534, driver: "xfrm"), .xfrm),
            (.init(type: 512, deviceType: "ppp"), .ppp), (.init(type: 512), .ppp), (.init(type: 768), .ipip),
            (.init(type: 768, driver: "vti"), .vti), (.init(type: 769), .ip6tnl), (.init(type: 776), .sit), (.init(type: 778), .gre),
            (.init(type: 823), .ip6gre), (.init(type: 1, driver: "gretap"), .gretap), (.init(type: 1, deviceType: "vxlan"), .vxlan),
        ] as [(TunnelAdvice.Link, TunnelAdvice.Tunnel?)])
    func `what is a tunnel`(link: TunnelAdvice.Link, tunnel: TunnelAdvice.Tunnel?) { #expect(link.tunnel == tunnel) }

    @Test(
        arguments: [
            ([], false), (["wg0"], false), (["eth0"], true), (["eth0", "wg0"], true), (["wg0", "eth0", "eth1"], true),
        ] as [([String], Bool)])
    func `only where something beside the tunnel is recorded there is a warning`(recorded: [String], isWarned: Bool) {
        let line = TunnelAdvice.line(address: "10.9.0.1", way: "wg0", tunnel: .wireguard, recorded: recorded)
        #expect((line != nil) == isWarned)
        #expect(line?.contains("\n") != true)
    }

    @Test func `the warning says what happens and what to do`() {
        #expect(
            TunnelAdvice.line(address: "10.9.0.1", way: "wg0", tunnel: .wireguard, recorded: ["eth0", "wg0"])
                == "the upload to 10.9.0.1 goes through the tunnel wg0 (wireguard), whose packets may pass eth0, which is recorded: each upload would be recorded again inside them, and that uploaded, without end; record only the tunnel (PCAP_INTERFACE=wg0), or leave its packets out with a filter such as `not (udp port 51820 and host PEER)`, if yours does not do so already"
        )
    }

    @Test(arguments: TunnelAdvice.Tunnel.allCases)
    func `the filters that it names compile`(tunnel: TunnelAdvice.Tunnel) {
        let text = tunnel.filter.replacing("PEER", with: "192.0.2.1").replacing("TARGET", with: "192.0.2.1")
        let problem = PcapFilter.problem(in: text)
        #expect(problem == nil)
    }

    @Test func `uevent's device type is read, or there is none`() {
        #expect(TunnelAdvice.deviceType(in: "DEVTYPE=wireguard\nINTERFACE=wg0\nIFINDEX=5\n") == "wireguard")
        #expect(TunnelAdvice.deviceType(in: "INTERFACE=eth0\nIFINDEX=4\n") == "")
        #expect(TunnelAdvice.deviceType(in: "") == "")
    }

    @Test(
        arguments: [
            ("127.0.0.1", "lo"), ("fe80::1%lo", "lo"), ("fe80::1%1", "lo"), ("192.0.2.300", nil), ("", nil), ("name.example", nil),
            ("fe80::1%4000000", nil),
        ] as [(String, String?)])
    func `the way to an address is the kernel's`(address: String, interface: String?) {
        #expect(TunnelAdvice.interface(to: address) == interface)
    }

    @Test func `the loopback is no tunnel, and neither is what is not there`() {
        #expect(TunnelAdvice.link("lo").tunnel == nil)
        #expect(TunnelAdvice.link("no-such-if0").tunnel == nil)
        #expect(TunnelAdvice.warning(addresses: ["127.0.0.1", "nonsense"], recorded: ["eth0"]) == nil)
    }
}
