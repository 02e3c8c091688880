import Glibc
import Linux
import Spool
import Supervisor
import Testing

extension EndToEnd {
    /// What happens to the interface while it is recorded. Reports are numbered as in the collection of real bugs of capture
    /// programs.
    @Suite(.serialized) struct CaptureInterfaceTests {
        private func numbers(_ files: DropBoxContents) -> [Int] { files.numbers.map(\.number) }

        @Test("report 20: started on an interface that is down, it says so once, waits, and records as soon as it is up")
        func startedDown() throws {
            let lab = try Lab()
            try lab.link("set", lab.interface, "down")
            let capture = try lab.startCapture(waitForCapture: false)
            try waitUntil(10, "it is said; \(capture.output)") { capture.says("is not there or not up") == 1 }
            // Long enough for another look.
            usleep(1_200_000)
            #expect(!capture.hasEnded)
            try lab.link("set", lab.interface, "up")
            try waitUntil(10, "capturing; \(capture.output)") { capture.says("capturing on ") == 1 }
            try lab.waitForCarrier()
            try lab.sendPackets(100)
            #expect(capture.end(SIGTERM).status == .code(0))
            #expect(capture.says("is not there or not up") == 1)
            #expect(try numbers(DropBoxContents(lab.pcaps)) == Array(0..<100))
        }

        @Test("report 20: told to stop while it waits for the interface, it ends with 0 and leaves no file")
        func stoppedWaiting() throws {
            let lab = try Lab()
            let capture = try lab.startCapture(interface: "nosuch0", waitForCapture: false)
            try waitUntil(10, "it is said; \(capture.output)") { capture.says("is not there or not up") == 1 }
            #expect(capture.end(SIGTERM).status == .code(0))
            #expect(try Directory(lab.pcaps).names() == [".state"])
        }

        @Test("report 11: down and up again, the same program records everything before and after, and says each once")
        func downAndUp() throws {
            let lab = try Lab()
            let capture = try lab.startCapture(["-G", "3600"])
            for time in 1...2 {
                try lab.sendPackets(100, perSecond: 1_000_000)
                try lab.link("set", lab.interface, "down")
                try waitUntil(10, "down; \(capture.output)") { capture.says("interface \(lab.interface) is down") == time }
                try lab.link("set", lab.interface, "up")
                try waitUntil(10, "up; \(capture.output)") { capture.says("interface \(lab.interface) is up again") == time }
                try lab.waitForCarrier()
            }
            try lab.sendPackets(100)
            #expect(capture.end(SIGTERM).status == .code(0))
            for words in ["is down", "is up again"] { #expect(capture.says("interface \(lab.interface) \(words)") == 2) }
            #expect(capture.says("capturing on ") == 1)
            let files = try DropBoxContents(lab.pcaps)
            #expect(numbers(files) == Array(0..<100) + Array(0..<100) + Array(0..<100))
            #expect(files.files.count == 1 && files.recordFaults == [])
        }

        /// A sensor that delivers into the local directory.
        private func run(_ lab: Lab, _ changes: [String: String] = [:]) throws -> Background {
            try write("", to: lab.drop + "/.sensor-target")
            let local = ["SCP_TARGET": lab.drop, "SCP_ARGUMENTS": "", "PCAP_BPF_FILTER": "udp port 4242"]
            return try lab.startSensor(local.merging(changes) { $1 })
        }
        private func waitForDelivery(_ count: Int, _ lab: Lab, _ sensor: Background) throws {
            try waitUntil(30, "\(count) packets at the target; \(sensor.output.suffix(2000))") {
                (try? DropBoxContents(lab.drop).numbers.count) == count
            }
        }
        /// Finishes the open file and waits until so many packets are at the target.
        private func cutAndDeliver(_ count: Int, _ lab: Lab, _ sensor: Background) throws {
            for process in lab.sensorProcesses() where process.role == "capture" { kill(process.pid, SIGUSR1) }
            try waitForDelivery(count, lab, sensor)
        }
        /// The gaps of each delivered file, in order.
        private func gaps(_ box: DropBoxContents) -> [[Gap]] { box.files.map { $0.manifest?.capture?.gaps ?? [] } }

        @Test("report 12: deleted and made again under its name, it is recorded again, and the next manifest has the one gap")
        func madeAgain() throws {
            let lab = try Lab()
            let sensor = try run(lab, ["PCAP_FILE_SIZE": "3600"])
            try lab.sendPackets(100, perSecond: 1_000_000)
            try lab.cutCable()
            try lab.connect()
            try waitUntil(20, "it is recorded again; \(sensor.output)") { sensor.says("capturing on ") == 2 }
            try lab.waitForCarrier()
            try lab.sendPackets(100)
            try cutAndDeliver(200, lab, sensor)
            #expect(sensor.end(SIGTERM).status == .code(0))
            #expect(sensor.says("exit status 75") == 1)
            let box = try DropBoxContents(lab.drop)
            #expect(box.faults == [])
            #expect(numbers(box) == Array(0..<100) + Array(0..<100))
            #expect(gaps(box).map(\.count) == [0, 1])
            let gap = try #require(box.gaps.first)
            #expect(gap.reason == "interface gone" && gap.lost == nil)
            #expect((gap.secondsBlind ?? 0) > 0)
            #expect(box.files.last?.facts?.secondsBlind == gap.secondsBlind)
        }

        @Test("report 12: renamed while it is up, its program ends with 75 and waits for the name; renamed back, it is recorded again")
        func renamed() throws {
            let lab = try Lab()
            let sensor = try run(lab, ["PCAP_FILE_SIZE": "3600"])
            try lab.sendPackets(100, perSecond: 1_000_000)
            try lab.link("set", lab.interface, "name", "other0")
            try waitUntil(20, "it waits; \(sensor.output)") {
                sensor.says("exit status 75") == 1 && sensor.says("interface \(lab.interface) is not there or not up") == 1
            }
            // Of another interface nothing is recorded.
            try lab.sendPackets(50)
            try lab.link("set", "other0", "name", lab.interface)
            try waitUntil(20, "it is recorded again; \(sensor.output)") { sensor.says("capturing on ") == 2 }
            try lab.sendPackets(70)
            try cutAndDeliver(170, lab, sensor)
            #expect(sensor.end(SIGTERM).status == .code(0))
            #expect(sensor.says("interface \(lab.interface) is gone") == 1)
            let box = try DropBoxContents(lab.drop)
            #expect(box.faults == [])
            #expect(numbers(box) == Array(0..<100) + Array(0..<70))
            #expect(gaps(box).map(\.count) == [0, 1])
            #expect(box.gaps.first?.reason == "interface gone" && (box.gaps.first?.secondsBlind ?? 0) > 0)
        }

        @Test(
            "report 12: another interface that got the name in the meantime is not taken for the one that was opened",
            arguments: [false, true])
        func replaced(isOldOneAlive: Bool) throws {
            let lab = try Lab()
            try lab.connect("second0", "peer0", network: 78)
            let capture = try lab.startCapture()
            try lab.sendPackets(100, perSecond: 1_000_000)
            // In one step for the program: it is not running.
            capture.send(SIGSTOP)
            if isOldOneAlive { try lab.link("set", lab.interface, "name", "other0") } else { try lab.cutCable() }
            try lab.link("set", "second0", "name", lab.interface)
            capture.send(SIGCONT)
            try capture.waitForEnd(within: 15)
            #expect(capture.status == .code(75))
            #expect(capture.says("interface \(lab.interface) is gone") == 1, "\(capture.output)")
            #expect(try numbers(DropBoxContents(lab.pcaps)) == Array(0..<100))
        }

        @Test("report 30: an MTU raised from 1500 to 9000 while it runs: the larger packets are recorded whole")
        func largerMTU() throws {
            let lab = try Lab()
            let capture = try lab.startCapture(["-G", "3600"])
            try lab.sendPackets(10, size: 1400)
            try lab.link("set", lab.interface, "mtu", "9000")
            try lab.link("set", lab.boxInterface, "mtu", "9000", in: lab.boxSpace)
            try lab.sendPackets(10, size: 8900)
            #expect(capture.end(SIGTERM).status == .code(0))
            let files = try DropBoxContents(lab.pcaps)
            #expect(numbers(files) == Array(0..<10) + Array(0..<10))
            let frames = files.files.flatMap(\.frames)
            #expect(frames.map(\.length) == Array(repeating: 1442, count: 10) + Array(repeating: 8942, count: 10))
            #expect(frames.allSatisfy { $0.bytes.count == $0.length })
            #expect(lab.facts().map(\.cut) == [0])
        }

        @Test("a tun device is recorded with link type 101; where a tap device gets its name the program ends with 75, and then records 1")
        func linkType() throws {
            let lab = try Lab()
            let packet: [UInt8] = [
                0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2, 0x10, 0x92, 0x10, 0x92, 0, 8, 0, 0,
            ]
            let frame: [UInt8] = [2, 0, 0, 0, 0, 0x99, 2, 0, 0, 0, 0, 1, 8, 0] + packet
            var files: [(linktype: Int, frames: [[UInt8]])] = []
            for (mode, sent) in [(Lab.Way.tun, packet), (.tap, frame)] {
                let make = ["tuntap", "add", "dev", "link0", "mode", mode.rawValue]
                try runTool(["ip", "-n", lab.sensorSpace] + make)
                try lab.link("set", "link0", "up")
                let capture = try lab.startCapture(interface: "link0", into: "\(lab.pcaps)-\(mode)")
                #expect(capture.says("link type \(mode == .tun ? 101 : 1)") == 1, "\(capture.output)")
                try lab.inject([sent], mode, in: lab.sensorSpace, "link0")
                try lab.link("del", "link0")
                try capture.waitForEnd(within: 15)
                #expect(capture.status == .code(75))
                files += try DropBoxContents("\(lab.pcaps)-\(mode)").files.map { ($0.linktype, $0.frames.map { Array($0.bytes) }) }
            }
            #expect(files.map(\.linktype) == [101, 1])
            #expect(files.map(\.frames) == [[packet], [frame]])
        }

        @Test("an interface that stays the same but gets another link type is not recorded on under the old one: exit status 75")
        func retyped() throws {
            let lab = try Lab()
            try runTool(["ip", "-n", lab.sensorSpace, "tuntap", "add", "dev", "link0", "mode", "tun"])
            try lab.link("set", "link0", "up")
            let capture = try lab.startCapture(interface: "link0")
            try lab.link("set", "link0", "down")
            try waitUntil(10, "down; \(capture.output)") { capture.says("interface link0 is down") == 1 }
            #expect(!capture.hasEnded)
            try lab.inject([], .retyped, in: lab.sensorSpace, "link0")
            try lab.link("set", "link0", "up")
            try capture.waitForEnd(within: 15)
            #expect(capture.status == .code(75))
            #expect(capture.says("its link type has changed") == 1, "\(capture.output)")
        }

        @Test("the loopback is recorded with link type 1, each packet as often as it passes")
        func loopback() throws {
            let lab = try Lab()
            let capture = try lab.startCapture(["-G", "3600"], interface: "lo")
            try runTool(["ip", "netns", "exec", lab.sensorSpace, Lab.binaries + "/packet-generator", "127.0.0.1", "4242", "20", "1000"])
            #expect(capture.end(SIGTERM).status == .code(0))
            let files = try DropBoxContents(lab.pcaps)
            #expect(files.files.map(\.linktype) == [1])
            #expect(Set(numbers(files)) == Set(0..<20))
            #expect(files.recordFaults == [])
        }

        @Test("two interfaces are two programs with a series of files each, and no packet is in the other's")
        func twoInterfaces() throws {
            let lab = try Lab()
            try lab.connect("second0", "peer0", network: 78)
            let sensor = try run(lab, ["PCAP_INTERFACE": "\(lab.interface),second0"])
            try waitUntil(20, "both; \(sensor.output)") { sensor.says("capturing on ") == 2 }
            #expect(lab.sensorProcesses().count { $0.role == "capture" } == 2)
            for name in [lab.interface, "second0"] { #expect(sensor.says("spawned: 'pcap_capture_\(name)'") == 1, "\(sensor.output)") }
            try lab.sendPackets(2000, perSecond: 1000)
            try lab.sendPackets(1500, perSecond: 1000, to: "10.78.0.1")
            try waitForDelivery(3500, lab, sensor)
            #expect(sensor.end(SIGTERM).status == .code(0))
            let box = try DropBoxContents(lab.drop)
            #expect(box.faults == [])
            for (name, count) in [(lab.interface, 2000), ("second0", 1500)] {
                let files = box.files.filter { SpoolName($0.name)?.interface == name && $0.facts?.interface == name }
                #expect(files.count > 1)
                #expect(files.compactMap { SpoolName($0.name)?.sequence } == Array(1...UInt64(files.count)))
                #expect(files.flatMap(\.numbers).map(\.number) == Array(0..<count))
            }
            #expect(Set(box.files.compactMap { $0.facts?.series }).count == 1, "one state, one series id")
        }

        @Test("an odd but legal interface name is one file name without odd bytes", arguments: ["a,b@c=#", "x'y;z$(id)", "-v"])
        func oddName(name: String) throws {
            let lab = try Lab()
            try lab.connect(name, "peer0", network: 78)
            let capture = try lab.startCapture(interface: name)
            try lab.sendPackets(100, to: "10.78.0.1")
            #expect(capture.end(SIGTERM).status == .code(0))
            let files = try DropBoxContents(lab.pcaps)
            #expect(numbers(files) == Array(0..<100))
            #expect(files.recordFaults == [])
            let plain = Set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-%")
            for file in files.files {
                let spoolName = try #require(SpoolName(file.name))
                #expect(Set(spoolName.interface).isSubset(of: plain))
                #expect(SpoolName.unescape(spoolName.interface) == name)
                #expect(file.facts?.interface == name)
            }
        }
    }
}
