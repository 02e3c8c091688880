import Testing

@testable import Capture

/// The sensor's own upload is left out and nothing else, whatever the user's filter is.
struct FilterTests {
    static let own: ClosedRange<UInt16> = 60872...60887
    static let me = (four: "198.51.100.5", six: "2001:db8::5")
    static let target = (four: "192.0.2.9", six: "2001:db8:9::9")
    static let tagStacks: [[UInt16]] = [[], [0x8100], [0x88a8, 0x8100], [0x8100, 0x8100], [0x8100, 0x8100, 0x8100]]

    static func upload(_ tags: [UInt16]) -> [Frame] {
        [(me.four, target.four), (me.six, target.six)].flatMap { me, target in
            [60872, 60880, 60887].flatMap { port in
                [
                    Frame(.tcp, from: me, port, to: target, 22, tags: tags), Frame(.tcp, from: target, 22, to: me, port, tags: tags),
                ]
            }
        }
    }
    static func others(_ tags: [UInt16]) -> [Frame] {
        [(me.four, target.four), (me.six, target.six)].flatMap { me, target in
            let stranger = me.contains(":") ? "2001:db8:7::7" : "203.0.113.7"
            return [
                // somebody's ssh to the same server, from another port
                Frame(.tcp, from: me, 40_000, to: target, 22, tags: tags), Frame(.tcp, from: target, 22, to: me, 40_000, tags: tags),
                Frame(.tcp, from: stranger, 60_871, to: target, 22, tags: tags),
                Frame(.tcp, from: stranger, 60_888, to: target, 22, tags: tags),
                // one of our ports, another server or another service
                Frame(.tcp, from: me, 60_880, to: stranger, 22, tags: tags), Frame(.tcp, from: me, 60_880, to: target, 2222, tags: tags),
                // the ports on the wrong sides
                Frame(.tcp, from: me, 22, to: target, 60_880, tags: tags), Frame(.tcp, from: target, 60_880, to: me, 22, tags: tags),
                // not TCP
                Frame(.udp, from: me, 60_880, to: target, 22, tags: tags),
                Frame(.udp, from: me, 5353, to: stranger, 53, tags: tags), Frame(.udp, from: stranger, 53, to: me, 5353, tags: tags),
                Frame(.tcp, from: me, 50_000, to: stranger, 80, tags: tags), Frame(.tcp, from: me, 50_000, to: stranger, 22, tags: tags),
                Frame(.tcp, from: me, 50_000, to: stranger, 443, tags: tags, payload: 900),
            ]
        } + [Frame(etherType: 0x0806, tags: tags), Frame(etherType: 0x88cc, tags: tags)]
    }
    static let frames = tagStacks.flatMap { upload($0) + others($0) }

    static func exclusion(tagged: Bool, port: UInt16 = 22) -> String {
        OwnUpload.expression(addresses: [target.four, target.six], port: port, sources: own, tagged: tagged)!
    }

    // MARK: the exclusion by itself

    @Test(arguments: tagStacks.filter { $0.count <= 2 })
    func `the upload is recognised both ways, in IPv4 and IPv6, in up to two tags`(tags: [UInt16]) throws {
        let program = try Machine.compile(Self.exclusion(tagged: true))
        for frame in Self.upload(tags) { #expect(Machine.run(program, frame) != 0, "\(frame)") }
    }

    @Test(arguments: tagStacks)
    func `nobody else's packet is taken for the upload`(tags: [UInt16]) throws {
        for tagged in [true, false] {
            let program = try Machine.compile(Self.exclusion(tagged: tagged))
            for frame in Self.others(tags) { #expect(Machine.run(program, frame) == 0, "\(frame)") }
        }
    }

    @Test func `without tags on the link only the plain frame is looked for`() throws {
        let program = try Machine.compile(Self.exclusion(tagged: false))
        for frame in Self.upload([]) { #expect(Machine.run(program, frame) != 0, "\(frame)") }
        for frame in Self.upload([0x8100]) { #expect(Machine.run(program, frame) == 0, "\(frame)") }
    }

    @Test func `no address is no exclusion`() {
        #expect(OwnUpload.expression(addresses: [], port: 22, sources: Self.own, tagged: true) == nil)
    }

    @Test func `a zone is no part of an address in a filter`() throws {
        let text = try #require(OwnUpload.expression(addresses: ["fe80::9%eth0"], port: 22, sources: 1...2, tagged: false))
        #expect(
            text
                == "(tcp and ip6[6] = 6 and ((dst host fe80::9 and dst port 22 and src portrange 1-2) or (src host fe80::9 and src port 22 and dst portrange 1-2)))"
        )
        #expect(try Machine.run(Machine.compile(text), Frame(.tcp, from: "fe80::5", 2, to: "fe80::9", 22)) != 0)
    }

    @Test(arguments: ["", "%eth0"])
    func `an address that is none makes a text that does not compile, not a crash`(address: String) throws {
        let text = try #require(OwnUpload.expression(addresses: [address], port: 22, sources: 1...2, tagged: false))
        #expect(PcapFilter.problem(in: text) != nil)
    }

    // MARK: joined

    static let x = exclusion(tagged: false)
    static let userFilters: [String] = [
        "", "not port 22", "tcp port 22", "not (port 22 or (vlan and port 22))", "port 22 or (vlan and port 22)", "vlan", "not vlan",
        "vlan and vlan", "ip6", "ip or (vlan and ip)", "udp port 53 or tcp port 80", "len > 100", "tcp[13] & 8 != 0",
        "arp or (vlan and arp)",
        "host 192.0.2.9", "ether[12:2] = 0x8100",
        // Text that holds both: right or wrong in itself, it must mean the same when it is joined.
        "not (\(x) or (vlan and \(x))) and (udp port 53 or tcp port 80)", "(udp port 53 or tcp port 80) and not (\(x) or (vlan and \(x)))",
        long(hosts: 400), "not (\(long(hosts: 300)))", long(hosts: 300) + " or (vlan and udp port 53)",
    ]
    /// So many alternatives that jumps are longer than the 255 instructions a conditional one can reach.
    static func long(hosts: Int) -> String {
        (0..<hosts).map { "host 10.\($0 / 200).\($0 % 200).1" }.joined(separator: " or ") + " or host 203.0.113.7"
    }
    static let exclusions: [String] = [
        exclusion(tagged: true), exclusion(tagged: false), "vlan", "ip", "tcp",
        OwnUpload.expression(
            addresses: (1...60).map { "10.9.0.\($0)" } + [target.four, target.six], port: 22, sources: own, tagged: true)!,
    ]

    static let compiled = Result { try exclusions.map { ($0, try Machine.compile($0)) } }

    @Test(arguments: userFilters)
    func `joined programs pass what the user's passes and the exclusion does not`(text: String) throws {
        let wanted = try Machine.compile(text)
        for (excludedText, excluded) in try Self.compiled.get() {
            let joined = wanted.without(excluded)
            #expect(joined.instructions.count == wanted.instructions.count + excluded.instructions.count)
            #expect(Machine.isValid(joined))
            for frame in Self.frames {
                let right = Machine.run(excluded, frame) == 0 ? Machine.run(wanted, frame) : 0
                #expect(Machine.run(joined, frame) == right, "\(frame), without \(excludedText.prefix(40))")
            }
        }
    }

    @Test func `the long filters do jump farther than 255`() throws {
        for text in [Self.long(hosts: 400), Self.exclusions.last!] {
            #expect(try Machine.compile(text).instructions.contains { $0.code == FilterProgram.jumpAlways && $0.k > 255 })
        }
    }

    @Test(arguments: tagStacks.filter { $0.count <= 2 })
    func `DNS and the web are recorded beside the upload, tagged or not`(tags: [UInt16]) throws {
        let user = "udp port 53 or tcp port 80"
        let wanted = try Machine.compile("\(user) or (vlan and (\(user) or (vlan and (\(user)))))")
        let joined = wanted.without(try Machine.compile(Self.exclusion(tagged: true)))
        #expect(Machine.run(joined, Frame(.udp, from: Self.me.four, 5353, to: "203.0.113.7", 53, tags: tags)) != 0)
        #expect(Machine.run(joined, Frame(.tcp, from: Self.me.six, 5353, to: "2001:db8:7::7", 80, tags: tags)) != 0)
        for frame in Self.upload(tags) { #expect(Machine.run(joined, frame) == 0, "\(frame)") }
    }

    @Test func `an upload to port 80 is left out of a filter for port 80`() throws {
        let joined = try Machine.compile("tcp port 80").without(Machine.compile(Self.exclusion(tagged: true, port: 80)))
        #expect(Machine.run(joined, Frame(.tcp, from: Self.me.four, 60_880, to: Self.target.four, 80)) == 0)
        #expect(Machine.run(joined, Frame(.tcp, from: Self.me.four, 40_000, to: Self.target.four, 80)) != 0)
    }

    @Test func `without a user's filter all but the upload is recorded`() throws {
        let joined = FilterProgram.everything(snaplen: 262_144).without(try Machine.compile(Self.exclusion(tagged: true)))
        for tags in Self.tagStacks where tags.count <= 2 {
            for frame in Self.others(tags) { #expect(Machine.run(joined, frame) == 262_144, "\(frame)") }
            for frame in Self.upload(tags) { #expect(Machine.run(joined, frame) == 0, "\(frame)") }
        }
    }

    @Test func `nothing passes the program that passes nothing`() {
        #expect(Machine.isValid(.nothing))
        for frame in Self.frames { #expect(Machine.run(.nothing, frame) == 0) }
    }

    // MARK: the user's text

    @Test(arguments: ["", "not port 22 and not port 1194", "vlan and ip6", "ether host 02:00:00:00:00:01", "len > 100"])
    func `a filter that is right has no problem`(text: String) {
        #expect(PcapFilter.problem(in: text) == nil)
    }

    @Test(arguments: [
        ("not prot 22", "syntax error"), ("port", "syntax error"), ("(tcp", "syntax error"), ("\"not port 22\"", "syntax error"),
        ("port 70000", "illegal port number 70000 > 65535"), ("host 300.1.1.1", "300.1.1.1"), ("tcp port nosuchservice", "nosuchservice"),
        ("net 10.0.0.1/33", "mask length must be <= 32"),
    ])
    func `what is wrong with a filter is said in libpcap's words`(text: String, words: String) {
        let problem = PcapFilter.problem(in: text)
        #expect(problem?.contains(words) == true, "\(problem ?? "none")")
    }
}

@Test func `a filter that the kernel has no room for is refused with both numbers`() throws {
    let values = (0..<2400).map { "ip[12:4] = \($0)" }.joined(separator: " or ")
    let problem = try #require(PcapFilter.problem(in: values))
    #expect(problem.hasPrefix("it takes "))
    #expect(problem.hasSuffix("the kernel has room for 3584"))
}
