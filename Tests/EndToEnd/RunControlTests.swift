import Glibc
import Linux
import Supervisor
import Testing

extension EndToEnd {
    /// `sensor run` and its control socket.
    @Suite(.serialized) struct RunControlTests {
        private func control(_ lab: Lab, _ words: String..., environment: [String: String] = [:]) throws -> (status: Ending, output: String)
        {
            try runTool([Lab.sensorBinary] + words, environment: lab.environment(environment), mayFail: true)
        }

        @Test("status, stop, start, restart, signal, pid and shutdown speak of run's programs, as supervisorctl does")
        func words() throws {
            let lab = try Lab()
            try lab.authorize()
            try lab.startServer()
            let place = ["SENSOR_SOCKET": lab.root + "/c.sock"]
            #expect(try control(lab, "status", environment: place).status == .code(4))
            let sensor = try lab.startSensor(place)
            try waitUntil(5, "RUNNING") {
                try control(lab, "status", environment: place).output.contains("pcap_ship                   RUNNING")
            }
            let status = try control(lab, "status", environment: place)
            #expect(status.status == .code(0))
            #expect(status.output.contains("pcap:pcap_capture_\(lab.interface)"))
            #expect(try control(lab, "pid", environment: place).output == "\(sensor.pid)\n")
            #expect(try control(lab, "stop", "pcap:pcap_ship", environment: place).output == "pcap:pcap_ship: stopped\n")
            #expect(try control(lab, "status", environment: place).status == .code(3))
            try lab.sendPackets(100, perSecond: 1000)
            usleep(1_200_000)
            #expect(!lab.waiting.isEmpty, "nothing is shipped while shipping is stopped")
            #expect(try control(lab, "start", "pcap:pcap_ship", environment: place).output == "pcap:pcap_ship: started\n")
            #expect(try control(lab, "restart", "pcap:*", environment: place).status == .code(0))
            #expect(
                try control(lab, "signal", "USR1", "pcap:pcap_capture_\(lab.interface)", environment: place).output.contains("signalled"))
            try lab.waitForLast(99, sensor)
            #expect(try control(lab, "tail", "pcap:pcap_ship", environment: place).output.contains("no log file"))
            #expect(try control(lab, "shutdown", environment: place).output == "Shut down\n")
            try sensor.waitForEnd(within: 10)
            #expect(sensor.status == .code(0))
            #expect(access(lab.root + "/c.sock", F_OK) != 0)
        }

        @Test("status -v and --json add what the data directory tells, and change neither status's lines nor its exit status")
        func verbose() throws {
            let lab = try Lab()
            let place = ["SENSOR_SOCKET": lab.root + "/c.sock", "SCP_TARGET": lab.drop, "PCAP_FILE_SIZE": "2"]
            try write("", to: lab.drop + "/.sensor-target")
            let silent = try control(lab, "status", "-v", environment: place)
            #expect(silent.status == .code(4))
            #expect(silent.output.contains("shipping: unknown: "))
            #expect(silent.output.contains("no such file"))
            let mute = try control(lab, "status", "--json", environment: place)
            #expect(mute.status == .code(4))
            #expect(mute.output.contains("\"programs\" : [\n\n  ]"))

            let sensor = try lab.startSensor(place)
            try waitUntil(5, "RUNNING") {
                try control(lab, "status", environment: place).output.contains("pcap_ship                   RUNNING")
            }
            try lab.sendPackets(50, perSecond: 1000)
            try lab.waitForLast(49, sensor)
            func plain(_ text: String) -> String { text.replacing(/uptime \d+:\d\d:\d\d/, with: "uptime T") }
            let short = try control(lab, "status", environment: place)
            let long = try control(lab, "status", "-v", environment: place)
            #expect(long.status == .code(0))
            #expect(plain(long.output).hasPrefix(plain(short.output)))
            #expect(long.output.contains("\ncapture \(lab.interface): recording"))
            #expect(long.output.contains("\nspool: "))
            let json = try control(lab, "status", "--json", "pcap:pcap_ship", environment: place)
            #expect(json.status == .code(0))
            #expect(json.output.contains("\"name\" : \"pcap:pcap_ship\"") && !json.output.contains("\"name\" : \"pcap:pcap_capture"))
            #expect(json.output.contains("\"interface\" : \"\(lab.interface)\""))
            #expect(try control(lab, "stop", "pcap:pcap_ship", environment: place).status == .code(0))
            #expect(try control(lab, "status", "--verbose", environment: place).status == .code(3))
            #expect(try control(lab, "status", "-v", "nosuch", environment: place).output.hasPrefix("nosuch: ERROR (no such process)\n"))
            #expect(sensor.end(SIGTERM).status == .code(0))
        }

        @Test("cut finishes the open file, which is delivered at once; without a sensor it says so with signal's exit status")
        func cut() throws {
            let lab = try Lab()
            try lab.authorize()
            try lab.startServer()
            #expect(try control(lab, "cut").status == .code(7))
            let sensor = try lab.startSensor(["PCAP_FILE_SIZE": "86400"])
            try waitUntil(5, "RUNNING") { try control(lab, "status").output.contains("pcap_capture_\(lab.interface)   ") }
            try lab.sendPackets(100, perSecond: 1000)
            usleep(300_000)  // the kernel hands over a block that is not full after a tenth of a second
            let cut = try control(lab, "cut")
            #expect(cut.output == "pcap:pcap_capture_\(lab.interface): signalled\n")
            #expect(cut.status == .code(0))
            try lab.waitForLast(99, sensor)
            #expect(try control(lab, "stop", "pcap:pcap_capture_\(lab.interface)").status == .code(0))
            let stopped = try control(lab, "cut")
            #expect(stopped.output == "pcap:pcap_capture_\(lab.interface): ERROR (not running)\n")
            #expect(stopped.status == .code(7))
            #expect(try control(lab, "cut", "now").status == .code(64))
            #expect(sensor.end(SIGTERM).status == .code(0))
        }

        @Test("the socket is the sensor's user's alone, in the data directory where the standard place cannot be")
        func place() throws {
            let lab = try Lab()
            try lab.authorize()
            // A mount over /run, in a namespace of its own, that nobody may write.
            let sensor = try Background(
                [
                    "/usr/bin/unshare", "-m", "/bin/sh", "-c",
                    "mount --make-rprivate /; mount -t tmpfs -o mode=755 none /run; mkdir /run/netns; mount -o remount,ro /run; exec \"$@\"",
                    "sh",
                ]
                    + [Lab.sensorBinary, "run"], environment: lab.environment(["PCAP_INTERFACE": "lo", "SENSOR_USER": "nobody"]),
                log: lab.root + "/run.log")
            let socket = lab.data + "/control.sock"
            try waitUntil(10, "the socket; \(sensor.output)") { access(socket, F_OK) == 0 }
            let status = try #require(try Directory(lab.data).status("control.sock"))
            #expect(status.owner == 65534 && status.mode & 0o7777 == 0o700)
            try waitUntil(5, "an answer") {
                try control(lab, "status", environment: ["SENSOR_SOCKET": socket]).output.contains("pcap:pcap_ship")
            }
            #expect(sensor.end(SIGTERM).status == .code(0))
        }

        @Test("without any place for a socket: one warning, and everything else works")
        func noPlace() throws {
            let lab = try Lab()
            let sensor = try lab.startSensor(["SENSOR_SOCKET": "/proc/no/control.sock"])
            #expect(sensor.output.split(separator: "\n").count { $0.contains("WARN no control socket: ") } == 1)
            #expect(sensor.end(SIGTERM).status == .code(0))
        }
    }
}
