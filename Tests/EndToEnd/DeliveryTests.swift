import Evidence
import Glibc
import Linux
import Spool
import Supervisor
import Testing

/// One lab at a time: what is measured here is the sensor, not two of them on two cores.
@Suite(.serialized, .enabled(if: Needs.missing == nil, "\(Needs.missing ?? "")")) enum EndToEnd {}

extension EndToEnd {
    @Suite(.serialized) struct DeliveryTests {
        @Test("every packet is at the drop box exactly once, in whole records, and the spool is empty")
        func everyPacketOnce() throws {
            let lab = try Lab()
            try lab.authorize()
            try lab.startServer()
            let sensor = try lab.startSensor()
            let count = 20_000
            try lab.sendPackets(count, perSecond: 5000, size: 200)
            try lab.waitForLast(count - 1, sensor)
            let ended = sensor.end(SIGTERM)
            #expect(ended.status == .code(0))
            #expect(ended.seconds < 8)
            let box = try DropBoxContents(lab.drop)
            #expect(box.faults == [])
            let (missing, twice) = box.check(count)
            #expect(missing == [] && twice == [])
            #expect(box.files.count >= 3, "rotation each second")
            #expect(box.hidden == [])
            #expect(lab.waiting == [])
            #expect(box.gaps == [])
            #expect(sensor.output.contains("every finished file is delivered"))
            for file in box.files {
                #expect(file.manifest?.sha256 == FileDigest.hex(FileDigest.of(try bytes(of: "\(lab.drop)/\(file.name)"))))
                let windows = Set(file.numbers.map { $0.at / 1_000_000 })
                #expect(windows.count <= 1, "a file holds one second of the clock: \(file.name) \(windows)")
            }
            // The upload itself, with its fixed source ports, is left out; other packets of the server are not.
            #expect(lab.processes(in: [lab.sensorSpace]) == [])
            print(
                "sent \(count), delivered \(box.numbers.count) of them in \(box.files.count) files, missing \(missing.count), twice \(twice.count)"
            )
        }

        @Test("a stop right after the last packet: its file is finished and delivered before the end")
        func stopDelivers() throws {
            let lab = try Lab()
            try lab.authorize()
            try lab.startServer()
            for run in 1...4 {
                let sensor = try lab.startSensor()
                try lab.sendPackets(100, perSecond: 2000)
                let ended = sensor.end(SIGTERM)
                #expect(ended.status == .code(0))
                #expect(lab.waiting == [], "run \(run): \(sensor.output)")
                #expect(try DropBoxContents(lab.drop).numbers.count == 100 * run)
            }
        }

        @Test("the lines are supervisord's, the key block comes first")
        func lines() throws {
            let lab = try Lab()
            let sensor = try lab.startSensor(["SENSOR_USER": "root"])
            usleep(1_300_000)
            sensor.end(SIGTERM)
            let lines = sensor.output.split(separator: "\n").map(String.init)
            try #require(lines.count > 8)
            #expect(lines[0] == "Please use this key to allow PCAP files transfert via scp:")
            #expect(lines[1] == "--- Cut Here ---" && lines[3] == "--- Cut Here ---")
            #expect(lines[2].hasPrefix("ssh-ed25519 AAAA") && lines[2].hasSuffix(" root@lab"))
            let stamp = #/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} /#
            #expect(lines.dropFirst(4).allSatisfy { $0.firstMatch(of: stamp) != nil }, "\(sensor.output)")
            let bare = lines.dropFirst(4).map { $0.replacing(stamp, with: "") }
            #expect(bare.first == "CRIT Supervisor running as root (no user in config file)")
            for line in [
                "INFO supervisord started with pid \(sensor.pid)",
                "WARN received SIGTERM indicating exit request",
                "INFO waiting for pcap_capture_\(lab.interface), pcap_ship to die",
                "INFO stopped: pcap_capture_\(lab.interface) (exit status 0)",
                "INFO success: pcap_ship entered RUNNING state, process has stayed up for > than 1 seconds (startsecs)",
            ] { #expect(bare.contains(line), "\(line) in \(sensor.output)") }
            #expect(bare.contains { $0.firstMatch(of: #/^INFO spawned: 'pcap_ship' with pid \d+$/#) != nil })
        }

        @Test("JSON: each line is an object, the key block too")
        func json() throws {
            let lab = try Lab()
            let sensor = try lab.startSensor(["SENSOR_LOG": "json"], waitForCapture: true)
            sensor.end(SIGTERM)
            struct Line: Decodable {
                let time: String, level: String, event: String, message: String
                let program: String?
                let pid: Int?
                let key: String?
            }
            let lines = sensor.output.split(separator: "\n")
            let decoded = lines.compactMap { JSONFile.decode(Line.self, from: Array($0.utf8)) }
            #expect(decoded.count == lines.count && lines.count > 5, "\(sensor.output)")
            #expect(decoded.first?.event == "key_created" && decoded.first?.key?.hasPrefix("ssh-ed25519 ") == true)
            #expect(decoded.contains { $0.event == "spawned" && $0.program == "pcap_ship" && $0.pid != nil })
            #expect(decoded.contains { $0.event == "capturing" && $0.program == "pcap_capture_\(lab.interface)" })
        }

        @Test(
            "real captures replayed arrive packet by packet",
            .enabled(if: Replay.directory != nil, "needs the captures beside the project and tcpreplay"))
        func replay() throws {
            let lab = try Lab()
            try lab.authorize()
            try lab.startServer()
            let sensor = try lab.startSensor(["PCAP_FILE_SIZE": "2"])
            var sent = 0
            for file in try Replay.files() { sent += try lab.replay(file) }
            #expect(sent > 1000)
            try waitUntil(60, "all at the drop box; \(sensor.output)") {
                (try? DropBoxContents(lab.drop))?.files.reduce(0) { $0 + $1.records } ?? 0 >= sent
            }
            sensor.end(SIGTERM)
            let box = try DropBoxContents(lab.drop)
            #expect(box.faults == [])
            let dropped = box.files.reduce(UInt64(0)) { $0 + ($1.manifest?.capture?.droppedByKernel ?? 0) }
            #expect(dropped == 0)
            #expect(box.files.reduce(0) { $0 + $1.records } >= sent)
            #expect(box.files.allSatisfy { $0.manifest?.capture?.linktype == 1 })
            print(
                "replayed \(sent) packets of \(try Replay.files().count) captures, delivered \(box.files.reduce(0) { $0 + $1.records }) in \(box.files.count) files"
            )
        }

        @Test("without a filter of the own upload the sensor records it; with one it records nothing of it, and other SSH stays")
        func ownUpload() throws {
            let lab = try Lab()
            try lab.authorize()
            try lab.startServer()
            let sensor = try lab.startSensor(["PCAP_FILE_SIZE": "1"])
            // Somebody else's SSH to the same server and port.
            for _ in 0..<5 {
                try runTool(
                    [
                        "ip", "netns", "exec", lab.sensorSpace, "ssh", "-p", "\(Lab.port)", "-o", "BatchMode=yes", "-o",
                        "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "nobody@\(Lab.boxAddress)",
                    ],
                    mayFail: true)
                try lab.sendPackets(200, perSecond: 1000)
                usleep(500_000)
            }
            try waitUntil(10, "files") { lab.delivered.count >= 2 }
            sensor.end(SIGTERM)
            let (own, others) = try lab.sshPackets()
            #expect(own == 0)
            #expect(others > 50)
        }

        @Test("a local directory as target, by the same steps")
        func localDirectory() throws {
            let lab = try Lab()
            let sensor = try lab.startSensor(["SCP_TARGET": lab.drop, "SCP_ARGUMENTS": ""])
            try lab.sendPackets(3000, perSecond: 3000)
            try waitUntil(10, "the operator's fault is said; \(sensor.output)") {
                sensor.output.contains("neither a mount point nor holds a file .sensor-target")
            }
            #expect(lab.delivered == [])
            try write("", to: lab.drop + "/.sensor-target")
            try waitUntil(30, "delivery; \(sensor.output)") { lab.waiting.isEmpty && !lab.delivered.isEmpty }
            try lab.waitForLast(2999, sensor)
            sensor.end(SIGTERM)
            let box = try DropBoxContents(lab.drop)
            #expect(box.faults == [])
            let (missing, twice) = box.check(3000)
            #expect(missing == [] && twice == [])
        }

        @Test("an idle link: no empty file, and the last packet's file is finished when its window is over")
        func idle() throws {
            let lab = try Lab()
            try lab.authorize()
            try lab.startServer()
            let sensor = try lab.startSensor(["PCAP_FILE_SIZE": "2", "PCAP_BPF_FILTER": "udp port 4242"])
            // All in one window.
            while WallTime.now().microseconds % 2_000_000 > 1_000_000 { usleep(20_000) }
            try lab.sendPackets(3, perSecond: 100)
            try waitUntil(6, "the file is delivered though nothing follows; \(sensor.output)") { lab.delivered.count == 1 }
            usleep(4_000_000)
            #expect(lab.delivered.count == 1)
            let ended = sensor.end(SIGTERM)
            #expect(ended.status == .code(0) && ended.seconds < 8)
            print("idle: ended after \(ended.seconds) s")
            #expect(try DropBoxContents(lab.drop).check(3).missing == [])
        }
    }
}

/// Real captures, where they lie beside the project.
enum Replay {
    static let directory: String? = {
        let path = String(#filePath.prefix { _ in true }).replacing("/Tests/EndToEnd/DeliveryTests.swift", with: "/../shared/pcaps")
        return access(path, R_OK) == 0 && access("/usr/bin/tcpreplay", X_OK) == 0 ? path : nil
    }()
    /// Those whose link is Ethernet, as the veth pair's is.
    static func files() throws -> [String] {
        guard let directory else { return [] }
        return try Directory(directory).names().sorted().map { "\(directory)/\($0)" }.filter { path in
            guard let head = try? Descriptor.open(path, flags: O_RDONLY).read(24), head.count == 24 else { return false }
            let little = head[0] == 0xd4 && head[1] == 0xc3
            let big = head[0] == 0xa1 && head[1] == 0xb2
            return little ? head[20] == 1 : big ? head[23] == 1 : false
        }
    }
}

extension Lab {
    /// Sends a capture from the box's side; returns how many packets left.
    func replay(_ file: String) throws -> Int {
        let result = try runTool(
            [
                "ip", "netns", "exec", boxSpace, "tcpreplay", "--intf1=\(interface.replacing("cap", with: "box"))", "--mbps=50",
                "--limit=5000", file,
            ], mayFail: true)
        let line = result.output.split(separator: "\n").first { $0.contains("Successful packets:") }
        return line.flatMap { $0.split { !$0.isNumber }.first }.flatMap { Int($0) } ?? 0
    }

    /// TCP packets of the drop box's port in the drop box: with one of the shipper's ports, and the rest.
    func sshPackets() throws -> (own: Int, others: Int) {
        var (own, others) = (0, 0)
        for name in delivered {
            let all = try bytes(of: "\(drop)/\(name)")
            var at = 24
            while at + 16 <= all.count {
                let captured = Int(all[at + 8]) | Int(all[at + 9]) << 8 | Int(all[at + 10]) << 16
                let frame = at + 16
                if captured >= 54, all[frame + 12] == 8, all[frame + 13] == 0, all[frame + 23] == 6 {
                    let ports = [Int(all[frame + 34]) << 8 | Int(all[frame + 35]), Int(all[frame + 36]) << 8 | Int(all[frame + 37])]
                    if ports.contains(Lab.port) {
                        if ports.contains(where: { (60872...60887).contains($0) }) { own += 1 } else { others += 1 }
                    }
                }
                at += 16 + captured
            }
        }
        return (own, others)
    }
}
