import Glibc
import Linux
import Testing

@testable import Spool

@Suite struct ShipStatusTests {
    static let now = WallTime(iso: "2026-11-25T12:00:00.000000Z")!
    private static func iso(_ seconds: Int64) -> String { WallTime(microseconds: now.microseconds + seconds * 1_000_000).iso }

    private static func status(_ change: (inout ShipStatus) -> Void = { _ in }) -> ShipStatus {
        var status = ShipStatus(target: "boogey@box:/pcap", updatedAt: iso(-5), nextWithin: 10)
        change(&status)
        return status
    }

    static let table: [(ShipStatus, [String])] = [
        (status(), ["nothing waits", "target boogey@box:/pcap"]),
        (
            status {
                $0.waitingFiles = 52
                $0.waitingBytes = 3_328_599_655
                $0.secondsToClear = 7800
                $0.streams = 4
                $0.deliveredPerSecond = 1 << 20
                $0.arrivingPerSecond = 512 << 10
                $0.underWay = [.init(file: "s@eth0-20261125T115900Z-0000000001.pcap", done: 50, size: 200)]
            },
            [
                "52 files, 3.1G waiting, clears in 2 h 10", "target boogey@box:/pcap, 4 streams", "delivers 1.0M/s, arriving 512.0K/s",
                "s@eth0-20261125T115900Z-0000000001.pcap 25% of 200 B",
            ]
        ),
        (
            status {
                $0.waitingFiles = 1
                $0.waitingBytes = 100
                $0.outrunsUplink = true
                $0.deliveredPerSecond = 10
            },
            ["1 file, 100 B waiting, traffic outruns the uplink", "target boogey@box:/pcap", "delivers 10 B/s, arriving unknown"]
        ),
        (
            status {
                $0.waitingFiles = 2
                $0.waitingBytes = 2048
                $0.secondsToClear = 5
                $0.keptFiles = 1
                $0.fault = .init(kind: "operators", text: "disk of box is full", since: iso(-720), nextTry: iso(40))
            },
            [
                "2 files, 2.0K waiting, nothing gets through", "target boogey@box:/pcap",
                "1 file kept back, each for a reason of its own: see file_kept in the log",
                "needs you for 12 min: disk of box is full; next try in 40 s",
            ]
        ),
        (
            status {
                $0.fault = .init(kind: "loginRefused", text: "box refuses the key", since: iso(-1), nextTry: nil)
            }, ["nothing waits", "target boogey@box:/pcap", "login refused for 1 s: box refuses the key"]
        ),
        (
            status {
                $0.waitingFiles = 3
                $0.waitingBytes = 3
                $0.closedUntil = iso(36_000)
                $0.fault = .init(kind: "passing", text: "x", since: "never", nextTry: "soon")
            }, ["3 files, 3 B waiting, closed for another 10 h 00 (SCP_HOURS)", "target boogey@box:/pcap", "fault that may pass: x"]
        ),
        (
            status { $0.updatedAt = iso(-720) },
            [
                "ship.status cannot be relied on: it is 12 min old: the shipper does not run, or hangs", "nothing waits",
                "target boogey@box:/pcap",
            ]
        ),
    ]

    @Test("the lines say what is known", arguments: table)
    func lines(status: ShipStatus, lines: [String]) { #expect(status.lines(at: Self.now) == lines) }

    @Test(
        "what is old, from the future or no time is doubted",
        arguments: [
            (-5, nil), (-40, nil), (-41, "41 s old"), (-90_000, "1 d 1 h old"), (30, nil), (31, "31 s in the future"),
            (90_000, "in the future"),
        ] as [(Int64, String?)])
    func doubt(age: Int64, words: String?) {
        let doubt = Self.status { $0.updatedAt = Self.iso(age) }.doubt(at: Self.now)
        if let words { #expect(doubt?.contains(words) == true, "\(doubt ?? "")") } else { #expect(doubt == nil) }
        #expect(Self.status { $0.updatedAt = "x" }.doubt(at: Self.now) != nil)
    }

    @Test("a status that is written is read again, and a reader never sees a part")
    func written() throws {
        let scratch = try Scratch()
        let directory = try Directory(scratch.path)
        for (status, _) in Self.table {
            try status.write(in: directory)
            #expect(JSONFile.read(ShipStatus.self, ShipStatus.file, in: directory) == status)
        }
        #expect(try directory.names() == [ShipStatus.file])
    }

    @Test(
        "spans are written as people say them",
        arguments: [
            (-3, "0 s"), (0, "0 s"), (59, "59 s"), (60, "1 min"), (89, "1 min"), (90, "2 min"), (3569, "59 min"), (3570, "1 h 00"),
            (7800, "2 h 10"),
            (86_369, "23 h 59"), (86_370, "1 d"), (90_000, "1 d 1 h"), (604_800, "7 d"),
        ] as [(Int64, String)])
    func spans(seconds: Int64, words: String) { #expect(readable(seconds: seconds) == words) }
}

@Suite struct SensorFactsTests {
    static let now = ShipStatusTests.now

    @Test("a data directory that is not there is said to be so")
    func missing() {
        let facts = SensorFacts.read(dataDirectory: "/nowhere/at/all", at: Self.now)
        #expect(facts.shipping == nil && facts.spool == nil && facts.capture.isEmpty)
        let lines = facts.lines(at: Self.now)
        #expect(lines.count == 2)
        #expect(lines[0].hasPrefix("shipping: unknown: ") && lines[0].contains("No such file"))
        #expect(lines[1] == "spool: cannot be read")
    }

    @Test("a shipper that has said nothing, or something else, is said to be so")
    func silent() throws {
        let scratch = try Scratch()
        let state = try Directory(scratch.path + "/state", create: true)
        _ = try Directory(scratch.path + "/spool", create: true)
        var facts = SensorFacts.read(dataDirectory: scratch.path, at: Self.now)
        #expect(facts.lines(at: Self.now)[0] == "shipping: unknown: the shipper has not said anything yet")
        for bytes in ["", "{}", "{\"target\":7}", "\u{0}"] {
            try state.replace(ShipStatus.file, with: Array(bytes.utf8))
            facts = SensorFacts.read(dataDirectory: scratch.path, at: Self.now)
            #expect(facts.shippingDoubt == "ship.status is of another version, or damaged")
        }
    }

    @Test("interfaces, losses, gaps and the spool are told")
    func all() throws {
        let scratch = try Scratch()
        let state = try Directory(scratch.path + "/state", create: true)
        let spool = try Directory(scratch.path + "/spool", create: true)
        let hour = WallTime(microseconds: Self.now.microseconds - 3_600_000_000).iso
        try JSONFile.write(InterfaceState(next: 7, activity: .capturing, at: hour), InterfaceState.file(of: "eth0"), in: state)
        try JSONFile.write(
            InterfaceState(next: 2, activity: .interfaceGone, at: hour), InterfaceState.file(of: SpoolName.escape("a@b")), in: state)
        try JSONFile.write(InterfaceState(next: 1), InterfaceState.file(of: "tun0"), in: state)
        try JSONFile.write(Gap(from: hour, to: hour, reason: "stopped", lost: nil), "gap-eth0@1-2.json", in: state)
        try state.replace("capture-bad.json", with: [1, 2, 3])
        for sequence in 1...3 as ClosedRange<UInt64> {
            let name = SpoolName(sensor: "s", interface: "eth0", stamp: "20261125T110000Z", sequence: sequence)
            try spool.replace(name.pcap, with: [UInt8](repeating: 0, count: 100))
            var facts = CaptureFacts(
                sensor: "s", interface: "eth0", series: "x", sequence: sequence, linktype: 1, snaplen: 0, opened: hour)
            facts.droppedByKernel = sequence == 3 ? nil : sequence * 10
            facts.lostToDisk = 1
            try JSONFile.write(facts, name.meta, in: spool)
        }
        try spool.replace(".s@eth0-20261125T110000Z-0000000004.pcap.part", with: [1])
        try spool.replace("other.pcap", with: [1, 2])
        try ShipStatus(target: "t", updatedAt: Self.now.iso, nextWithin: 10).write(in: state)

        let facts = SensorFacts.read(dataDirectory: scratch.path, at: Self.now)
        #expect(facts.shippingDoubt == nil && facts.shipping?.target == "t")
        #expect(facts.spool?.files == 4 && facts.spool?.bytes == 302)
        #expect((facts.spool?.diskTotal ?? 0) > 0)
        let lines = facts.lines(at: Self.now)
        #expect(lines.contains("capture eth0: recording, 33 packets lost in the newest files that wait, 1 gap for the next manifest"))
        #expect(lines.contains("capture a@b: the interface is gone for 1 h 00"))
        #expect(lines.contains("capture tun0: has recorded nothing yet"))
        #expect(lines.last?.hasPrefix("spool: 4 files, 302 B; ") == true)
        #expect(JSONFile.decode(SensorFacts.self, from: JSONFile.encode(facts)) == facts)
    }
}
