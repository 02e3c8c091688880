import Events
import Glibc
import Linux
import Testing

struct LogFaceTests {
    /// 2018-01-12 09:55:11.037999 UTC
    let time = WallTime(microseconds: 1_515_750_911_037_999)
    let event = Event(
        .info, "spawned", "spawned: 'pcap_ship' with pid 17", ["program": .text("pcap_ship"), "pid": .number(17), "code": .none])

    /// The C library's own local time as a witness.
    func local(_ time: WallTime) -> String {
        var seconds = time_t(time.seconds)
        var parts = tm()
        localtime_r(&seconds, &parts)
        var text = [CChar](repeating: 0, count: 64)
        strftime(&text, text.count, "%Y-%m-%d %H:%M:%S", &parts)
        return string(in: text)
    }

    @Test func `the stamp is local time with milliseconds cut, not rounded`() {
        #expect(time.local == local(time) + ",037")
        #expect(WallTime(microseconds: 1_515_750_911_000_999).local.hasSuffix(",000"))
        #expect(WallTime(microseconds: -1).local == local(WallTime(microseconds: -1_000_000)) + ",999")
    }

    @Test func `the supervisor's own line`() {
        #expect(LogFace.text.line(event, at: time) == "\(time.local) INFO spawned: 'pcap_ship' with pid 17\n")
        #expect(
            LogFace.json.line(event, at: time)
                == #"{"time":"2018-01-12T09:55:11.037999Z","level":"INFO","event":"spawned","program":"pcap_ship","pid":17,"code":null,"message":"spawned: 'pcap_ship' with pid 17"}"#
                + "\n")
    }

    @Test func `a line on a program's behalf bears its name`() {
        let event = Event(.warn, "output", "odd")
        #expect(LogFace.text.line(event, at: time, program: "a") == "\(time.local) WARN a: odd\n")
        #expect(
            LogFace.json.line(event, at: time, program: "a")
                == #"{"time":"2018-01-12T09:55:11.037999Z","program":"a","level":"WARN","event":"output","message":"odd"}"# + "\n")
    }

    @Test(arguments: Level.allCases)
    func `a worker's line comes out stamped, with its level and name`(level: Level) {
        let said = Event(level, "finished", "finished x.pcap packets=3", ["file": .text("x.pcap"), "packets": .number(3)])
        let text = LogFace.text.workerLine(said)
        #expect(text == "\(level.rawValue) finished x.pcap packets=3\n")
        #expect(
            LogFace.text.stamp(String(text.dropLast()), from: "pcap_capture_eth0", at: time)
                == "\(time.local) \(level.rawValue) pcap_capture_eth0: finished x.pcap packets=3\n")
        let json = LogFace.json.workerLine(said)
        #expect(
            json
                == "{\"level\":\"\(level.rawValue)\",\"event\":\"finished\",\"file\":\"x.pcap\",\"packets\":3,\"message\":\"finished x.pcap packets=3\"}\n"
        )
        #expect(
            LogFace.json.stamp(String(json.dropLast()), from: "pcap_capture_eth0", at: time)
                == "{\"time\":\"\(time.iso)\",\"program\":\"pcap_capture_eth0\",\(json.dropFirst())")
    }

    @Test(arguments: ["Fatal error: x", "", "INFOx", "info x", "INFO", " INFO x", "{\"level\":\"INFO\""])
    func `what is no worker's line becomes a sentence at INFO`(line: String) {
        #expect(LogFace.text.stamp(line, from: "p", at: time) == "\(time.local) INFO p: \(line)\n")
        #expect(
            LogFace.json.stamp(line, from: "p", at: time)
                == "{\"time\":\"\(time.iso)\",\"program\":\"p\",\"level\":\"INFO\",\"event\":\"output\",\"message\":\(quoted(line))}\n")
    }

    static let hostile = [
        "a\n2018-01-12 09:55:11,037 CRIT all is lost", "a\r\nb", "a\u{0}b", "a\u{1b}[2Jb", "a\u{7f}b", "a\u{9b}2Jb", "a\u{85}b", "a\tb",
    ]

    @Test(arguments: hostile)
    func `control characters cannot forge a line, in either face`(text: String) {
        let event = Event(.info, text, text, ["x": .text(text)])
        let lines = [
            LogFace.text.line(event, at: time), LogFace.json.line(event, at: time), LogFace.text.line(event, at: time, program: text),
            LogFace.json.line(event, at: time, program: text), LogFace.text.workerLine(event), LogFace.json.workerLine(event),
            LogFace.text.stamp(text, from: text, at: time), LogFace.json.stamp(text, from: text, at: time),
            LogFace.json.stamp("{\"level\":\"INFO\",\(text)}", from: "p", at: time),
        ]
        for line in lines {
            #expect(line.hasSuffix("\n"))
            let controls = line.dropLast().unicodeScalars.filter { $0.value < 32 || (127..<160).contains($0.value) }
            #expect(controls.isEmpty, "\(line.debugDescription)")
        }
    }

    @Test func `control characters are shown by their number`() {
        #expect(printable("a\nb\u{1b}c\u{7f}\u{9b}é€") == "a\\x0ab\\x1bc\\x7f\\x9bé€")
    }

    @Test func `a JSON string escapes what RFC 8259 asks for`() {
        #expect(quoted("\"\\/\n\r\t\u{8}\u{c}\u{1}\u{1f}é€😀") == #""\"\\/\n\r\t\u0008\u000c\u0001\u001fé€😀""#)
        #expect(quoted("") == "\"\"")
        // A combining mark after a quote makes one Character of both: scalars decide, not Characters.
        #expect(quoted("\"\u{301}") == "\"\\\"\u{301}\"")
    }

    @Test func `UTC stamps of files and JSON`() {
        #expect(time.stamp == "20180112T095511Z")
        #expect(time.iso == "2018-01-12T09:55:11.037999Z")
        #expect(WallTime(microseconds: 0).stamp == "19700101T000000Z")
        #expect(WallTime(microseconds: -1).iso == "1969-12-31T23:59:59.999999Z")
        #expect(WallTime(microseconds: 951_782_400_000_000).stamp == "20000229T000000Z")
    }
}
