import Glibc
import Linux
import Spool
import Supervisor
import Testing

extension EndToEnd {
    /// What somebody at the centre has to mend: said once, nothing lost, and delivery soon after it is mended.
    @Suite(.serialized) struct ShipTargetTests {
        enum Trouble: String, CaseIterable {
            case noSubsystem, shellText, shellRefuses, chrootForeign, keyUnknown, directoryMissing, directoryForeign, directoryIsFile,
                readOnly
            case diskFull, inodesFull, quotaUsed, hostKeyChanged, hostKeyUnknown, dropsAtAccept, nobodyListens, speaksHTTP
            case localMissing, localUnmarked, localFull, localReadOnly

            /// All of them in the one line.
            var words: [String] {
                switch self {
                case .noSubsystem, .shellText, .shellRefuses: ["SFTP"]
                case .chrootForeign: ["SFTP", "ChrootDirectory"]
                case .keyUnknown: ["refuses the key"]
                case .directoryMissing: ["/jail/drop", "does not exist"]
                case .directoryForeign: ["/jail/drop", "not writable"]
                case .directoryIsFile: ["/jail/drop", "is no directory"]
                case .readOnly: ["/jail/drop", "its file system is read-only"]
                case .diskFull, .inodesFull: ["disk of", "is full"]
                case .quotaUsed: ["cannot write", "has room", "quota"]
                case .hostKeyChanged: ["host key", "has CHANGED", "SHA256:"]
                case .hostKeyUnknown: ["host key", "StrictHostKeyChecking=yes"]
                case .dropsAtAccept, .nobodyListens: [ShipLab.boxAddress]
                case .speaksHTTP: [ShipLab.boxAddress, "it says \"HTTP/1.1 400 Bad Request\"", "-P"]
                case .localMissing: ["/jail/drop"]
                case .localReadOnly: ["/jail/drop", "its file system is read-only"]
                case .localUnmarked: ["/jail/drop", ".sensor-target"]
                case .localFull: ["disk of", "/jail/drop", "is full"]
                }
            }
            var account: ShipLab.Account {
                switch self {
                case .noSubsystem: .init(config: "")
                // An account's .bashrc that greets.
                case .shellText:
                    .init(
                        user: "root",
                        config: "Subsystem sftp /usr/lib/openssh/sftp-server\nForceCommand echo hello; exec /usr/lib/openssh/sftp-server")
                // Its shell is nologin, which says a sentence.
                case .shellRefuses: .init(config: "Subsystem sftp /usr/lib/openssh/sftp-server")
                // sshd ends the session of who would be locked up in what others may write.
                case .chrootForeign: .init(config: "Subsystem sftp internal-sftp\nChrootDirectory /tmp")
                default: .init()
                }
            }
            /// Somebody has to act; nothing of it passes by itself.
            var isOperators: Bool { ![.chrootForeign, .dropsAtAccept, .nobodyListens, .speaksHTTP].contains(self) }
            /// What would send somebody to look in the wrong place.
            var lie: String { [.readOnly, .inodesFull, .diskFull].contains(self) ? "does not exist" : "\0" }
            var isLocal: Bool { rawValue.hasPrefix("local") }
            var arguments: String { self == .hostKeyUnknown ? "-o StrictHostKeyChecking=yes" : "" }

            func make(_ lab: ShipLab) throws {
                switch self {
                case .noSubsystem, .shellText, .shellRefuses, .chrootForeign, .hostKeyUnknown: break
                case .keyUnknown: try write("", to: lab.root + "/authorized_keys")
                case .directoryMissing: rmdir(lab.drop)
                case .directoryForeign: chmod(lab.drop, 0o555)
                case .directoryIsFile:
                    rmdir(lab.drop)
                    try write("", to: lab.drop)
                case .readOnly:
                    try lab.mountDrop("size=20m")
                    try runTool(["mount", "-o", "remount,ro", lab.drop])
                case .diskFull: try lab.mountDrop("size=1m")
                case .inodesFull: try lab.mountDrop("size=20m,nr_inodes=2")
                // A limit on the size of a file looks the same from here, and needs no quota in the kernel.
                case .quotaUsed:
                    lab.killServer()
                    let limited = "trap '' XFSZ; exec prlimit --fsize=300000 /usr/sbin/sshd -D -e -f \(lab.root)/sshd_config"
                    try lab.startServer(["sh", "-c", limited])
                case .hostKeyChanged:
                    try lab.make(1, of: 100)
                    let first = try lab.ship()
                    try #require(first.status == .code(0), "\(first.output)")
                    lab.killServer()
                    try lab.makeKey("host_key")
                    try lab.startServer()
                case .dropsAtAccept: try lab.startLink(["refuse": "1"])
                case .nobodyListens: lab.killServer()
                case .speaksHTTP: try lab.startLink(["deaf": "1", "banner": "HTTP/1.1 400 Bad Request\\nConnection: close\\n\\n"])
                case .localMissing: rmdir(lab.drop)
                case .localUnmarked: break
                case .localFull: try lab.mountDrop("size=1m")
                case .localReadOnly:
                    try lab.mountDrop("size=20m")
                    try runTool(["mount", "-o", "remount,ro", lab.drop])
                }
            }
            func mend(_ lab: ShipLab) throws {
                switch self {
                case .noSubsystem, .shellText, .shellRefuses, .chrootForeign:
                    lab.killServer()
                    lab.account.config = "Subsystem sftp internal-sftp"
                    try lab.startServer()
                case .keyUnknown: try lab.authorize()
                case .directoryMissing, .directoryIsFile:
                    unlink(lab.drop)
                    try runTool(["mkdir", lab.drop])
                    try runTool(["chown", "nobody", lab.drop])
                    try lab.watchAgain()
                case .localMissing:
                    try runTool(["mkdir", lab.drop])
                    try lab.watchAgain()
                    try write("", to: lab.drop + "/.sensor-target")
                case .localUnmarked: try write("", to: lab.drop + "/.sensor-target")
                case .directoryForeign: chmod(lab.drop, 0o755)
                case .readOnly, .localReadOnly: try runTool(["mount", "-o", "remount,rw", lab.drop])
                case .diskFull, .localFull: try runTool(["mount", "-o", "remount,size=20m", lab.drop])
                case .inodesFull: try runTool(["mount", "-o", "remount,nr_inodes=100", lab.drop])
                case .hostKeyChanged: try write("", to: lab.knownHosts)
                case .hostKeyUnknown:
                    let key = try text(of: lab.root + "/host_key.pub")
                    try write("[\(ShipLab.boxAddress)]:\(ShipLab.port) \(key)", to: lab.knownHosts)
                case .dropsAtAccept, .speaksHTTP: try lab.link?.set()
                case .nobodyListens: try lab.startServer()
                case .quotaUsed:
                    lab.killServer()
                    try lab.startServer()
                }
            }
        }

        @Test(
            "each trouble is said once, in one line; nothing is lost, and all arrives soon after it is mended",
            arguments: Trouble.allCases)
        func trouble(_ trouble: Trouble) throws {
            let lab = try ShipLab(trouble.account)
            try trouble.make(lab)
            let names = try lab.make(3, of: 600_000)
            let shipper = try lab.startShipper(target: trouble.isLocal ? lab.drop : nil, arguments: trouble.arguments)
            try waitUntil(40, "a line; \(shipper.output)") { !shipper.complaints.isEmpty }
            usleep(4_000_000)
            let line = shipper.complaints.first ?? ""
            // A reset is heard in one of three places.
            #expect(shipper.complaints.count <= (trouble == .dropsAtAccept ? 3 : 1), "\(shipper.output)")
            for words in trouble.words { #expect(line.contains(words), "\(words) in \(line)") }
            #expect(line.hasPrefix("ERRO ") || !trouble.isOperators, "\(line)")
            #expect(!line.contains(trouble.lie))
            print("\(trouble): \(line)")
            #expect(lab.waiting.last == names.last)
            // What was opened for a file that failed is given back.
            #expect(lab.mostDescriptors() < 40)
            try trouble.mend(lab)
            try lab.waitForDelivery(25, shipper)
            #expect(shipper.end(SIGTERM).status == .code(0))
            try lab.check(shipper.output)
        }

        @Test(
            "a final name that is there with the same content is delivered; with other content, of any size, both are kept and the next go on"
        )
        func conflicts() throws {
            let lab = try ShipLab()
            let names = try lab.make(5, of: 10_000)
            var content = try names.map { try bytes(of: "\(lab.spool)/\($0)") }
            content[1][5000] ^= 1
            content[2] += [0]
            content[3] = []
            for (name, content) in zip(names.prefix(4), content) {
                try Descriptor.open("\(lab.drop)/\(name)", flags: O_WRONLY | O_CREAT, mode: 0o644).writeAll(content)
                try runTool(["chown", "nobody", "\(lab.drop)/\(name)"])
            }
            try lab.watchAgain()
            let shipper = try lab.startShipper()
            try waitUntil(10, "the last; \(shipper.output)") { lab.waiting == Array(names[1...3]) }
            usleep(7_000_000)
            #expect(shipper.complaints.count == 3, "each once: \(shipper.output)")
            for name in names[1...3] {
                let line = shipper.complaints.first { $0.contains(name) } ?? ""
                #expect(line.contains("two sensors") && line.contains("state directory"), "\(line)")
            }
            for (name, content) in zip(names[1...3], content[1...3]) {
                #expect(try bytes(of: "\(lab.drop)/\(name)") == content, "nothing is overwritten")
                #expect(access("\(lab.spool)/\(name)", R_OK) == 0)
            }
            #expect(lab.delivered == names)
            // Moved away there, they go at last.
            for name in names[1...3] { unlink("\(lab.drop)/\(name)") }
            try lab.waitForDelivery(20, shipper)
            shipper.end(SIGTERM)
            for name in names[1...3] {
                let there = try bytes(of: "\(lab.drop)/\(name)")
                #expect(there.count == lab.files[name]?.size)
            }
        }

        @Test("after an outage the files of it arrive in the order of their numbers, and the new ones after them")
        func orderAfterOutage() throws {
            let lab = try ShipLab()
            lab.killServer()
            let shipper = try lab.startShipper()
            for _ in 0..<15 { for interface in ["eth0", "wan.7"] { try lab.make(1, of: 30_000, interface: interface) } }
            usleep(1_500_000)
            try lab.startServer()
            try waitUntil(20, "the first; \(shipper.output)") { !lab.delivered.isEmpty }
            for _ in 0..<10 { for interface in ["eth0", "wan.7"] { try lab.make(1, of: 30_000, interface: interface) } }
            try lab.waitForDelivery(20, shipper)
            #expect(shipper.complaints.count == 1, "\(shipper.output)")
            shipper.end(SIGTERM)
            try lab.check()
        }

        @Test("100,000 files waiting: the oldest goes within seconds, in little memory, and waiting costs nothing")
        func longOutage() throws {
            let lab = try ShipLab()
            let first = try #require(lab.make(1, of: 500).first)
            let name = try #require(SpoolName(first))
            for sequence in 2...100_000 as ClosedRange<UInt64> {
                let other = SpoolName(sensor: name.sensor, interface: name.interface, stamp: name.stamp, sequence: sequence)
                for (from, to) in [(name.meta, other.meta), (name.pcap, other.pcap)] {
                    Glibc.link("\(lab.spool)/\(from)", "\(lab.spool)/\(to)")
                }
            }
            lab.killServer()
            let shipper = try lab.startShipper()
            try waitUntil(15, "a line; \(shipper.output)") { !shipper.complaints.isEmpty }
            let before = ticks(shipper.pid)
            usleep(3_000_000)
            // Its tries are 2 and 4 s apart by now.
            #expect(ticks(shipper.pid) - before < 250, "hundredths of a second of CPU")
            shipper.end(SIGTERM)
            try lab.startServer()
            let start = MonotonicTime.now()
            let next = try lab.startShipper()
            try waitUntil(15, "the first; \(next.output)") { !(lab.watch?.seen.isEmpty ?? true) }
            let seconds = MonotonicTime.now() - start
            #expect(lab.watch?.seen.first?.name == first)
            let peak = Int(processStatus(next.pid, "VmHWM").prefix { $0.isNumber }) ?? .max
            print("long outage: first after \(seconds) s, peak \(peak) KiB")
            // This is a debug build.
            #expect(seconds < 6 && peak < 100_000)
            #expect(next.end(SIGTERM).seconds < 6)
        }

        @Test("hundreds of refused connections and logins leave no descriptor open", .enabled(if: Self.faster != nil, "needs faketime"))
        func descriptors() throws {
            let lab = try ShipLab()
            let link = try lab.startLink(["refuse": "1"])
            try lab.make(2, of: 1000)
            // A clock that runs faster: the waits between the tries are what takes time.
            let tries = ShipCrashTests.asked == nil ? 300 : 2000
            for (way, rate, count) in [("refuse", 3000, tries), ("login", 20, tries / 15)] {
                if way == "login" {
                    try write("", to: lab.root + "/authorized_keys")
                    try link.set()
                }
                let shipper = try lab.startShipper(
                    before: Self.faster.map { ["/usr/bin/env", "LD_PRELOAD=\($0)", "FAKETIME=+0 x\(rate)"] } ?? [])
                let pid = shipper.pid
                let start = link.number("accepted")
                func wait(_ count: Int) throws {
                    try waitUntil(120, "\(count) tries; \(shipper.output.suffix(1000))") { link.number("accepted") - start >= count }
                }
                try wait(5)
                let before = descriptorCount(pid)
                try wait(count)
                #expect(before > 3)
                // A try that is under way has a socket, a pipe, a directory and its files open.
                #expect(abs(descriptorCount(pid) - before) <= 8, "\(way): \(before), then \(descriptorCount(pid))")
                #expect(shipper.complaints.count <= 4, "\(shipper.output.prefix(2000))")
                // Its time for ending runs as fast.
                shipper.end(SIGKILL)
            }
            try lab.authorize()
            let last = try lab.ship()
            #expect(last.status == .code(0), "\(last.output)")
            try lab.check()
        }
        static let faster: String? = {
            guard let places = try? Directory("/usr/lib").names() else { return nil }
            return places.map { "/usr/lib/\($0)/faketime/libfaketime.so.1" }.first { access($0, R_OK) == 0 }
        }()

        @Test("a target that is the spool, reached over the network, gets nothing, and loses nothing")
        func ownSpool() throws {
            let lab = try ShipLab()
            chmod(lab.spool, 0o777)
            let names = try lab.make(3, of: 10_000)
            let content = try names.map { try bytes(of: "\(lab.spool)/\($0)") }
            for _ in 0..<2 {
                let ended = try lab.ship(target: "nobody@\(ShipLab.boxAddress):\(lab.spool)")
                #expect(ended.status == .code(1))
                #expect(ended.output.contains("\(lab.spool) is the spool itself"), "\(ended.output)")
            }
            #expect(try names.map { try bytes(of: "\(lab.spool)/\($0)") } == content)
            let ended = try lab.ship()
            #expect(ended.status == .code(0), "\(ended.output)")
            try lab.check(ended.output)
        }

        @Test("after a fault the second file waits no longer than the first, with few descriptors as well", arguments: [1024, 40])
        func afterFault(descriptors: Int) throws {
            let lab = try ShipLab()
            try lab.make(30, of: 1000)
            let shipper = try lab.startShipper(target: lab.drop, before: ["prlimit", "--nofile=\(descriptors):\(descriptors)"])
            try waitUntil(5, "a line; \(shipper.output)") { shipper.complaints.count == 1 }
            try write("", to: lab.drop + "/.sensor-target")
            try waitUntil(15, "the first file; \(shipper.output)") { !lab.delivered.isEmpty }
            try lab.waitForDelivery(3, shipper)
            shipper.end(SIGTERM)
            #expect(shipper.complaints.count == 1, "\(shipper.output)")
            try lab.check()
        }

        @Test("without a port of its own left it says which, and goes on when one is free")
        func portsTaken() throws {
            let lab = try ShipLab()
            try lab.make(1, of: 1000)
            let taker = try Background(
                lab.inSpace(lab.shipperSpace, ["/usr/bin/python3", Peers.path("take-ports.py"), "60872", "60887"]),
                log: lab.root + "/taker.log")
            try waitUntil(5, "the ports are taken") { taker.output.contains("taken") }
            let shipper = try lab.startShipper()
            try waitUntil(5, "a line; \(shipper.output)") { shipper.complaints.contains { $0.contains("60872-60887") } }
            taker.end(SIGKILL)
            try lab.waitForDelivery(10, shipper)
            shipper.end(SIGTERM)
            try lab.check()
        }
    }
}

func descriptorCount(_ pid: Int32) -> Int { ((try? Directory("/proc/\(pid)/fd").names()) ?? []).count }

extension ShipLab {
    /// Of the centre's processes the one with most.
    func mostDescriptors() -> Int { processes(in: boxSpace).map(descriptorCount).max() ?? 0 }
}
