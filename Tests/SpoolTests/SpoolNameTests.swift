import Spool
import Testing

struct SpoolNameTests {
    let name = SpoolName(sensor: "boogey", interface: "eth0", stamp: "20261125T051147Z", sequence: 42)

    @Test func `a file's names all come from one`() {
        #expect(name.pcap == "boogey@eth0-20261125T051147Z-0000000042.pcap")
        #expect(name.part == ".boogey@eth0-20261125T051147Z-0000000042.pcap.part")
        #expect(name.meta == ".boogey@eth0-20261125T051147Z-0000000042.pcap.meta")
        #expect(SpoolName.manifest(of: name.pcap) == "boogey@eth0-20261125T051147Z-0000000042.pcap.json")
        #expect(SpoolName.dropped(of: name.pcap) == ".boogey@eth0-20261125T051147Z-0000000042.pcap.dropped")
    }

    @Test func `a name is read back as it was, and a part's name leads to it`() {
        #expect(SpoolName(name.pcap) == name)
        #expect(SpoolName.ofPart(name.part) == name)
    }

    @Test(arguments: [
        ("eth0", "eth0"), ("a,b", "a%2Cb"), ("-G", "-G"), ("--", "--"), ("a-b-c", "a-b-c"), ("'\";", "%27%22%3B"), ("%", "%25"),
        ("%41", "%2541"),
        ("@", "%40"), ("é", "%C3%A9"), ("日本", "%E6%97%A5%E6%9C%AC"), ("a\u{1}\u{7f}\n", "a%01%7F%0A"), ("..x", "..x"), ("x.pcap", "x.pcap"),
        ("😀", "%F0%9F%98%80"), ("e\u{301}", "e%CC%81"), ("a*b?", "a%2Ab%3F"),
    ])
    func `any legal interface name becomes one safe path component and comes back`(interface: String, escaped: String) {
        #expect(SpoolName.escape(interface) == escaped)
        let name = SpoolName(sensor: "s-1.x_y", interface: interface, stamp: "20261125T051147Z", sequence: 7)
        #expect(name.interface == escaped)
        #expect(!name.pcap.contains("/"))
        #expect(name.pcap.utf8.allSatisfy { $0 > 32 && $0 < 127 })
        #expect(SpoolName(name.pcap) == name)
        #expect(SpoolName.ofPart(name.part) == name)
    }

    @Test(arguments: [
        "", ".pcap", "x.pcap", "@.pcap", "boogey@eth0.pcap", "boogey@eth0-20261125T051147Z.pcap",
        "boogey@eth0-20261125T051147Z-42.pcap", "boogey@eth0-20261125T051147Z-00000000042.pcap",
        "boogey@eth0-20261125T051147Z-+000000042.pcap", "boogey@eth0-20261125T051147Z-000000004２.pcap",
        "boogey@eth0-20261125T051147Z-0000000042.pcap.json", "boogey@eth0-20261125T051147Z-0000000042.pcap ",
        ".boogey@eth0-20261125T051147Z-0000000042.pcap", "@eth0-20261125T051147Z-0000000042.pcap",
        "boogey@-20261125T051147Z-0000000042.pcap", "boogey@eth0-20261125051147Z-0000000042.pcap",
        "boogey@eth0-20261125T051147-0000000042.pcap", "boogey@eth0-2026112xT051147Z-0000000042.pcap",
        "boogey@eth0-20261125T05:147Z-0000000042.pcap", "boogey@eth 0-20261125T051147Z-0000000042.pcap",
        "boogey@eth/0-20261125T051147Z-0000000042.pcap", "boogey@é-20261125T051147Z-0000000042.pcap",
        "boogey@a%2cb-20261125T051147Z-0000000042.pcap", "boogey@a%41b-20261125T051147Z-0000000042.pcap",
        "boogey@a%2-20261125T051147Z-0000000042.pcap", "boogey@%-20261125T051147Z-0000000042.pcap",
        "boo gey@eth0-20261125T051147Z-0000000042.pcap", "boo\ngey@eth0-20261125T051147Z-0000000042.pcap",
        "a@b@eth0-20261125T051147Z-0000000042.pcap", "boogey@eth0-20261125T051147Z-0000000042.PCAP",
        "../boogey@eth0-20261125T051147Z-0000000042.pcap",
    ])
    func `what is not exactly such a name is none`(file: String) {
        #expect(SpoolName(file) == nil)
    }

    @Test(arguments: [
        "", ".part", ".x.part", "boogey@eth0-20261125T051147Z-0000000042.pcap.part", ".boogey@eth0-20261125T051147Z-0000000042.pcap",
    ])
    func `what is not exactly a part's name is none`(file: String) {
        #expect(SpoolName.ofPart(file) == nil)
    }

    @Test func `order within an interface is the number, never the stamp`() {
        let names = [9, 10, 11, 100].map { number in
            SpoolName(sensor: "s", interface: "eth0", stamp: "2026112\(number % 10)T000000Z", sequence: UInt64(number))
        }
        #expect(names.shuffled().sorted() == names)
        #expect(SpoolName(sensor: "s", interface: "a", stamp: "20261125T000000Z", sequence: 9) < names[0])
        #expect(SpoolName(sensor: "r", interface: "z", stamp: "20261125T000000Z", sequence: 9) < names[0])
    }

    @Test func `random names come back as they were`() {
        var random = SplitMix(state: 1)
        for _ in 0..<5_000 {
            let bytes = (0..<Int.random(in: 1...15, using: &random)).map { _ in UInt8.random(in: 1...255, using: &random) }
            let sensor = (0..<Int.random(in: 1...64, using: &random)).map { _ in "abcXYZ019-_".randomElement(using: &random)! }
            let name = SpoolName(
                sensor: String(sensor), interface: String(decoding: bytes, as: UTF8.self), stamp: "20261125T051147Z",
                sequence: .random(in: 0...9_999_999_999, using: &random))
            guard SpoolName(name.pcap) == name, SpoolName.ofPart(name.part) == name else {
                Issue.record("\(name.pcap)")
                return
            }
        }
    }

    @Test func `garbage never crashes, and what is read prints as it was`() {
        var random = SplitMix(state: 2)
        let pieces = [
            "s", "@", "eth0", "-", "20261125T051147Z", "0000000042", ".pcap", ".part", ".", "%2C", "%", "é", "\u{301}", "/", "\n", "9", "T",
            "Z",
        ]
        var read = 0
        for _ in 0..<100_000 {
            var text = (0..<Int.random(in: 0...9, using: &random)).map { _ in pieces.randomElement(using: &random)! }.joined()
            // Half of them near a real name, or hardly any would be one.
            if Bool.random(using: &random) {
                text = "s@" + text + "-20261125T051147Z-0000000042.pcap"
            }
            _ = SpoolName.ofPart(text)
            guard let name = SpoolName(text) else { continue }
            read += 1
            guard Array(name.pcap.utf8) == Array(text.utf8), SpoolName(name.pcap) == name else {
                Issue.record("\(text)")
                return
            }
        }
        #expect(read > 1000)
    }
}
