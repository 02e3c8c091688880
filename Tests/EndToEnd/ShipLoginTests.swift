import Glibc
import Linux
import Spool
import Supervisor
import Testing

extension EndToEnd {
    /// Who is let in by whom, and when.
    @Suite(.serialized) struct ShipLoginTests {
        private func fingerprint(_ file: String) throws -> String {
            String(try runTool(["ssh-keygen", "-lf", file]).output.split(separator: " ")[1])
        }

        @Test("a pin by fingerprint is found among the server's keys, whichever it shows first; another is refused with all of them named")
        func pinOfAnotherType() throws {
            let lab = try ShipLab(server: false)
            try runTool(["ssh-keygen", "-q", "-t", "ecdsa", "-N", "", "-f", lab.root + "/ecdsa"])
            try lab.startServer("HostKey \(lab.root)/ecdsa")
            let (shown, pinned) = (try fingerprint(lab.root + "/host_key.pub"), try fingerprint(lab.root + "/ecdsa.pub"))
            lab.settings["SCP_HOST_KEY"] = pinned
            try lab.make(2, of: 5000)
            let ended = try lab.ship()
            #expect(ended.status == .code(0), "\(ended.output)")
            #expect(ended.output.contains("host key \(pinned)"))
            try lab.check(ended.output)
            lab.settings["SCP_HOST_KEY"] = "SHA256:" + String(repeating: "A", count: 43)
            let left = try lab.make(1, of: 5000)
            let refused = try lab.ship()
            #expect(refused.status == .code(1))
            #expect(
                refused.output.contains(shown) && refused.output.contains(pinned) && refused.output.contains("SCP_HOST_KEY does not name"))
            #expect(lab.waiting == left)
        }

        @Test("a key that is locked is used through the ssh-agent that holds it; without one it is 78, with the remedy")
        func agent() throws {
            let lab = try ShipLab()
            let socket = lab.root + "/agent"
            let agent = try Background(["/usr/bin/ssh-agent", "-D", "-a", socket], log: lab.root + "/agent.log")
            defer { agent.end(SIGTERM) }
            try waitUntil(5, "the agent listens") { access(socket, F_OK) == 0 }
            try runTool(["ssh-add", "-q", lab.key], environment: ["SSH_AUTH_SOCK": socket])
            try runTool(["ssh-keygen", "-q", "-p", "-N", "secret", "-f", lab.key])
            try lab.make(2, of: 5000)
            let alone = try lab.ship()
            #expect(alone.status == .code(78))
            #expect(alone.output.contains("SSH_AUTH_SOCK"))
            lab.settings["SSH_AUTH_SOCK"] = socket
            let ended = try lab.ship()
            #expect(ended.status == .code(0), "\(ended.output)")
            try lab.check(ended.output)
        }

        @Test("outside of SCP_HOURS nothing is sent and no connection is made; the status says until when; --once does not mind")
        func hours() throws {
            let lab = try ShipLab()
            let hour = WallTime.now().seconds / 3600 % 24
            lab.settings["SCP_HOURS"] = "\((hour + 3) % 24)-\((hour + 5) % 24)"
            let names = try lab.make(2, of: 5000)
            let shipper = try lab.startShipper()
            try waitUntil(10, "it says that it is closed; \(shipper.output)") { lab.status?.closedUntil != nil }
            usleep(1_000_000)
            #expect(lab.waiting == names)
            #expect(!lab.serverLog.contains("Accepted"))
            #expect(lab.status?.waitingFiles == 2)
            #expect(shipper.end(SIGTERM).status == .code(0))
            let ended = try lab.ship()
            #expect(ended.status == .code(0), "\(ended.output)")
            try lab.check(ended.output)
        }

        @Test("the status tells the operator's fault and when it is tried again, and forgets it when files get through")
        func status() throws {
            let lab = try ShipLab()
            try write("", to: lab.root + "/authorized_keys")
            try lab.make(2, of: 5000)
            let shipper = try lab.startShipper()
            try waitUntil(15, "the fault; \(shipper.output)") { lab.status?.fault != nil }
            #expect(lab.status?.fault?.kind == "loginRefused")
            #expect(lab.status?.fault?.text.contains("authorized_keys") ?? false)
            #expect(lab.status?.fault?.nextTry != nil)
            #expect(lab.status?.waitingFiles == 2)
            try lab.authorize()
            try lab.waitForDelivery(20, shipper)
            try waitUntil(10, "no fault any more") { lab.status?.fault == nil && lab.status?.waitingFiles == 0 }
            #expect(shipper.end(SIGTERM).status == .code(0))
            try lab.check(shipper.output)
        }

        @Test(
            "what this libssh2 does not know at all is a wrong setting, known before anything is connected",
            arguments: ["Ciphers=rot13", "HostKeyAlgorithms=ssh-rot13,ssh-foo"])
        func unknownMethods(option: String) throws {
            let lab = try ShipLab(server: false)
            try lab.make(1, of: 1000)
            let ended = try lab.ship(arguments: "-o \(option)")
            #expect(ended.status == .code(78))
            let line = ended.output.split(separator: "\n")
            #expect(line.count == 1 && line[0].contains("='\(option)' is wrong: expected"), "\(ended.output)")
        }

        @Test("a dry run names what would go, in order, and neither connects nor changes anything")
        func dryRun() throws {
            let lab = try ShipLab()
            let names = try lab.make(3, of: 5000)
            let shipper = try lab.startShipper(["--dry-run"])
            try shipper.waitForEnd(within: 10)
            #expect(shipper.status == .code(0))
            let lines = shipper.output.split(separator: "\n")
            #expect(lines.count == 4)
            for (name, line) in zip(names, lines) { #expect(line.contains("would deliver \(name)")) }
            #expect(lab.waiting == names)
            #expect(!lab.serverLog.contains("Accepted"))
            #expect(lab.delivered.isEmpty)
        }

        @Test("a rate is kept to, smoothly")
        func rate() throws {
            let lab = try ShipLab()
            try lab.make(1, of: 1_000_000)
            let shipper = try lab.startShipper(["--rate", "250K"])
            try waitUntil(10, "it begins") { lab.uploaded > 0 }
            let (start, first) = (MonotonicTime.now(), lab.uploaded)
            usleep(2_000_000)
            let speed = Double(lab.uploaded - first) / (.now() - start)
            #expect(speed > 180_000 && speed < 300_000, "\(speed) bytes/s")
            try lab.waitForDelivery(15, shipper)
            shipper.end(SIGTERM)
            try lab.check(shipper.output)
        }
    }
}
