import Glibc
import Linux
import Spool
import Supervisor
import Testing

extension EndToEnd {
    /// `sensor check` against a real interface, disk and sshd.
    @Suite(.serialized) struct CheckTests {
        private func check(_ lab: Lab, _ words: String..., environment: [String: String] = [:]) throws -> (status: Ending, output: String) {
            try runTool(lab.sensorCommand(["check"] + words), environment: lab.environment(environment), mayFail: true)
        }
        private func lines(_ output: String, _ start: String) -> [String] {
            output.split(separator: "\n").map(String.init).filter { $0.hasPrefix(start) }
        }
        private func left(_ lab: Lab) throws -> [String] { try Directory(lab.drop).names().filter { $0.hasPrefix(".sensor-check") } }
        private func server() throws -> Lab {
            let lab = try Lab()
            try lab.authorize()
            try lab.startServer()
            return lab
        }

        @Test("where all is right every line says so, and the exit status is 0; what may not be removed is one small file, used again")
        func right() throws {
            let lab = try server()
            for _ in 1...3 {
                let run = try check(lab)
                #expect(run.status == .code(0), "\(run.output)")
                #expect(lines(run.output, "FAIL") == [])
                for what in [
                    "settings", "data directory", "disk space", "disk write", "disk rename", "disk O_DIRECT", "key",
                    "interface \(lab.interface)", "filter", "target name", "connection", "login", "target write", "target fsync", "clock",
                    "target rename", "target removal", "own upload",
                ] {
                    #expect(lines(run.output, "ok   \(what): ").count == 1, "\(what) in \(run.output)")
                }
                #expect(lines(run.output, "WARN host key: ssh-ed25519 SHA256:").count == 1)
                #expect(try left(lab).count == 1)
                #expect(try Directory(lab.drop).status(left(lab)[0])?.size == 4096)
            }
            // Neither learned a host key nor made anything of its own.
            #expect(access(lab.knownHosts, F_OK) != 0)
            #expect(try Set(Directory(lab.data).names()).subtracting(["id_ed25519", "id_ed25519.pub", "name"]) == [])
        }

        @Test("where the account may remove, nothing stays at the target")
        func removal() throws {
            let lab = try server()
            let bare = try runTool(lab.sensorCommand(["print-key", "--bare"]), environment: lab.environment()).output
            try write(bare, to: lab.root + "/authorized_keys")
            let run = try check(lab)
            #expect(run.status == .code(0), "\(run.output)")
            #expect(try Directory(lab.drop).names() == [])
        }

        @Test("a check beside a running sensor says that it runs, knows the host key, and disturbs nothing")
        func beside() throws {
            let lab = try server()
            let sensor = try lab.startSensor()
            try lab.sendPackets(100, perSecond: 1000)
            try lab.waitForLast(99, sensor)
            let run = try check(lab)
            #expect(run.status == .code(0), "\(run.output)")
            #expect(run.output.contains("used by a running sensor (pid \(sensor.pid))"))
            #expect(lines(run.output, "ok   host key: ").count == 1)
            #expect(!sensor.hasEnded)
            #expect(sensor.end(SIGTERM).status == .code(0))
            #expect(!sensor.output.contains("ERRO"))
        }

        @Test("a key that is not authorised, a changed host key, no server: each FAIL names what is wrong, and the exit status is 1")
        func refused() throws {
            let lab = try server()
            try write("", to: lab.root + "/authorized_keys")
            var run = try check(lab)
            #expect(run.status == .code(1))
            #expect(lines(run.output, "FAIL").count == 1, "\(run.output)")
            #expect(lines(run.output, "FAIL login: ").first?.contains("print-key --authorized-keys") == true)
            run = try check(lab, environment: ["SCP_HOST_KEY": "SHA256:" + String(repeating: "A", count: 43)])
            #expect(lines(run.output, "FAIL host key: ").count == 1 && run.status == .code(1))
            let key = try text(of: lab.root + "/host_key.pub").split(separator: " ")[1]
            let other = key.dropLast(6) + "AAAAAA"
            try write("[\(Lab.boxAddress)]:\(Lab.port) ssh-ed25519 \(other)\n", to: lab.knownHosts)
            run = try check(lab)
            #expect(lines(run.output, "FAIL host key: ").first?.contains("has CHANGED") == true, "\(run.output)")
            #expect(try text(of: lab.knownHosts).contains(other))
            try runTool(["rm", lab.knownHosts])
            lab.stopServer()
            run = try check(lab)
            #expect(lines(run.output, "FAIL connection: ").count == 1 && run.status == .code(1))
            run = try check(lab, environment: ["SCP_TARGET": "nobody@name.invalid:/x"])
            #expect(lines(run.output, "FAIL target name: ").count == 1 && run.status == .code(1))
        }

        @Test("an interface that is missing or down, and a directory that is missing at the target")
        func missing() throws {
            let lab = try server()
            var run = try check(lab, environment: ["PCAP_INTERFACE": "nosuch0,lo"])
            #expect(run.status == .code(1))
            #expect(lines(run.output, "FAIL").count == 1, "\(run.output)")
            #expect(lines(run.output, "FAIL interface nosuch0: ").first?.contains(lab.interface) == true)
            try runTool(["ip", "-n", lab.sensorSpace, "link", "add", "spare0", "type", "veth", "peer", "name", "spare1"])
            run = try check(lab, environment: ["PCAP_INTERFACE": "spare0"])
            #expect(lines(run.output, "FAIL interface spare0: ").first?.contains("ip link set spare0 up") == true)
            run = try check(lab, environment: ["SCP_TARGET": "nobody@\(Lab.boxAddress):/no/such"])
            #expect(lines(run.output, "FAIL target write: ").count == 1 && run.status == .code(1))
        }

        @Test("a data directory of a newer sensor, and a key that others can read, are told")
        func data() throws {
            let lab = try server()
            try runTool(["mkdir", lab.data + "/state"])
            try write("99\n", to: lab.data + "/state/format")
            try runTool(["chmod", "644", lab.data + "/id_ed25519"])
            let run = try check(lab)
            #expect(run.status == .code(1))
            #expect(lines(run.output, "FAIL data directory: ").first?.contains("a newer sensor wrote it") == true, "\(run.output)")
            #expect(lines(run.output, "WARN key: ").first?.contains("chmod 600") == true, "\(run.output)")
        }

        @Test("no key and no data directory yet: said, and none is made")
        func fresh() throws {
            let lab = try Lab()
            let run = try check(lab)
            #expect(run.status == .code(1))
            #expect(lines(run.output, "FAIL data directory: ").count == 1 && lines(run.output, "FAIL key: ").count == 1, "\(run.output)")
            #expect(access(lab.data, F_OK) != 0)
        }

        @Test("wrong settings are all named, nothing is tried, and the exit status is 78")
        func settings() throws {
            let lab = try Lab()
            let wrong = ["PCAP_FILE_SIZE": "soon", "PCAP_BPF_FILTER": "not prot 22", "SENSOR_USER": "no-such-user"]
            let run = try check(lab, environment: wrong)
            #expect(run.status == .code(78))
            #expect(lines(run.output, "FAIL settings: ").count == 3 && run.output.split(separator: "\n").count == 3, "\(run.output)")
            let json = try check(lab, "--json", environment: wrong)
            #expect(json.status == .code(78))
            #expect(json.output.hasPrefix("[\n{\"check\":\"settings\",\"state\":\"fail\",\"detail\":"))
            #expect(try check(lab, "now").status == .code(64))
        }

        @Test("a local target without its mark is a FAIL that names the remedy, and --make-target is it")
        func local() throws {
            let lab = try Lab()
            try lab.authorize()
            let place = lab.root + "/disk"
            try runTool(["mkdir", place])
            let target = ["SCP_TARGET": place]
            var run = try check(lab, environment: target)
            #expect(run.status == .code(1))
            #expect(lines(run.output, "FAIL target: ").first?.contains("--make-target") == true, "\(run.output)")
            run = try check(lab, "--make-target", environment: target)
            #expect(run.status == .code(0), "\(run.output)")
            #expect(try Directory(place).names() == [".sensor-target"])
            #expect(try check(lab, environment: target).status == .code(0))
        }

        @Test("a filter against a whole service, offloads and an upload through a recorded tunnel are warnings")
        func advice() throws {
            let lab = try server()
            var run = try check(lab, environment: ["PCAP_BPF_FILTER": "not tcp port \(Lab.port) and not port 22"])
            #expect(run.status == .code(0), "\(run.output)")
            #expect(
                lines(run.output, "WARN filter on \(lab.interface): ").first?.contains("SSH (TCP port 22), the target's service") == true)
            try runTool(["ip", "netns", "exec", lab.sensorSpace, "/usr/sbin/ethtool", "-K", lab.interface, "gro", "on", "tso", "on"])
            #expect(lines(try check(lab).output, "WARN offloads: \(lab.interface): with gro").count == 1)
            try runTool([
                "ip", "netns", "exec", lab.sensorSpace, "/usr/sbin/ethtool", "-K", lab.interface, "gro", "off", "gso", "off", "tso", "off",
                "tx", "off",
            ])
            run = try check(lab)
            #expect(lines(run.output, "ok   offloads: \(lab.interface): ").count == 1, "\(run.output)")
            try runTool(["ip", "netns", "exec", lab.sensorSpace, "ip", "tuntap", "add", "dev", "tun9", "mode", "tun"])
            try runTool(["ip", "-n", lab.sensorSpace, "link", "set", "tun9", "up"])
            try runTool(["ip", "-n", lab.sensorSpace, "route", "add", "192.0.2.7/32", "dev", "tun9"])
            let through = ["SCP_TARGET": "nobody@192.0.2.7:/x", "SCP_ARGUMENTS": "-o ConnectTimeout=1"]
            run = try check(lab, environment: through)
            #expect(lines(run.output, "WARN own upload: ").first?.contains("the tunnel tun9 (tun)") == true, "\(run.output)")
            run = try check(lab, environment: through.merging(["PCAP_INTERFACE": "tun9"]) { $1 })
            #expect(lines(run.output, "ok   own upload: ").count == 1, "\(run.output)")
        }
    }
}
