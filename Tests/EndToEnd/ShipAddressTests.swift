import Glibc
import Linux
import Supervisor
import Testing

extension EndToEnd {
    /// The ways to a server: names, families, scopes, paths that swallow large packets.
    @Suite(.serialized) struct ShipAddressTests {
        /// Words before a command that has names of its own.
        private func knowing(_ hosts: String, _ lab: ShipLab) throws -> [String] {
            try write(hosts, to: lab.root + "/hosts")
            return ["/usr/bin/unshare", "-m", "/bin/sh", "-c", "mount --bind \(lab.root)/hosts /etc/hosts && exec \"$@\"", "sh"]
        }

        @Test("of a name's addresses one that answers is used, though another is silent; a changed address is found at the next connection")
        func addresses() throws {
            let lab = try ShipLab()
            try lab.make(2, of: 5000)
            let before = try knowing("10.78.0.9 box.example\n\(ShipLab.boxAddress) box.example\nfd78::9 box.example\n", lab)
            let target = "nobody@box.example:\(lab.drop)"
            let shipper = try lab.startShipper(target: target, before: before)
            let start = MonotonicTime.now()
            try lab.waitForDelivery(8, shipper)
            #expect(.now() - start < 4)
            #expect(shipper.output.contains("(\(ShipLab.boxAddress) port"))
            // The centre moves.
            lab.killServer()
            try runTool(["ip", "-n", lab.boxSpace, "address", "add", "10.78.0.3/24", "dev", "eth0"])
            try write("10.78.0.3 box.example\n", to: lab.root + "/hosts")
            try lab.startServer("ListenAddress 10.78.0.3")
            try lab.make(2, of: 5000)
            try lab.waitForDelivery(15, shipper)
            #expect(lab.serverLog.contains("on 10.78.0.3 port"))
            shipper.end(SIGTERM)
            try lab.check(shipper.output)
        }

        @Test("IPv6 with the scope of a link is reached, in brackets as scp has it")
        func scope() throws {
            let lab = try ShipLab(server: false)
            var address = ""
            try waitUntil(10, "the link's own address") {
                let lines = try runTool(["ip", "-n", lab.boxSpace, "-6", "-o", "address", "show", "dev", "eth0"]).output.split(
                    separator: "\n")
                let words = lines.first { $0.contains("fe80") && !$0.contains("tentative") }?.split(separator: " ") ?? []
                address = words.first { $0.hasPrefix("fe80") }.map { String($0.split(separator: "/")[0]) } ?? ""
                return !address.isEmpty
            }
            try lab.startServer("ListenAddress ::")
            try lab.make(2, of: 5000)
            // An address on trial (RFC 4862, duplicate address detection) cannot be sent from yet.
            try runTool(lab.inSpace(lab.shipperSpace, ["sysctl", "-qw", "net.ipv6.conf.eth0.dad_transmits=100"]))
            try runTool(["ip", "-n", lab.shipperSpace, "-6", "address", "flush", "dev", "eth0"])
            try runTool(["ip", "-n", lab.shipperSpace, "-6", "address", "add", "fe80::77/64", "dev", "eth0"])
            let target = "nobody@[\(address)%eth0]:\(lab.drop)"
            let early = try lab.ship(target: target)
            #expect(early.status == .code(1))
            #expect(
                early.output.contains("port \(lab.port): this host has no address to reach it from; everything is kept"), "\(early.output)")
            try runTool(["ip", "-n", lab.shipperSpace, "-6", "address", "add", "fe80::78/64", "dev", "eth0", "nodad"])
            let ended = try lab.ship(target: target)
            #expect(ended.status == .code(0), "\(ended.output)")
            try lab.check(ended.output)
        }

        @Test("a path that swallows large packets is given up, and the next try goes through with small ones")
        func blackHole() throws {
            let lab = try ShipLab()
            // The box says that it takes 1500 bytes, and does not; nobody tells the sender.
            for feature in ["tso", "gso", "gro"] { try runTool(lab.inSpace(lab.shipperSpace, ["ethtool", "-K", "eth0", feature, "off"])) }
            try runTool(["ip", "-n", lab.boxSpace, "link", "set", "eth0", "mtu", "1300"])
            try runTool(["ip", "-n", lab.boxSpace, "route", "replace", "10.78.0.0/24", "dev", "eth0", "advmss", "1460"])
            try lab.make(2, of: 200_000)
            let shipper = try lab.startShipper()
            usleep(5_000_000)
            #expect(lab.waiting.count == 2, "the hole is one")
            try lab.waitForDelivery(60, shipper)
            shipper.end(SIGTERM)
            try lab.check(shipper.output)
        }
    }
}
