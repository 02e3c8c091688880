import Glibc
import Linux
import Spool
import Supervisor
import Testing

extension EndToEnd {
    /// Servers that are not OpenSSH.
    @Suite(.serialized) struct ShipPeerTests {
        enum Server: String, CaseIterable {
            case rclone, paramiko
            var program: String { self == .rclone ? "/usr/bin/rclone" : "/usr/lib/python3/dist-packages/paramiko" }
            static let missing = allCases.map(\.program).filter { access($0, R_OK) != 0 }

            /// What they serve is the lab's `jail`.
            func command(_ lab: ShipLab) -> [String] {
                let keys = lab.root + "/authorized_keys"
                switch self {
                case .rclone:
                    return [
                        program, "serve", "sftp", lab.root + "/jail", "--addr", "\(ShipLab.boxAddress):\(ShipLab.port)", "--key",
                        lab.root + "/host_key", "--authorized-keys", keys, "--config", "/dev/null", "--cache-dir", lab.root + "/cache",
                    ]
                case .paramiko:
                    return [
                        "/usr/bin/python3", Peers.path("sftp-server.py"), ShipLab.boxAddress, "\(ShipLab.port)", lab.root + "/host_key",
                        keys, lab.root + "/jail",
                    ]
                }
            }
        }

        @Test(
            "each gets 20 small files and a large one, once, whole and in order",
            .enabled(if: Server.missing.isEmpty, "needs \(Server.missing) (make test installs rclone and python3-paramiko)"),
            arguments: Server.allCases)
        func delivers(_ server: Server) throws {
            let lab = try ShipLab(server: false)
            try lab.startServer(server.command(lab))
            try lab.make(20, of: 20_000)
            try lab.make(1, of: 20_000_000, interface: "wan.7")
            let target = "nobody@\(ShipLab.boxAddress):/drop"
            let ended = try lab.ship(target: target, within: 60)
            #expect(ended.status == .code(0), "\(ended.output)\n\(lab.serverLog.suffix(2000))")
            try lab.check(ended.output)
        }

        @Test(
            "a server that writes to its standard error without end gets its files, and nobody's memory",
            .enabled(if: Server.missing.isEmpty, "needs \(Server.missing) (make test installs rclone and python3-paramiko)"))
        func endlessErrors() throws {
            let lab = try ShipLab(server: false)
            try lab.startServer(Server.paramiko.command(lab) + ["errors"])
            try lab.make(2, of: 100_000)
            let shipper = try lab.startShipper(target: "nobody@\(ShipLab.boxAddress):/drop")
            try lab.waitForDelivery(20, shipper)
            func held() throws -> Int { try #require(Int(processStatus(shipper.pid, "VmRSS").dropLast("kB".count))) }
            let before = try held()
            usleep(4_000_000)
            let after = try held()
            #expect(after - before < 4000, "KiB")
            let asked = MonotonicTime.now()
            #expect(shipper.end(SIGTERM).status == .code(0))
            #expect(MonotonicTime.now() - asked < 2)
            try lab.check()
        }

        @Test(
            "a final name that is there at such a server is not overwritten, and a cut connection is taken up again",
            .enabled(if: Server.missing.isEmpty, "needs \(Server.missing) (make test installs rclone and python3-paramiko)"),
            arguments: Server.allCases)
        func faults(_ server: Server) throws {
            let lab = try ShipLab(server: false)
            try lab.startServer(server.command(lab))
            let link = try lab.startLink(["cut-after": "3000000"])
            let target = "nobody@\(ShipLab.boxAddress):/drop"
            let names = try lab.make(3, of: 2_000_000)
            try write("somebody else's", to: "\(lab.drop)/\(names[0])")
            try lab.watchAgain()
            let shipper = try lab.startShipper(target: target)
            try waitUntil(10, "the cut; \(shipper.output)") { link.number("resets") > 0 }
            try link.set()
            try waitUntil(20, "the two others; \(shipper.output)\n\(lab.serverLog.suffix(2000))") { lab.waiting == [names[0]] }
            shipper.end(SIGTERM)
            #expect(try text(of: "\(lab.drop)/\(names[0])") == "somebody else's")
            #expect(shipper.output.contains("\(names[0]) is already at"))
            // Such a server may leave what it had when the connection went.
            try lab.check(kept: [names[0]], hiddenMayBeLeft: true, shipper.output)
        }
    }
}
