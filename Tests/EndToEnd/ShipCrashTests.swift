import Glibc
import Linux
import Spool
import Supervisor
import Synchronization
import Testing

extension EndToEnd {
    /// Whatever dies in the middle, each file is there once and whole in the end.
    @Suite(.serialized) struct ShipCrashTests {
        /// SENSOR_TEST_KILLS=500 for a night.
        static let asked = getenv("SENSOR_TEST_KILLS").flatMap { Int(String(cString: $0)) }
        enum Victim: String { case shipper, server, session, link }

        @Test(
            "shipper, server, sessions and link struck at random moments: each file once, whole, in order, nothing left over",
            arguments: [([.shipper], 10), ([.server, .session], 25), ([.link], 10), ([.shipper, .server, .session, .link], 25)]
                as [(
                    [Victim], Int
                )])
        func strikes(_ victims: [Victim], _ count: Int) throws {
            let lab = try ShipLab()
            let link = try lab.startLink(["rate": "12000000"])
            var shipper = try lab.startShipper()
            var struck: [String: Int] = [:]
            var made = 0
            for _ in 0..<(Self.asked ?? count) {
                while lab.waiting.count < 4 {
                    try lab.make(1, of: Int.random(in: 10_000...2_500_000), interface: ["eth0", "wan.7"].randomElement() ?? "")
                    made += 1
                }
                // It has come through since the last time, or its back-off would rule the test; then a random moment.
                let (arrivals, up) = (lab.watch?.seen.count ?? 0, link.up + Int.random(in: 0...3_000_000))
                try waitUntil(90, "a shipper at work; \(shipper.output.suffix(1500))") {
                    lab.watch?.seen.count ?? 0 > arrivals || (victims == [.shipper] && link.up > up)
                }
                usleep(UInt32.random(in: 0...400_000))
                let victim = try #require(victims.randomElement())
                struck[victim.rawValue, default: 0] += 1
                switch victim {
                case .shipper:
                    shipper.end(SIGKILL)
                    shipper = try lab.startShipper()
                case .server:
                    lab.killServer()
                    usleep(UInt32.random(in: 0...300_000))
                    try lab.startServer()
                case .session: lab.killSessions()
                case .link: try link.set(["rate": "12000000", "cut": "1"])
                }
            }
            try link.set()
            try lab.waitForDelivery(90, shipper)
            #expect(shipper.end(SIGTERM).status == .code(0))
            try lab.check()
            print("struck \(struck), \(made) files, \(link.number("accepted")) connections")
        }

        @Test("SIGKILL in the middle of one file, again and again: its name is never there before it is whole")
        func neverShort() throws {
            let lab = try ShipLab(.init(key: ShipServerTests.restricted))
            try lab.startLink(["rate": "20000000"])
            let names = try lab.make(1, of: 12_000_000)
            for _ in 0..<10 {
                let shipper = try lab.startShipper(["--once"])
                usleep(UInt32.random(in: 50_000...600_000))
                shipper.end(SIGKILL)
            }
            try lab.link?.set()
            let last = try lab.ship()
            #expect(last.status == .code(0), "\(last.output)")
            #expect(lab.delivered == names)
            try lab.check()
        }

        @Test("SIGKILL again and again under a large file: it goes on from where it was safe")
        func largeFile() throws {
            let lab = try ShipLab()
            let size = 150_000_000
            try lab.make(1, of: size)
            let link = try lab.startLink(["rate": "40000000"])
            let kills = 6
            for _ in 0..<kills {
                let shipper = try lab.startShipper()
                usleep(UInt32.random(in: 700_000...1_600_000))
                shipper.end(SIGKILL)
            }
            try link.set()
            let last = try lab.ship(within: 60)
            #expect(last.status == .code(0), "\(last.output)")
            // A kill costs at most what came after the last checkpoint, 32 MiB apart, and what was under way.
            #expect(link.up < size + kills * (44 << 20), "\(link.up) bytes for \(size)")
            try lab.check(last.output)
        }

        enum Meddling: String, CaseIterable {
            case removed, emptied, cut, lengthened, directory, danglingLink, linkElsewhere, foreign, directoryReplaced

            func meddle(_ lab: ShipLab, with path: String) throws {
                switch self {
                case .removed: unlink(path)
                case .emptied: truncate(path, 0)
                case .cut: truncate(path, 1_000_000)
                case .lengthened: truncate(path, 300_000_000)
                case .directory:
                    unlink(path)
                    try runTool(["mkdir", path])
                case .danglingLink, .linkElsewhere:
                    unlink(path)
                    symlink(lab.root + "/elsewhere", path)
                    if self == .linkElsewhere { try runTool(["install", "-m", "666", "/dev/null", lab.root + "/elsewhere"]) }
                case .foreign:
                    try runTool(["chown", "root:root", path])
                    chmod(path, 0o400)
                case .directoryReplaced:
                    try runTool(["mv", lab.drop, lab.drop + ".old"])
                    try runTool(["install", "-d", "-o", "nobody", lab.drop])
                    try lab.watchAgain()
                }
            }
        }
        @Test("whatever somebody did at the centre to a half-sent file, it arrives whole in the end", arguments: Meddling.allCases)
        func meddling(_ meddling: Meddling) throws {
            let lab = try ShipLab()
            try lab.make(1, of: 60_000_000)
            let link = try lab.startLink(["rate": "40000000"])
            var shipper = try lab.startShipper()
            // Beyond the first checkpoint.
            try waitUntil(15, "most of it; \(shipper.output)") { link.up > 48_000_000 }
            shipper.end(SIGKILL)
            usleep(100_000)
            let name = try #require(lab.hidden.max { $0.value < $1.value }?.key)
            try meddling.meddle(lab, with: "\(lab.drop)/\(name)")
            try link.set()
            shipper = try lab.startShipper()
            try lab.waitForDelivery(20, shipper)
            shipper.end(SIGTERM)
            try lab.check(hiddenMayBeLeft: true, shipper.output)
        }

        @Test("SIGKILL while a local directory is being filled")
        func local() throws {
            let lab = try ShipLab(server: false)
            try write("", to: lab.drop + "/.sensor-target")
            for _ in 0..<(Self.asked ?? 20) {
                while lab.waiting.count < 6 { try lab.make(1, of: Int.random(in: 10_000...3_000_000)) }
                let shipper = try lab.startShipper(target: lab.drop)
                usleep(UInt32.random(in: 20_000...200_000))
                shipper.end(SIGKILL)
            }
            let last = try lab.ship(target: lab.drop)
            #expect(last.status == .code(0), "\(last.output)")
            try lab.check(last.output)
        }

        @Test("the rename is done and its answer lost: delivered once", arguments: ["", ShipServerTests.restricted])
        func answerLost(key: String) throws {
            let lab = try ShipLab(.init(key: key))
            let link = try lab.startLink(["delay": "150"])
            try lab.make(3, of: 200_000)
            let lost = Flag()
            lab.watch?.onNextArrival { _ in
                // The answer is still on its way.
                try? link.set(["mute": "1"])
                usleep(300_000)
                try? link.set(["cut": "1"])
                lost.set()
            }
            let shipper = try lab.startShipper()
            try lab.waitForDelivery(25, shipper)
            #expect(lost.isSet && !shipper.complaints.isEmpty)
            #expect(shipper.end(SIGTERM).status == .code(0))
            try lab.check(shipper.output)
        }

        @Test("the same where the centre has taken the file meanwhile")
        func answerLostAndTaken() throws {
            let lab = try ShipLab()
            let link = try lab.startLink(["delay": "150"])
            try runTool(["mkdir", lab.root + "/taken"])
            lab.watch?.take(into: lab.root + "/taken")
            try lab.make(3, of: 200_000)
            lab.watch?.onNextArrival { _ in
                try? link.set(["mute": "1"])
                usleep(300_000)
                try? link.set(["cut": "1"])
            }
            let shipper = try lab.startShipper()
            try lab.waitForDelivery(25, shipper)
            shipper.end(SIGTERM)
            try lab.check(shipper.output)
        }
    }
}

/// Set on one thread, asked for on another.
final class Flag: Sendable {
    private let value = Atomic(false)
    func set() { value.store(true, ordering: .releasing) }
    var isSet: Bool { value.load(ordering: .acquiring) }
}

extension ShipLab {
    /// What serves the connections; the listening server lives on.
    func killSessions() {
        for pid in processes(in: boxSpace) where pid != link?.program.pid && pid != serverPid { kill(pid, SIGKILL) }
    }
}
