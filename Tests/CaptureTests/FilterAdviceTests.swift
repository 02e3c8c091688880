import Testing

@testable import Capture

/// A filter that makes a whole service invisible is noticed by what it does, and one that only looks so is not.
struct FilterAdviceTests {
    static func lost(_ text: String, uploadPort: UInt16 = 22) throws -> [FilterAdvice.Loss] {
        FilterAdvice.losses(of: try Machine.compile(text), uploadPort: uploadPort, hasEthernet: true)
    }

    @Test(
        arguments: [
            ("not port 22", ["SSH"]), ("not tcp port 22", ["SSH"]), ("!(port 22)", ["SSH"]), ("not port ssh", ["SSH"]),
            ("port not 22", ["SSH"]), ("tcp and not port 22", ["SSH"]), ("not port 22 and not host 10.0.0.1", ["SSH"]),
            ("not (port 22 or port 3389)", ["SSH", "RDP"]), ("not port 53", ["DNS"]), ("not udp port 53", ["DNS"]),
            ("not port 443", ["HTTPS", "QUIC"]), ("not tcp port 443", ["HTTPS"]), ("not port 25 and not arp", ["SMTP"]),
            ("not (port 22 or (vlan and port 22))", ["SSH"]), ("not (tcp and (src port 22 or dst port 22))", ["SSH"]),
            ("tcp[0:2] != 22 and tcp[2:2] != 22 or not tcp", ["SSH"]), ("net 10.0.0.0/8 and not port 22", ["SSH"]),
            ("not portrange 20-25", ["SSH", "FTP", "Telnet", "SMTP"]), ("ip and not port 80", ["HTTP"]), ("not port 2222", []),
            ("inbound and not port 22", ["SSH"]), ("outbound and not port 80", ["HTTP"]),
        ] as [(String, [String])])
    func `a service that is thrown away is named`(text: String, services: [String]) throws {
        #expect(try Self.lost(text).map(\.service.name) == services)
    }

    @Test(arguments: [
        "", "port 53", "tcp", "udp", "tcp port 22", "not (port 22 and host 10.0.0.1)", "not (tcp port 22 and net 10.0.0.0/8)",
        "not (port 22 and (host 10.0.0.1 or host 10.0.0.2))", "not host 10.0.0.1", "port 80 or port 443", "ip6", "arp", "len > 100",
        "not (tcp port 22 and host 192.0.2.9) and not arp", "tcp[tcpflags] & tcp-syn != 0", "not port 40000", "not udp port 22",
        "host 192.0.2.9", "not net 10.0.0.0/8", "vlan and tcp", "portrange 0-1023", "not (src port 22 and src host 10.0.0.1)",
        "inbound", "outbound and port 80",
    ])
    func `a filter that only looks so is left alone`(text: String) throws {
        #expect(try Self.lost(text).isEmpty, "\(text)")
        #expect(FilterAdvice.warning(for: text) == nil)
    }

    @Test func `the port of the target counts, whichever it is`() throws {
        #expect(try Self.lost("not port 2222", uploadPort: 2222).map(\.service.port) == [2222])
        #expect(FilterAdvice.warning(for: "not port 2222", uploadPort: 2222)?.contains("PCAP_EXCLUDE_SHIPPING=yes") == true)
        #expect(FilterAdvice.warning(for: "not port 22", uploadPort: 2222)?.contains("PCAP_EXCLUDE_SHIPPING") == false)
    }

    @Test(
        arguments: [
            ("not port 22", ["IPv4", "IPv6"], false, true), ("not (ip and tcp port 22)", ["IPv4"], false, true),
            ("ip6 and not port 22", ["IPv6"], false, nil), ("not dst port 22", ["IPv4", "IPv6"], true, true),
            ("not src port 22", ["IPv4", "IPv6"], true, true), ("not (port 22 or (vlan and port 22))", ["IPv4", "IPv6"], false, false),
        ] as [(String, [String], Bool, Bool?)])
    func `how much of it is lost is known`(text: String, families: [String], isHalf: Bool, isRecordedTagged: Bool?) throws {
        let loss = try #require(try Self.lost(text).first)
        #expect(loss.families == families)
        #expect(loss.isHalf == isHalf)
        #expect(loss.isRecordedTagged == isRecordedTagged)
    }

    @Test(
        arguments: [
            (
                "not port 22",
                "the filter throws away SSH (TCP port 22) of everybody, an attacker's too (and yet not in all VLAN tags: of tagged frames it sees only incoming ones with a single tag); if the sensor's own upload is meant, no filter is needed: PCAP_EXCLUDE_SHIPPING=yes leaves out exactly that; or write `not (tcp port 22 and host TARGET)`"
            ),
            (
                "ip and not udp dst port 53",
                "the filter throws away one direction of DNS (UDP port 53) over IPv4 of everybody, an attacker's too; if only some hosts' are meant, name them: `not (udp port 53 and host HOST)`"
            ),
        ])
    func `the warning says what is lost and what to write instead`(text: String, warning: String) {
        #expect(FilterAdvice.warning(for: text) == warning)
    }

    @Test func `an interface without a link header is probed without one`() {
        #expect(FilterAdvice.warning(for: "not port 22", linktype: 101)?.contains("SSH") == true)
        #expect(FilterAdvice.warning(for: "not port 22", linktype: 101)?.contains("VLAN") == false)
        #expect(FilterAdvice.warning(for: "not port 22", linktype: 113) == nil)
    }

    @Test func `a filter that does not compile is somebody else's to tell`() { #expect(FilterAdvice.warning(for: "not prot 22") == nil) }
}
