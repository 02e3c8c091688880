import Glibc
import Linux
import Spool
import Supervisor
import Testing

extension EndToEnd {
    @Suite(.serialized) struct PrivilegeTests {
        private func uids(_ lab: Lab) -> Set<String> {
            Set(
                lab.sensorProcesses().compactMap { process in
                    (try? text(of: "/proc/\(process.pid)/status"))?.split(separator: "\n").first { $0.hasPrefix("Uid:") }.map(String.init)
                })
        }

        @Test("started as root with SENSOR_USER, everything is that user, and records and delivers")
        func namedUser() throws {
            let lab = try Lab()
            try lab.authorize()
            try lab.startServer()
            try write("not the sensor's", to: lab.data + "/other")
            // A second name of a file that is somebody else's.
            try write("somebody's", to: lab.root + "/elsewhere")
            try runTool(["mkdir", "-p", "-m", "750", lab.data + "/spool"])
            #expect(link(lab.root + "/elsewhere", lab.data + "/spool/linked") == 0)
            let sensor = try lab.startSensor(["SENSOR_USER": "nobody"])
            try lab.sendPackets(1000, perSecond: 2000)
            #expect(uids(lab) == ["Uid:\t65534\t65534\t65534\t65534"])
            try lab.waitForLast(999, sensor)
            sensor.end(SIGTERM)
            #expect(sensor.output.contains("Set uid to user 65534 succeeded"))
            #expect(!sensor.output.contains("CRIT"))
            let box = try DropBoxContents(lab.drop)
            #expect(box.faults == [])
            #expect(box.check(1000).missing == [])
            #expect(try Directory(lab.data).status("other")?.owner == 0, "what else lies there is left alone")
            #expect(try Directory(lab.root).status("elsewhere")?.owner == 0, "a second name of another's file is left alone")
            for (name, mode) in [("id_ed25519", 0o600), ("spool", 0o750), ("state", 0o750)] {
                let status = try #require(try Directory(lab.data).status(name))
                #expect(status.owner == 65534 && status.mode & 0o7777 == mode, "\(name)")
            }
        }

        @Test(
            "a user without any capability but a permitted NET_RAW in the file, as Docker leaves it",
            .enabled(if: access("/usr/sbin/setcap", X_OK) == 0 || access("/sbin/setcap", X_OK) == 0, "needs setcap"))
        func fileCapability() throws {
            let lab = try Lab()
            let binary = lab.root + "/sensor"
            try runTool(["cp", Lab.sensorBinary, binary])
            try runTool(["setcap", "cap_net_raw+p", binary])
            try runTool(["mkdir", lab.data])
            try runTool(["chown", "12345:12345", lab.data])
            let restricted = [
                "/usr/sbin/ip", "netns", "exec", lab.sensorSpace, "setpriv", "--reuid=12345", "--regid=12345", "--clear-groups",
                "--inh-caps=-all", "--bounding-set=-all,+net_raw",
            ]
            let line = try runTool(restricted + [binary, "print-key", "--authorized-keys", lab.drop], environment: lab.environment()).output
            try write(line, to: lab.root + "/authorized_keys")
            try lab.startServer()
            let sensor = try Background(restricted + [binary, "run"], environment: lab.environment(), log: lab.root + "/sensor.log")
            try waitUntil(20, "capturing; \(sensor.output)") { sensor.output.contains("capturing on ") }
            try lab.sendPackets(1000, perSecond: 2000)
            try lab.waitForLast(999, sensor)
            sensor.end(SIGTERM)
            #expect(!sensor.output.contains("CRIT"))
            let box = try DropBoxContents(lab.drop)
            #expect(box.faults == [])
            #expect(box.check(1000).missing == [])
        }

        @Test("without NET_RAW print-key works, and capture says what is missing")
        func withoutCapability() throws {
            let lab = try Lab()
            try runTool(["mkdir", lab.data])
            try runTool(["chown", "12345:12345", lab.data])
            let restricted = [
                "/usr/sbin/ip", "netns", "exec", lab.sensorSpace, "setpriv", "--reuid=12345", "--regid=12345", "--clear-groups",
                "--inh-caps=-all", "--bounding-set=-all",
            ]
            try runTool(restricted + [Lab.sensorBinary, "print-key"], environment: lab.environment())
            let sensor = try Background(
                restricted + [Lab.sensorBinary, "run"], environment: lab.environment(), log: lab.root + "/sensor.log")
            defer { sensor.end(SIGTERM) }
            try waitUntil(10, "it is said; \(sensor.output)") { sensor.output.contains("CAP_NET_RAW") }
            #expect(!sensor.hasEnded, "it may be given back by a restart of the container; nothing is given up")
        }
    }

    @Suite(.serialized) struct WrongSettingTests {
        static let table: [(String, String, Int32, String)] = [
            ("PCAP_FILE_SIZE", "0", 78, "PCAP_FILE_SIZE='0'"), ("PCAP_FILE_SIZE", "1h", 78, "PCAP_FILE_SIZE='1h'"),
            ("PCAP_BPF_FILTER", "not prt 22", 78, "PCAP_BPF_FILTER='not prt 22'"), ("SCP_TARGET", "moloch", 78, "SCP_TARGET='moloch'"),
            ("SCP_TARGET", "", 1, "[ERROR] No target specified for scp ($SCP_TARGET)"), ("SCP_ARGUMENTS", "-z", 78, "-z"),
            ("SCP_ARGUMENTS", "-o ProxyJump=x", 78, "ProxyJump"), ("SCP_ARGUMENTS", "-i /nowhere/key", 78, "/nowhere/key"),
            ("PCAP_SENSOR_NAME", "a/b", 78, "PCAP_SENSOR_NAME='a/b'"), ("SENSOR_LOG", "xml", 78, "SENSOR_LOG='xml'"),
            ("SENSOR_USER", "no-such-user", 78, "SENSOR_USER='no-such-user'"), ("INDEXER", "moloch:9000", 78, "INDEXER='moloch:9000'"),
            ("PCAP_SNAPLEN", "96", 0, ""), ("SCP_SOURCE_PORTS", "9-1", 78, "SCP_SOURCE_PORTS='9-1'"),
            ("SENSOR_DATA_DIR", "/proc/nowhere", 1, "SENSOR_DATA_DIR='/proc/nowhere'"),
        ]

        @Test("a wrong setting is one line and the right exit code, and nothing has started", arguments: table.filter { $0.2 != 0 })
        func wrong(name: String, value: String, code: Int32, words: String) throws {
            let lab = try Lab()
            let result = try runTool(lab.sensorCommand(["run"]), environment: lab.environment([name: value]), mayFail: true)
            #expect(result.status == .code(code))
            #expect(result.output.contains(words), "\(result.output)")
            #expect(result.output.split(separator: "\n").count == 1, "\(result.output)")
            #expect(access(lab.data + "/id_ed25519", F_OK) != 0, "no key before the settings are right")
        }

        @Test("several wrong settings are all told at once, the user among them")
        func several() throws {
            let lab = try Lab()
            let result = try runTool(
                lab.sensorCommand(["run"]), environment: lab.environment(["SENSOR_USER": "no-such-user", "SENSOR_LOG": "xml"]),
                mayFail: true)
            #expect(result.status == .code(78))
            #expect(result.output.contains("SENSOR_USER='no-such-user'") && result.output.contains("SENSOR_LOG='xml'"), "\(result.output)")
        }

        @Test("a name in the filter that cannot be resolved now may be right later: never 78")
        func unresolvable() throws {
            let lab = try Lab()
            let sensor = try lab.startSensor(
                ["PCAP_BPF_FILTER": "host no-such-host.invalid", "RES_OPTIONS": "timeout:1 attempts:1"], waitForCapture: false)
            try waitUntil(20, "it is said; \(sensor.output)") { sensor.output.contains("no-such-host.invalid") }
            #expect(!sensor.hasEnded)
            #expect(sensor.end(SIGTERM).status == .code(0))
        }

        @Test("a sensor's name of two words in the data directory is refused, not guessed")
        func nameOfTwoWords() throws {
            let lab = try Lab()
            try runTool(["mkdir", "-p", lab.data])
            try write("two words\n", to: lab.data + "/name")
            let result = try runTool(lab.sensorCommand(["run"]), environment: lab.environment(["PCAP_SENSOR_NAME": ""]), mayFail: true)
            #expect(result.status == .code(1))
            #expect(result.output.contains("\(lab.data)/name holds 'two words'"), "\(result.output)")
            #expect(try text(of: lab.data + "/name") == "two words\n")
        }

        @Test("wrong usage is 64")
        func usage() throws {
            for arguments in [["run", "--no-such-option"], ["no-such-command"], ["print-key", "--bare", "--fingerprint"]] {
                #expect(try runTool([Lab.sensorBinary] + arguments, mayFail: true).status == .code(64))
            }
        }

        @Test("the target as the spool itself is refused, through a link too")
        func targetIsSpool() throws {
            let lab = try Lab()
            try runTool(["mkdir", "-p", lab.data + "/spool"])
            try runTool(["ln", "-s", lab.data + "/spool", lab.root + "/link"])
            for target in [lab.data + "/spool", lab.root + "/link"] {
                let result = try runTool(
                    lab.sensorCommand(["run"]), environment: lab.environment(["SCP_TARGET": target, "SCP_ARGUMENTS": ""]), mayFail: true)
                #expect(result.status == .code(78))
                #expect(result.output.contains(target))
            }
        }

        @Test("an unknown variable is a warning that names the nearest, not an error")
        func unknown() throws {
            let lab = try Lab()
            let sensor = try lab.startSensor(["PCAP_INTERFCE": "x", "SENSOR_SERVICE_HOST": "10.0.0.1"])
            sensor.end(SIGTERM)
            #expect(sensor.output.contains("PCAP_INTERFCE is not a setting and means nothing here; the nearest one is PCAP_INTERFACE"))
            #expect(!sensor.output.contains("SENSOR_SERVICE_HOST"))
        }
    }

    @Suite(.serialized) struct ByHandTests {
        @Test("capture -c: so many packets, tcpdump's three lines, exit 0")
        func count() throws {
            let lab = try Lab()
            let capture = try Background(
                lab.sensorCommand([
                    "capture", "-i", lab.interface, "-w", lab.root + "/pcaps", "-c", "100", "--name", "hand", "udp", "port", "4242",
                ]), log: lab.root + "/capture.log")
            try waitUntil(10, "capturing; \(capture.output)") { capture.output.contains("capturing on") }
            try lab.sendPackets(300, perSecond: 1000)
            try capture.waitForEnd(within: 10)
            #expect(capture.status == .code(0))
            #expect(capture.output.contains("100 packets captured\n"))
            #expect(capture.output.contains(" packets received by filter\n"))
            #expect(capture.output.contains("0 packets dropped by kernel\n"))
            let box = try DropBoxContents(lab.root + "/pcaps")
            #expect(box.numbers.map(\.number) == Array(0..<100))
        }

        @Test("a second capture of the same interface and directory is refused, and the first goes on")
        func secondCapture() throws {
            let lab = try Lab()
            let command = lab.sensorCommand(["capture", "-i", lab.interface, "-w", lab.root + "/pcaps", "udp", "port", "4242"])
            let first = try Background(command, log: lab.root + "/first.log")
            try waitUntil(10, "capturing; \(first.output)") { first.output.contains("capturing on") }
            let second = try runTool(command, mayFail: true)
            #expect(second.status == .code(1), "\(second.output)")
            #expect(second.output.contains(lab.interface))
            try lab.sendPackets(100, perSecond: 1000)
            #expect(first.end(SIGTERM).status == .code(0))
            #expect(try DropBoxContents(lab.root + "/pcaps").numbers.map(\.number) == Array(0..<100))
        }

        @Test("the kernel's count in each file's facts is that file's own")
        func countsOfEachFile() throws {
            let lab = try Lab()
            let directory = lab.root + "/pcaps"
            let capture = try Background(
                lab.sensorCommand(["capture", "-i", lab.interface, "-w", directory, "-G", "3600", "udp", "port", "4242"]),
                log: lab.root + "/capture.log")
            try waitUntil(10, "capturing; \(capture.output)") { capture.output.contains("capturing on") }
            for (files, count) in [(1, 300), (2, 500)] {
                try lab.sendPackets(count, perSecond: 5000)
                usleep(500_000)
                kill(lab.sensorProcesses()[0].pid, SIGUSR1)
                try waitUntil(5, "cut \(files)") { try DropBoxContents(directory).files.count == files }
            }
            #expect(capture.end(SIGTERM).status == .code(0))
            let spool = try Directory(directory)
            let facts = try spool.names().sorted().filter { $0.hasSuffix(".meta") }
                .compactMap { JSONFile.read(CaptureFacts.self, $0, in: spool) }
            #expect(facts.map(\.written) == [300, 500])
            #expect(facts.map(\.received) == [300, 500])
        }

        @Test("started with its three standard descriptors closed, no line ends up in a file of the sensor's")
        func closedDescriptors() throws {
            let lab = try Lab()
            let sensor = try Background(
                ["/bin/sh", "-c", "exec \"$@\" <&- >&- 2>&-", "sh"] + lab.sensorCommand(["run"]), environment: lab.environment(),
                log: lab.root + "/closed.log")
            try waitUntil(20, "workers") { lab.sensorProcesses().count == 3 }
            usleep(500_000)
            #expect(sensor.end(SIGTERM).status == .code(0))
            #expect(try text(of: lab.data + "/lock").split(separator: "\n").count == 1)
            for name in try Directory(lab.data).names() where name != "spool" && name != "state" {
                #expect(try !text(of: lab.data + "/" + name).contains("INFO"), "\(name)")
            }
        }

        @Test("told to stop while it waits for the lock of a run that was killed, it ends with 0 and starts nothing")
        func toldWhileWaiting() throws {
            let lab = try Lab()
            try lab.authorize()
            try lab.startSensor().end(SIGKILL)
            try waitUntil(5, "the end of its workers") { lab.sensorProcesses().isEmpty }
            // As a worker would hold it on that does not end.
            let held = try Directory(lab.data).open("lock", flags: O_RDWR)
            // A process that ends is out of /proc's sight a moment before the kernel closes its files.
            try waitUntil(5, "the lock") { flock(held.number, LOCK_EX | LOCK_NB) == 0 }
            let second = try lab.startSensor(waitForCapture: false)
            usleep(1_000_000)
            #expect(!second.hasEnded, "\(second.output)")
            #expect(second.end(SIGTERM).status == .code(0))
            #expect(!second.output.contains("spawned"), "\(second.output)")
        }

        @Test("capture: SIGUSR1 cuts, -C rotates by size, no packet is lost between files")
        func cutAndSize() throws {
            let lab = try Lab()
            let capture = try Background(
                lab.sensorCommand([
                    "capture", "-i", lab.interface, "-w", lab.root + "/pcaps", "-C", "100K", "-G", "3600", "udp", "port", "4242",
                ]), log: lab.root + "/capture.log")
            try waitUntil(10, "capturing; \(capture.output)") { capture.output.contains("capturing on") }
            try lab.sendPackets(1000, perSecond: 5000, size: 1000)
            usleep(700_000)
            let before = try DropBoxContents(lab.root + "/pcaps").files.count
            #expect(before >= 9)
            kill(lab.sensorProcesses()[0].pid, SIGUSR1)
            try waitUntil(5, "the cut") { try DropBoxContents(lab.root + "/pcaps").files.count == before + 1 }
            #expect(capture.end(SIGTERM).status == .code(0))
            let box = try DropBoxContents(lab.root + "/pcaps")
            #expect(box.numbers.map(\.number) == Array(0..<1000))
            #expect(box.files.allSatisfy { $0.size <= 100 << 10 })
        }
    }
}
