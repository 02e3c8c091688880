import Glibc
import Linux
import Spool
import Supervisor
import Testing

extension EndToEnd {
    /// `PCAP_INTERFACE=any` while interfaces come and go: bridges and taps, since veth ends are none of its interfaces.
    @Suite(.serialized) struct AnyInterfaceTests {
        private func link(_ lab: Lab, _ words: String...) throws { try runTool(["ip", "-n", lab.sensorSpace, "link"] + words) }
        private func addBridge(_ lab: Lab, _ name: String) throws {
            try link(lab, "add", name, "type", "bridge")
            try link(lab, "set", name, "up")
        }
        private func addTap(_ lab: Lab, _ name: String) throws {
            try runTool(["ip", "-n", lab.sensorSpace, "tuntap", "add", "dev", name, "mode", "tap"])
            try link(lab, "set", name, "up")
        }

        private func control(_ lab: Lab, _ words: String...) throws -> String {
            try runTool([Lab.sensorBinary] + words, environment: lab.environment(), mayFail: true).output
        }
        /// The pid of a program that has to be there.
        private func pid(_ lab: Lab, _ program: String) throws -> Int32 {
            let answer = try control(lab, "pid", "pcap:\(program)")
            guard let pid = Int32(answer.dropLast()), pid > 0 else { throw LabError(description: "\(program): \(answer)") }
            return pid
        }
        /// Interfaces that have a program.
        private func captures(_ lab: Lab) throws -> [String] {
            try control(lab, "status").matches(of: /pcap:pcap_capture_(\S+)/).map { String($0.output.1) }
        }
        private func waitForCaptures(_ lab: Lab, _ expected: [String], _ sensor: Background) throws {
            try waitUntil(5, "programs for \(expected), there are \((try? captures(lab)) ?? []); \(sensor.output)") {
                try captures(lab) == expected
            }
        }
        private func start(_ lab: Lab) throws -> Background {
            try lab.authorize()
            return try lab.startSensor(["PCAP_INTERFACE": "any", "SCP_TARGET": lab.root + "/local"])
        }
        private func lab() throws -> Lab {
            let lab = try Lab()
            try runTool(["mkdir", lab.root + "/local"])
            try write("", to: lab.root + "/local/.sensor-target")
            return lab
        }

        @Test("one that comes is recorded within two seconds, one that is deleted leaves, and the others are never touched")
        func comesAndGoes() throws {
            let lab = try lab()
            try addBridge(lab, "stays")
            let sensor = try start(lab)
            try waitForCaptures(lab, ["stays"], sensor)
            let (ours, capture) = (sensor.pid, try pid(lab, "pcap_capture_stays"))

            try addBridge(lab, "comes")
            try waitUntil(2, "a program for it; \(sensor.output)") { sensor.output.contains("spawned: 'pcap_capture_comes'") }
            #expect(sensor.output.contains("INFO joined: 'pcap_capture_comes' for comes\n"))
            try waitUntil(10, "it captures; \(sensor.output)") { sensor.output.contains("capturing on comes") }
            try runTool(["ip", "-n", lab.sensorSpace, "address", "add", "10.78.0.1/24", "dev", "comes"])
            let neighbour = ["10.78.0.2", "lladdr", "02:00:00:00:00:02", "dev", "comes"]
            try runTool(["ip", "-n", lab.sensorSpace, "neighbour", "add"] + neighbour)
            try runTool([
                "ip", "netns", "exec", lab.sensorSpace, Lab.binaries + "/packet-generator", "10.78.0.2", "4242", "500", "1000", "64",
            ])
            try waitUntil(10, "all its packets delivered; \(sensor.output)") {
                try DropBoxContents(lab.root + "/local").check(500).missing == []
            }
            #expect(try captures(lab) == ["comes", "stays"])

            try link(lab, "delete", "comes")
            try waitForCaptures(lab, ["stays"], sensor)
            #expect(sensor.output.contains("INFO left: 'pcap_capture_comes' for comes\n"))
            #expect(try pid(lab, "pcap_capture_stays") == capture)
            #expect(!sensor.output.contains("pcap_capture_stays: interface"))
            #expect(sensor.pid == ours && !sensor.hasEnded)

            let ended = sensor.end(SIGTERM)
            #expect(ended.status == .code(0))
            #expect(ended.seconds < 3)
            let box = try DropBoxContents(lab.root + "/local")
            #expect(box.faults == [])
            #expect(box.files.filter { !$0.numbers.isEmpty }.allSatisfy { SpoolName($0.name)?.interface == "comes" })
        }

        @Test("one that becomes a bridge's member leaves and comes back when it is free, one that only goes down stays")
        func enslaved() throws {
            let lab = try lab()
            try addTap(lab, "tap0")
            try addTap(lab, "tap1")
            let sensor = try start(lab)
            try waitForCaptures(lab, ["tap0", "tap1"], sensor)
            let capture = try pid(lab, "pcap_capture_tap0")

            try link(lab, "add", "bridge0", "type", "bridge")
            try link(lab, "set", "tap1", "master", "bridge0")
            try waitForCaptures(lab, ["tap0"], sensor)
            try link(lab, "set", "tap1", "nomaster")
            try waitForCaptures(lab, ["tap0", "tap1"], sensor)
            try link(lab, "set", "tap1", "down")
            // Longer than it takes to be seen.
            usleep(1_500_000)
            #expect(try captures(lab) == ["tap0", "tap1"])
            try link(lab, "set", "tap1", "name", "tap2")
            try link(lab, "set", "tap2", "up")
            try waitForCaptures(lab, ["tap0", "tap2"], sensor)
            #expect(try pid(lab, "pcap_capture_tap0") == capture)
            #expect(sensor.end(SIGTERM).status == .code(0))
        }

        @Test("a watcher that is killed, or announces nonsense, is started again and costs nobody anything")
        func watcherDies() throws {
            let lab = try lab()
            try addTap(lab, "tap0")
            try addTap(lab, "tap1")
            let sensor = try start(lab)
            try waitForCaptures(lab, ["tap0", "tap1"], sensor)
            let capture = try pid(lab, "pcap_capture_tap0")
            try waitUntil(5, "the watcher runs; \(sensor.output)") { sensor.output.contains("success: pcap_watch") }

            let first = try pid(lab, "pcap_watch")
            let status = try text(of: "/proc/\(first)/status").split(separator: "\n").filter {
                $0.hasPrefix("Cap") && !$0.hasPrefix("CapBnd")
            }
            #expect(status.count == 4 && status.allSatisfy { $0.hasSuffix("\t0000000000000000") }, "\(status)")
            // A cut goes to the whole group.
            #expect(try control(lab, "signal", "USR1", "pcap:*").contains("pcap_watch: signalled"))
            usleep(300_000)
            #expect(try pid(lab, "pcap_watch") == first)

            // One that only went down must stay, whoever looks.
            try link(lab, "set", "tap1", "down")
            kill(first, SIGKILL)
            try waitUntil(5, "another one; \(sensor.output)") { (try? pid(lab, "pcap_watch")).map { $0 != first } ?? false }
            try waitUntil(5, "it runs; \(sensor.output)") { sensor.output.count(of: "success: pcap_watch") == 2 }
            let second = try pid(lab, "pcap_watch")

            try Descriptor.open("/proc/\(second)/fd/3", flags: O_WRONLY).writeAll(Array("tap0\ntap1\n".utf8))
            try waitUntil(5, "the next; \(sensor.output)") { (try? pid(lab, "pcap_watch")).map { $0 != second } ?? false }
            #expect(sensor.output.count(of: "pcap_watch announced what is no roster (") == 1)
            #expect(!sensor.output.contains("left: "))
            #expect(try pid(lab, "pcap_capture_tap0") == capture)

            try addTap(lab, "tap2")
            try waitForCaptures(lab, ["tap0", "tap1", "tap2"], sensor)
            #expect(sensor.end(SIGTERM).status == .code(0))
        }

        @Test("where there is none at the start the default route's is recorded and stays, and those that come later join it")
        func fallback() throws {
            let lab = try lab()
            let sensor = try start(lab)
            #expect(sensor.output.contains("PCAP_INTERFACE=any finds no interface of its own that is up"))
            try waitForCaptures(lab, [lab.interface], sensor)
            let capture = try pid(lab, "pcap_capture_\(lab.interface)")
            try addTap(lab, "tap0")
            try waitForCaptures(lab, [lab.interface, "tap0"], sensor)
            try link(lab, "delete", "tap0")
            try waitForCaptures(lab, [lab.interface], sensor)
            #expect(try pid(lab, "pcap_capture_\(lab.interface)") == capture)
            #expect(sensor.end(SIGTERM).status == .code(0))
        }
    }
}

extension String {
    /// How often it holds `words`.
    fileprivate func count(of words: String) -> Int { ranges(of: words).count }
}
