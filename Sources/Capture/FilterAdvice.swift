import CPcap

/// Notices a filter that throws away a whole service: `not port 22`, meant for the sensor's own upload, makes everybody's SSH
/// invisible.
///
/// Decided by what the compiled program does with packets, not by its text: a service is thrown away when between hosts that have
/// nothing to do with each other its packets are refused, and equal ones of an unrelated port are recorded.
public enum FilterAdvice {
    struct Service: Sendable, Equatable {
        var name: String
        var transport: ProbePacket.Transport
        var port: UInt16

        var description: String { "\(name) (\(transport == .tcp ? "TCP" : "UDP") port \(port))" }
        var filter: String { "\(transport) port \(port)" }
    }

    /// What becomes of a service.
    struct Loss: Sendable, Equatable {
        var service: Service
        /// IPv4, IPv6.
        var families: [String]
        /// Only the packets in one direction are refused.
        var isHalf: Bool
        /// Recorded all the same where the frame carries a tag; nil where other tagged packets are refused too.
        var isRecordedTagged: Bool?
    }

    static let services = [
        Service(name: "SSH", transport: .tcp, port: 22), Service(name: "FTP", transport: .tcp, port: 21),
        Service(name: "Telnet", transport: .tcp, port: 23), Service(name: "SMTP", transport: .tcp, port: 25),
        Service(name: "DNS", transport: .udp, port: 53), Service(name: "HTTP", transport: .tcp, port: 80),
        Service(name: "NTP", transport: .udp, port: 123), Service(name: "IMAP", transport: .tcp, port: 143),
        Service(name: "LDAP", transport: .tcp, port: 389), Service(name: "HTTPS", transport: .tcp, port: 443),
        Service(name: "QUIC", transport: .udp, port: 443), Service(name: "SMB", transport: .tcp, port: 445),
        Service(name: "IMAPS", transport: .tcp, port: 993), Service(name: "MySQL", transport: .tcp, port: 3306),
        Service(name: "RDP", transport: .tcp, port: 3389), Service(name: "PostgreSQL", transport: .tcp, port: 5432),
    ]

    /// One line, or nil. `uploadPort` is the target's; `linktype` is Ethernet's (1), or for interfaces without a link header that
    /// of raw IP (12, or 101 in files); of others nothing is said.
    public static func warning(for text: String, uploadPort: UInt16 = 22, linktype: Int32 = 1) -> String? {
        let hasEthernet = linktype == DLT_EN10MB
        guard hasEthernet || linktype == DLT_RAW || linktype == 101,
            let dead = unsafe pcap_open_dead(hasEthernet ? DLT_EN10MB : DLT_RAW, PcapFilterLimits.snaplen)
        else { return nil }
        defer { unsafe pcap_close(dead) }
        guard let program = try? unsafe PcapFilter.compile(text, on: dead) else { return nil }
        return line(losses(of: program, uploadPort: uploadPort, hasEthernet: hasEthernet), uploadPort: uploadPort)
    }

    // MARK: probing

    /// Of private and public networks: a filter about one host or net does not touch them all.
    private static let pairs: [(family: String, pairs: [ProbePacket.Pair])] = [
        (
            "IPv4",
            [
                .init(client: [198, 51, 100, 77], server: [203, 0, 113, 141]),
                .init(client: [10, 173, 94, 21], server: [10, 38, 211, 160]),
                .init(client: [192, 168, 147, 83], server: [93, 184, 215, 14]),
                .init(client: [185, 17, 66, 9], server: [172, 22, 59, 134]),
            ]
        ),
        (
            "IPv6",
            [
                .init(client: six(0x2001, 0xdb8, 0x7a, 0x77), server: six(0x2a02, 0x2e0, 0x3fe, 0x141)),
                .init(client: six(0xfd4c, 0x91, 0x5, 0x21), server: six(0xfd0a, 0x38, 0x211, 0x160)),
                .init(client: six(0x2606, 0x2800, 0x220, 0x9), server: six(0xfd4c, 0x59, 0x6, 0x134)),
            ]
        ),
    ]
    private static func six(_ a: UInt16, _ b: UInt16, _ c: UInt16, _ last: UInt16) -> [UInt8] {
        [a, b, c, 1, 0, 0, 0, last].flatMap { [UInt8($0 >> 8), UInt8($0 & 0xff)] }
    }
    private static let clientPort: UInt16 = 49_777
    /// Of no service.
    private static let unrelatedPorts: [UInt16] = [47_813, 8_731, 2_917]

    static func losses(of program: FilterProgram, uploadPort: UInt16, hasEthernet: Bool) -> [Loss] {
        for isOutgoing in [false, true] {
            let found = losses(of: FilterProbe(program, hasEthernet: hasEthernet, isOutgoing: isOutgoing), uploadPort: uploadPort)
            if !found.isEmpty { return found }
        }
        return []
    }

    private static func losses(of probe: FilterProbe, uploadPort: UInt16) -> [Loss] {
        var probe = probe
        var all = services
        if !all.contains(where: { $0.transport == .tcp && $0.port == uploadPort }) {
            all.append(Service(name: "the target's service", transport: .tcp, port: uploadPort))
        }
        return all.compactMap { service in
            var families: [String] = []
            var isHalf = true
            var tagged: Bool?
            for (family, pairs) in pairs {
                let directions = [false, true].map { answer in
                    fate(of: service, among: pairs, isAnswer: answer, tags: 0, &probe)
                }
                guard directions.contains(.refused) else { continue }
                families.append(family)
                if !directions.contains(.recorded) { isHalf = false }
                guard probe.hasEthernet else { continue }
                switch fate(of: service, among: pairs, isAnswer: directions[0] != .refused, tags: 1, &probe) {
                case .recorded: tagged = true
                case .refused: tagged = tagged ?? false
                case .unknown: break
                }
            }
            return families.isEmpty ? nil : Loss(service: service, families: families, isHalf: isHalf, isRecordedTagged: tagged)
        }
    }

    private enum Fate { case recorded, refused, unknown }

    /// Of the pairs whose other packets are recorded: whether this service's are, for any of them.
    private static func fate(
        of service: Service, among pairs: [ProbePacket.Pair], isAnswer: Bool, tags: Int, _ probe: inout FilterProbe
    ) -> Fate {
        var fate = Fate.unknown
        for pair in pairs {
            var packet = ProbePacket(
                transport: service.transport, pair: pair, clientPort: clientPort, serverPort: 0, isAnswer: isAnswer, tags: tags)
            let isOtherwiseRecorded = unrelatedPorts.contains { port in
                packet.serverPort = port
                return probe.accepts(packet)
            }
            guard isOtherwiseRecorded else { continue }
            packet.serverPort = service.port
            if probe.accepts(packet) { return .recorded }
            fate = .refused
        }
        return fate
    }

    // MARK: words

    static func line(_ losses: [Loss], uploadPort: UInt16) -> String? {
        guard let first = losses.first else { return nil }
        let lost = losses.map { loss in
            (loss.isHalf ? "one direction of " : "") + loss.service.description
                + (loss.families.count == 1 ? " over \(loss.families[0])" : "")
        }
        var out = "the filter throws away \(lost.joined(separator: ", ")) of everybody, an attacker's too"
        switch first.isRecordedTagged {
        case true?: out += " (and yet not in all VLAN tags: of tagged frames it sees only incoming ones with a single tag)"
        case false?: out += " (inside a VLAN tag as well)"
        case nil: break
        }
        if let upload = losses.first(where: { $0.service.transport == .tcp && $0.service.port == uploadPort }) {
            out +=
                "; if the sensor's own upload is meant, no filter is needed: PCAP_EXCLUDE_SHIPPING=yes leaves out exactly that; or write `not (\(upload.service.filter) and host TARGET)`"
        } else {
            out += "; if only some hosts' are meant, name them: `not (\(first.service.filter) and host HOST)`"
        }
        return out
    }
}
