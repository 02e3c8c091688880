import Spool
import Testing

struct JSONTests {
    static func facts(full: Bool) -> CaptureFacts {
        var facts = CaptureFacts(
            sensor: "boogey", interface: "a,\"b\"\\é", series: "s1", sequence: 9_999_999_999, linktype: 1, snaplen: 262_144,
            opened: "2026-11-25T05:11:47.000123Z")
        if full {
            facts.filter = "not port 22\nand \"x\" \u{1}😀"
            facts.excluded = "tcp port 22"
            facts.finished = "2026-11-25T05:12:00.000000Z"
            facts.first = facts.opened
            facts.last = facts.finished
            facts.written = .max
            facts.received = 2
            facts.droppedByKernel = 3
            facts.droppedByInterface = 4
            facts.lostToDisk = 5
            facts.cut = 6
            facts.recovered = true
            facts.tell([Gap(from: "a", to: "b", reason: "killed", lost: nil), Gap(from: "c", to: "d", reason: "dropped", lost: 7)])
        }
        return facts
    }

    @Test(arguments: [true, false])
    func `facts and manifests come back as they were`(full: Bool) {
        let facts = Self.facts(full: full)
        #expect(JSONFile.decode(CaptureFacts.self, from: JSONFile.encode(facts)) == facts)
        for capture in [facts, nil] {
            let manifest = Manifest(file: "x.pcap", size: Int64.max, sha256: "00ff", capture: capture)
            #expect(JSONFile.decode(Manifest.self, from: JSONFile.encode(manifest)) == manifest)
        }
        let target = TargetAddresses(addresses: ["192.0.2.1", "fe80::1%eth0"], port: 22)
        #expect(JSONFile.decode(TargetAddresses.self, from: JSONFile.encode(target)) == target)
    }

    @Test func `the same value is the same bytes, with sorted keys and an end of line`() {
        let manifest = Manifest(file: "a/b.pcap", size: 24, sha256: "00", capture: nil)
        #expect(
            String(decoding: JSONFile.encode(manifest), as: UTF8.self) == """
                {
                  "capture" : null,
                  "file" : "a/b.pcap",
                  "format" : 1,
                  "sha256" : "00",
                  "size" : 24
                }

                """)
        #expect(JSONFile.encode(Self.facts(full: true)) == JSONFile.encode(Self.facts(full: true)))
    }

    @Test func `what nobody knows is null, not left out`() {
        let facts = String(decoding: JSONFile.encode(Self.facts(full: false)), as: UTF8.self)
        for name in [
            "filter", "excluded", "finished", "first", "last", "written", "received", "droppedByKernel", "droppedByInterface", "lostToDisk",
            "cut",
        ] {
            #expect(facts.contains("\"\(name)\" : null"), "\(name)")
        }
        #expect(
            String(decoding: JSONFile.encode(Gap(from: "a", to: "b", reason: "c", lost: nil)), as: UTF8.self).contains("\"lost\" : null"))
    }

    @Test(arguments: [
        "", "{", "[]", "null", "{\"file\":1}", "\u{0}\u{0}\u{0}\u{0}", "{\"format\":1,\"file\":\"x\",\"size\":\"24\",\"sha256\":\"\"}",
    ])
    func `what is no such value is nil, not a crash`(text: String) {
        #expect(JSONFile.decode(Manifest.self, from: Array(text.utf8)) == nil)
    }

    @Test func `fields of a later version are passed over`() {
        let text = "{\"file\":\"x\",\"format\":2,\"later\":[1],\"sha256\":\"\",\"size\":0}"
        #expect(JSONFile.decode(Manifest.self, from: Array(text.utf8))?.format == 2)
    }
}
