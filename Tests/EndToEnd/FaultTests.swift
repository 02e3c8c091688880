import Glibc
import Linux
import Spool
import Supervisor
import Testing

extension EndToEnd {
    @Suite(.serialized) struct FaultTests {
        private func count(_ words: String, in text: String) -> Int { text.split(separator: "\n").count { $0.contains(words) } }

        @Test("the server stopped for a minute: everything is kept, one line each for going and coming, then everything is there once")
        func serverStopped() throws {
            let lab = try Lab()
            try lab.authorize()
            try lab.startServer()
            let sensor = try lab.startSensor()
            try lab.sendPackets(2000, perSecond: 2000)
            try waitUntil(10, "the first file") { !lab.delivered.isEmpty }
            lab.stopServer()
            let generator = try lab.sendPacketsInBackground(62_000, perSecond: 1000)
            usleep(60_000_000)
            #expect(lab.waiting.count > 10)
            #expect(count("everything is kept, trying again", in: sensor.output) <= 2, "lost, then refused: \(sensor.output)")
            try lab.startServer()
            try generator.waitForEnd(within: 20)
            try waitUntil(90, "delivery; \(sensor.output)") { lab.waiting.count <= 1 && lab.delivered.count > 15 }
            try lab.waitForLast(61_999, sensor)
            sensor.end(SIGTERM)
            #expect(count("takes files again", in: sensor.output) == 1)
            let box = try DropBoxContents(lab.drop)
            #expect(box.faults == [])
            // The second generator begins its numbers anew.
            let numbers = box.numbers.map(\.number)
            #expect(numbers.count == 64_000)
            #expect(Set(numbers).count == 62_000)
        }

        @Test("the network cut in the middle of an upload: nothing is torn, doubled or lost")
        func networkCut() throws {
            let lab = try Lab()
            try lab.authorize()
            try lab.startServer()
            let sensor = try lab.startSensor(["PCAP_FILE_SIZE": "3", "SCP_RATE": "300K"])
            try lab.sendPackets(3000, perSecond: 1500, size: 1000)
            try waitUntil(15, "an upload under way") { try DropBoxContents(lab.drop).hidden.contains { $0.hasSuffix(".part") } }
            try lab.cutNetwork()
            usleep(12_000_000)
            try lab.mendNetwork()
            try waitUntil(90, "delivery; \(sensor.output)") { lab.waiting.isEmpty && !lab.delivered.isEmpty }
            try lab.waitForLast(2999, sensor)
            let ended = sensor.end(SIGTERM)
            #expect(ended.status == .code(0))
            let box = try DropBoxContents(lab.drop)
            #expect(box.faults == [])
            #expect(box.hidden == [])
            let (missing, twice) = box.check(3000)
            #expect(missing == [] && twice == [])
        }

        @Test("the target's disk is full: said once, nothing is lost, and it goes on when there is room")
        func targetFull() throws {
            let lab = try Lab()
            try lab.authorize()
            try runTool(["mount", "-t", "tmpfs", "-o", "size=1m,mode=777", "tmpfs", lab.drop])
            defer { _ = try? runTool(["umount", "-l", lab.drop]) }
            try lab.startServer()
            let sensor = try lab.startSensor()
            try lab.sendPackets(3000, perSecond: 1000, size: 1000)
            try waitUntil(20, "the full disk is said; \(sensor.output)") { sensor.output.contains("is full") }
            usleep(3_000_000)
            #expect(count("is full", in: sensor.output) == 1)
            #expect(!lab.waiting.isEmpty)
            try runTool(["mount", "-o", "remount,size=20m", lab.drop])
            try waitUntil(60, "delivery; \(sensor.output)") { lab.waiting.isEmpty }
            try lab.waitForLast(2999, sensor)
            sensor.end(SIGTERM)
            let box = try DropBoxContents(lab.drop)
            #expect(box.faults == [])
            let (missing, twice) = box.check(3000)
            #expect(missing == [] && twice == [])
        }

        @Test("the sensor's disk is full and the server away: capture goes on, each packet is delivered or counted as lost")
        func sensorFull() throws {
            let lab = try Lab()
            try lab.authorize()
            try runTool(["mkdir", "-p", lab.data + "/spool"])
            try runTool(["mount", "-t", "tmpfs", "-o", "size=2m,mode=755", "tmpfs", lab.data + "/spool"])
            defer { _ = try? runTool(["umount", "-l", lab.data + "/spool"]) }
            let sensor = try lab.startSensor(["SENSOR_SPOOL_FREE": "0", "PCAP_BPF_FILTER": "udp port 4242"])
            let sent = 6000
            try lab.sendPackets(sent, perSecond: 1000, size: 1000)
            usleep(1_500_000)
            #expect(sensor.output.contains("packets to the disk"))
            #expect(lab.sensorProcesses().count == 3)
            try lab.startServer()
            // Some more, so that the losses of the end have a file to stand in.
            try waitUntil(60, "delivery; \(sensor.output)") { lab.waiting.isEmpty }
            try lab.sendPackets(100, perSecond: 100)
            try lab.waitForLast(99, sensor)
            sensor.end(SIGTERM)
            let box = try DropBoxContents(lab.drop)
            #expect(box.faults == [])
            let lost = box.files.reduce(UInt64(0)) { $0 + ($1.manifest?.capture?.lostToDisk ?? 0) }
            let dropped = box.gaps.compactMap(\.lost).reduce(0, +)
            #expect(
                UInt64(box.numbers.count) + lost + dropped == UInt64(sent + 100),
                "there \(box.numbers.count), lost \(lost), dropped \(dropped)")
            #expect(lost > 0)
        }

        @Test("a disk that others have filled to the last byte is emptied by delivering")
        func filledByOthers() throws {
            let lab = try Lab()
            try runTool(["mkdir", "-p", lab.data])
            try runTool(["mount", "-t", "tmpfs", "-o", "size=4m,mode=755", "tmpfs", lab.data])
            defer { _ = try? runTool(["umount", "-l", lab.data]) }
            try lab.authorize()
            var sensor = try lab.startSensor()
            try lab.sendPackets(2000, perSecond: 1000, size: 200)
            usleep(1_300_000)
            sensor.end(SIGTERM)
            #expect(lab.waiting.count >= 2)
            try runTool(["dd", "if=/dev/zero", "of=\(lab.data)/filler", "bs=4k"], mayFail: true)
            let disk = try Directory(lab.data)
            #expect(DiskSpace(of: disk.number)?.free == 0)
            try lab.startServer()
            sensor = try lab.startSensor(waitForCapture: false)
            try waitUntil(30, "delivery; \(sensor.output)") { lab.waiting.isEmpty }
            sensor.end(SIGTERM)
            let box = try DropBoxContents(lab.drop)
            #expect(box.faults == [])
            #expect(box.check(2000).missing == [])
        }

        @Test("a budget drops the oldest, counts them, and leaves a gap record; the newest stays")
        func budget() throws {
            let lab = try Lab()
            try lab.authorize()
            let sensor = try lab.startSensor(["PCAP_FILE_ROTATE": "2", "PCAP_BPF_FILTER": "udp port 4242"])
            try lab.sendPackets(5000, perSecond: 1000)
            usleep(1_500_000)
            #expect(lab.waiting.count <= 2)
            #expect(sensor.output.contains("to keep the spool's budget"))
            try lab.startServer()
            try waitUntil(30, "delivery; \(sensor.output)") { lab.waiting.isEmpty }
            try lab.sendPackets(10, perSecond: 100)
            try lab.waitForLast(9, sensor)
            sensor.end(SIGTERM)
            let box = try DropBoxContents(lab.drop)
            #expect(box.faults == [])
            let dropped = box.gaps.filter { $0.reason.contains("budget") }
            #expect(!dropped.isEmpty)
            #expect(box.numbers.count + Int(dropped.compactMap(\.lost).reduce(0, +)) == 5010)
        }

        @Test("a missing directory at the target is said by name, and used when it is there")
        func directoryMissing() throws {
            let lab = try Lab()
            try lab.authorize()
            try lab.startServer()
            let sensor = try lab.startSensor(["SCP_TARGET": "nobody@\(Lab.boxAddress):\(lab.drop)/later"])
            try lab.sendPackets(100, perSecond: 100)
            try waitUntil(10, "it is said; \(sensor.output)") { sensor.output.contains(":\(lab.drop)/later does not exist") }
            try runTool(["mkdir", lab.drop + "/later"])
            try runTool(["chown", "nobody", lab.drop + "/later"])
            try waitUntil(20, "delivery; \(sensor.output)") { lab.waiting.isEmpty }
            try lab.waitForLast(99, sensor, in: lab.drop + "/later")
            sensor.end(SIGTERM)
            #expect(count("does not exist", in: sensor.output) >= 1)
            #expect(try DropBoxContents(lab.drop + "/later").check(100).missing == [])
        }

        @Test("a key that nobody has authorised: one line, and delivery within seconds of pasting it")
        func keyNotAuthorised() throws {
            let lab = try Lab()
            try write("", to: lab.root + "/authorized_keys")
            try lab.startServer()
            let sensor = try lab.startSensor()
            try lab.sendPackets(100, perSecond: 100)
            try waitUntil(10, "it is said; \(sensor.output)") { sensor.output.contains("refuses the key") }
            usleep(11_000_000)
            #expect(count("refuses the key", in: sensor.output) == 1)
            try lab.authorize()
            try waitUntil(20, "delivery; \(sensor.output)") { lab.waiting.isEmpty && !lab.delivered.isEmpty }
            try lab.waitForLast(99, sensor)
            sensor.end(SIGTERM)
            #expect(try DropBoxContents(lab.drop).check(100).missing == [])
        }

        @Test(
            "a changed host key is refused in clear words, whatever StrictHostKeyChecking says; nothing is sent", arguments: ["ask", "no"])
        func hostKeyChanged(strict: String) throws {
            let lab = try Lab()
            try lab.authorize()
            try lab.startServer()
            let arguments = "-P \(Lab.port) -o StrictHostKeyChecking=\(strict)"
            var sensor = try lab.startSensor(["SCP_ARGUMENTS": arguments])
            try lab.sendPackets(100, perSecond: 100)
            try waitUntil(10, "delivery; \(sensor.output)") { !lab.delivered.isEmpty }
            sensor.end(SIGTERM)
            #expect(sensor.output.contains("learned the host key"))
            let there = lab.delivered
            lab.stopServer()
            try runTool(["rm", "-f", lab.root + "/host_key", lab.root + "/host_key.pub"])
            try runTool(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", lab.root + "/host_key"])
            try lab.startServer()
            sensor = try lab.startSensor(["SCP_ARGUMENTS": arguments])
            try lab.sendPackets(100, perSecond: 100)
            try waitUntil(10, "it is said; \(sensor.output)") { sensor.output.contains("has CHANGED") }
            usleep(6_000_000)
            #expect(count("has CHANGED", in: sensor.output) == 1)
            #expect(lab.delivered == there)
            try runTool(["rm", lab.knownHosts])
            try waitUntil(30, "delivery; \(sensor.output)") { lab.waiting.isEmpty }
            sensor.end(SIGTERM)
        }

        @Test("ship --once: a name that is there with other content is kept on both sides, the others go, exit 1")
        func nameConflict() throws {
            let lab = try Lab()
            try lab.authorize()
            try lab.startServer()
            let spool = lab.root + "/spool"
            try runTool(["mkdir", spool])
            for name in ["a.pcap", "b name.pcap", "c.pcap"] { try write("content of \(name)", to: "\(spool)/\(name)") }
            try write("somebody else's", to: lab.drop + "/a.pcap")
            let command = lab.sensorCommand(["ship", "--once", "--spool", spool])
            let first = try runTool(command, environment: lab.environment(), mayFail: true)
            #expect(first.status == .code(1))
            #expect(first.output.contains("a.pcap is already at") && first.output.contains("other content"))
            #expect(try text(of: lab.drop + "/a.pcap") == "somebody else's")
            #expect(try text(of: spool + "/a.pcap") == "content of a.pcap")
            #expect(try text(of: lab.drop + "/b name.pcap") == "content of b name.pcap")
            #expect(try text(of: lab.drop + "/c.pcap") == "content of c.pcap")
            #expect(access(spool + "/c.pcap", F_OK) != 0)
            try runTool(["mv", lab.drop + "/a.pcap", lab.root + "/elsewhere"])
            let second = try runTool(command, environment: lab.environment(), mayFail: true)
            #expect(second.status == .code(0), "\(second.output)")
            #expect(try text(of: lab.drop + "/a.pcap") == "content of a.pcap")
        }

        @Test("a server that accepts and never answers: SIGTERM ends all within 8 s, exit 0, the last line counts what is left")
        func serverNeverAnswers() throws {
            let lab = try Lab()
            try lab.authorize()
            try lab.startServer()
            for pid in lab.processes(in: [lab.boxSpace]) { kill(pid, SIGSTOP) }
            let sensor = try lab.startSensor()
            try lab.sendPackets(500, perSecond: 500)
            usleep(2_000_000)
            let ended = sensor.end(SIGTERM)
            #expect(ended.status == .code(0))
            #expect(ended.seconds <= 8)
            #expect(sensor.output.split(separator: "\n").last?.contains("finished files are not yet delivered") == true, "\(sensor.output)")
            #expect(lab.sensorProcesses().isEmpty)
            #expect(!lab.waiting.isEmpty)
        }

        @Test("a second run is refused by name of the first's pid and exits 1")
        func secondRun() throws {
            let lab = try Lab()
            let sensor = try lab.startSensor()
            let second = try runTool(lab.sensorCommand(["run"]), environment: lab.environment(), mayFail: true)
            #expect(second.status == .code(1))
            #expect(second.output.contains("pid \(sensor.pid)"))
            #expect(!sensor.hasEnded)
            #expect(sensor.end(SIGINT).status == .code(0))
        }

        @Test("an interface that goes and comes back is recorded again, with a gap that says why")
        func interfaceGone() throws {
            let lab = try Lab()
            try lab.authorize()
            try lab.startServer()
            let sensor = try lab.startSensor(["PCAP_BPF_FILTER": "udp port 4242"])
            try lab.sendPackets(1500, perSecond: 1000)
            try lab.cutCable()
            try waitUntil(10, "its loss is said; \(sensor.output)") { sensor.output.contains("exit status 75") }
            usleep(2_000_000)
            try lab.connect()
            try waitUntil(20, "it is recorded again; \(sensor.output)") { count("capturing on", in: sensor.output) == 2 }
            try lab.sendPackets(100, perSecond: 100)
            try waitUntil(70, "delivery; \(sensor.output)") { lab.waiting.isEmpty && lab.delivered.count >= 2 }
            try lab.waitForLast(99, sensor)
            sensor.end(SIGTERM)
            let box = try DropBoxContents(lab.drop)
            #expect(box.faults == [])
            #expect(box.numbers.count == 1600)
            #expect(box.gaps.contains { $0.reason == "interface gone" && $0.lost == nil })
        }
    }
}
