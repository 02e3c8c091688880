import Glibc
import Linux
import Spool
import Supervisor
import Testing

extension EndToEnd {
    /// Centres of all kinds, each as somebody runs it.
    @Suite(.serialized) struct ShipServerTests {
        struct Kind: CustomTestStringConvertible, Sendable {
            let testDescription: String
            var account = ShipLab.Account()
            /// Bytes of a file; of each interface there are three.
            var size = 40_000
        }
        /// The ready line of `print-key --authorized-keys` (INTERFACE.md).
        static let restricted =
            "restrict,command=\"internal-sftp -d @D -u 0027 -p open,close,write,stat,fstat,lstat,realpath,rename,fsync,statvfs,limits\""
        static let kinds: [Kind] = [
            Kind(testDescription: "internal-sftp"),
            Kind(
                testDescription: "sftp-server as a program of its own, an account with a shell",
                account: .init(user: "root", config: "Subsystem sftp /usr/lib/openssh/sftp-server")),
            Kind(
                testDescription: "internal-sftp whatever is asked for",
                account: .init(config: "ForceCommand internal-sftp\nSubsystem sftp internal-sftp")),
            Kind(
                testDescription: "chrooted",
                account: .init(config: "Subsystem sftp internal-sftp\nForceCommand internal-sftp", isChrooted: true)),
            Kind(testDescription: "the restricted account of print-key --authorized-keys", account: .init(key: restricted)),
            Kind(
                testDescription: "a restricted account whose server has no fsync, statvfs, limits",
                account: .init(key: restricted.replacing(",fsync,statvfs,limits", with: ""))),
            Kind(testDescription: "MaxSessions 1", account: .init(config: "Subsystem sftp internal-sftp\nMaxSessions 1")),
            Kind(
                testDescription: "MaxSessions 1, MaxStartups 2, MaxAuthTries 1",
                account: .init(config: "Subsystem sftp internal-sftp\nMaxSessions 1\nMaxStartups 2:100:2\nMaxAuthTries 1")),
            Kind(
                testDescription: "one connection at a time before the login from each source",
                account: .init(config: "Subsystem sftp internal-sftp\nPerSourceMaxStartups 1"), size: 3_000_000),
            Kind(testDescription: "a banner before the login", account: .init(config: "Subsystem sftp internal-sftp\nBanner /etc/passwd")),
            Kind(
                testDescription: "ClientAliveInterval 1", account: .init(config: "Subsystem sftp internal-sftp\nClientAliveInterval 1"),
                size: 3_000_000),
            Kind(
                testDescription: "RekeyLimit 1M", account: .init(config: "Subsystem sftp internal-sftp\nRekeyLimit 1M"), size: 10_000_000),
            Kind(
                testDescription: "AES-GCM only",
                account: .init(config: "Subsystem sftp internal-sftp\nCiphers aes256-gcm@openssh.com,aes128-gcm@openssh.com,aes256-ctr")),
        ]

        @Test("each kind of server gets everything once, in order, whole at the moment it has its name", arguments: kinds)
        func everyKind(kind: Kind) throws {
            let lab = try ShipLab(kind.account)
            for interface in ["eth0", "wan.7"] { try lab.make(3, of: kind.size, interface: interface) }
            let ended = try lab.ship()
            #expect(ended.status == .code(0), "\(ended.output)")
            try lab.check(ended.output)
        }

        @Test("a centre that takes each file away the moment it appears", arguments: ["", restricted])
        func takenAway(key: String) throws {
            let lab = try ShipLab(.init(key: key))
            try runTool(["mkdir", lab.root + "/taken"])
            lab.watch?.take(into: lab.root + "/taken")
            try lab.make(30, of: 20_000)
            let ended = try lab.ship()
            #expect(ended.status == .code(0), "\(ended.output)")
            try lab.check(ended.output)
            #expect(lab.delivered == [])
        }

        @Test("a large file through a server that re-keys after each megabyte")
        func rekeying() throws {
            let lab = try ShipLab(.init(config: "Subsystem sftp internal-sftp\nRekeyLimit 1M"))
            try lab.make(1, of: 60_000_000)
            let ended = try lab.ship(within: 60)
            #expect(ended.status == .code(0), "\(ended.output)")
            try lab.check()
        }

        @Test("MaxStartups 1 with a stranger's connection hanging: it comes through when there is room")
        func maxStartups() throws {
            let lab = try ShipLab(.init(config: "Subsystem sftp internal-sftp\nMaxStartups 1:100:1\nLoginGraceTime 6"))
            let stranger = try Background(
                lab.inSpace(lab.boxSpace, ["/usr/bin/bash", "-c", "exec 3<>/dev/tcp/\(ShipLab.boxAddress)/\(ShipLab.port); sleep 60"]),
                log: lab.root + "/stranger.log")
            defer { stranger.end(SIGKILL) }
            usleep(300_000)
            try lab.make(4, of: 20_000)
            let shipper = try lab.startShipper()
            try lab.waitForDelivery(25, shipper)
            #expect(shipper.complaints.count <= 2, "\(shipper.output)")
            #expect(shipper.end(SIGTERM).status == .code(0))
            try lab.check()
        }

        @Test("a server that talks without end, and never of SSH, leaves the shipper an ear for its stop")
        func endlessWords() throws {
            let lab = try ShipLab(server: false)
            try lab.make(1, of: 1000)
            try lab.startServer(["/usr/bin/python3", Peers.path("endless-words.py"), ShipLab.boxAddress, "\(ShipLab.port)"])
            let shipper = try lab.startShipper()
            try waitUntil(5, "a line; \(shipper.output)") { shipper.output.contains("talks without end") }
            let asked = MonotonicTime.now()
            #expect(shipper.end(SIGTERM).status == .code(0))
            #expect(MonotonicTime.now() - asked < 2.2)
            #expect(lab.waiting.count == 1)
        }

        @Test("names with everything a file name may hold arrive under these names")
        func names() throws {
            let lab = try ShipLab()
            for name in [
                "with space.pcap", "two  spaces .pcap", "'single'.pcap", "\"double\".pcap", "back\\slash.pcap", "[brackets]{}*?.pcap",
                "-leading-dash.pcap", "--help.pcap", "`tick`$(id).pcap", "ünïcödé-日本.pcap", "new\nline.pcap", "a;b&c|d.pcap", "~.pcap",
                "#.pcap",
                "%s%n.pcap", String(repeating: "n", count: 200) + ".pcap",
            ] { try lab.put(ShipLab.capture(of: 500), name) }
            let ended = try lab.ship()
            #expect(ended.status == .code(0), "\(ended.output)")
            try lab.check(ended.output)
        }

        @Test("stamps of 1970 and 2100 mean nothing: finished files go at once, in the order of their numbers")
        func oddTimes() throws {
            let lab = try ShipLab()
            let names = try lab.make(6, of: 1000)
            for (name, stamp) in zip(names, ["21000101", "19700102", "20991231", "19700103", "20260101", "19800101"]) {
                try runTool(["touch", "-d", stamp, "\(lab.spool)/\(name)"])
            }
            let shipper = try lab.startShipper()
            try lab.waitForDelivery(10, shipper)
            shipper.end(SIGTERM)
            try lab.check()
        }

        @Test("what is no regular file is not sent and holds nothing up")
        func oddFiles() throws {
            let lab = try ShipLab()
            try lab.make(1, of: 1000)
            mkfifo(lab.spool + "/a fifo.pcap", 0o644)
            symlink("/etc/passwd", lab.spool + "/a link.pcap")
            symlink("nowhere", lab.spool + "/dangling.pcap")
            mkdir(lab.spool + "/directory.pcap", 0o755)
            try lab.put(ShipLab.capture(of: 500), "z.pcap")
            let shipper = try lab.startShipper()
            try waitUntil(10, "the two files; \(shipper.output)") { lab.delivered.count == 2 }
            usleep(2_500_000)
            #expect(shipper.end(SIGTERM).status == .code(0))
            #expect(lab.delivered.last == "z.pcap" && lab.delivered.count == 2)
            let odd: Set = ["a fifo.pcap", "a link.pcap", "dangling.pcap", "directory.pcap"]
            #expect(Set(lab.waiting) == odd)
            try lab.check(kept: odd, shipper.output)
        }

        @Test("an empty spool, and files of no bytes and of a header alone")
        func smallest() throws {
            let lab = try ShipLab()
            #expect(try lab.ship().status == .code(0))
            try lab.put([], "empty.pcap")
            try lab.put(Array(ShipLab.capture(of: 100)[..<24]), "header.pcap")
            let ended = try lab.ship()
            #expect(ended.status == .code(0), "\(ended.output)")
            try lab.check(ended.output)
        }

        @Test("a local directory is filled under the same rules")
        func localDirectory() throws {
            let lab = try ShipLab(server: false)
            try write("", to: lab.drop + "/.sensor-target")
            for interface in ["eth0", "wan.7"] { try lab.make(20, of: 50_000, interface: interface) }
            try lab.put(ShipLab.capture(of: 500), "some body's.pcap")
            let shipper = try lab.startShipper(target: lab.drop)
            try lab.waitForDelivery(15, shipper)
            let more = try lab.make(1, of: 30_000_000)
            try lab.waitForDelivery(15, shipper)
            #expect(shipper.end(SIGTERM).status == .code(0))
            #expect(lab.delivered.contains(more[0]))
            try lab.check(shipper.output)
        }
    }
}
