import Glibc
import Linux
import Spool
import Supervisor
import Testing

extension EndToEnd {
    /// Bad links: nothing hangs, a stop is heard at once, and what is there already is not sent again.
    @Suite(.serialized) struct ShipLinkTests {
        @Test("SIGTERM in the middle of a slow upload ends it within 2 s, and the next run sends the rest only")
        func resumes() throws {
            let lab = try ShipLab()
            let size = 90_000_000
            try lab.make(1, of: size)
            let link = try lab.startLink(["rate": "10000000"])
            let shipper = try lab.startShipper()
            try waitUntil(20, "most of it; \(shipper.output)") { link.up > 45_000_000 }
            let ended = shipper.end(SIGTERM)
            #expect(ended.status == .code(0) && ended.seconds < 2, "\(ended)")
            #expect(lab.delivered == [])
            let before = link.up
            try link.set()
            let next = try lab.ship()
            #expect(next.status == .code(0), "\(next.output)")
            #expect(link.up - before < size - (32 << 20) + 2_000_000, "sent again: \(link.up - before) bytes of \(size)")
            try lab.check()
        }

        @Test("SIGTERM is heard at once, whatever the link does", arguments: ["deaf", "hold", "mute", "rate"])
        func stopIsHeard(fault: String) throws {
            let lab = try ShipLab()
            try lab.make(1, of: 1000)
            try lab.startLink([fault: "1"])
            let shipper = try lab.startShipper()
            usleep(2_500_000)
            #expect(!shipper.hasEnded)
            let ended = shipper.end(SIGTERM)
            #expect(ended.status == .code(0) && ended.seconds < 2, "\(ended)")
            try lab.link?.set()
            let next = try lab.ship()
            #expect(next.status == .code(0), "\(next.output)")
            try lab.check()
        }

        @Test(
            "a link that dies in the middle of an upload: SIGTERM is heard at once, and the next run delivers",
            arguments: ["hold", "mute", "rate"])
        func stopInUpload(fault: String) throws {
            let lab = try ShipLab()
            try lab.make(1, of: 8_000_000)
            let link = try lab.startLink(["rate": "2000000"])
            let shipper = try lab.startShipper()
            try waitUntil(10, "an upload under way; \(shipper.output)") { link.up > 1_000_000 }
            try link.set([fault: "1"])
            usleep(1_500_000)
            let ended = shipper.end(SIGTERM)
            #expect(ended.status == .code(0) && ended.seconds < 2, "\(ended)")
            try link.set()
            let next = try lab.ship()
            #expect(next.status == .code(0), "\(next.output)")
            try lab.check()
        }

        @Test(
            "a server that accepts and says nothing, or one byte a second, is given up with a line, and used when it speaks",
            arguments: ["deaf", "rate"])
        func silence(fault: String) throws {
            let lab = try ShipLab()
            try lab.make(1, of: 1000)
            let link = try lab.startLink([fault: "1"])
            let shipper = try lab.startShipper(arguments: "-o ConnectTimeout=5")
            try waitUntil(45, "a line; \(shipper.output)") { !shipper.complaints.isEmpty }
            #expect(shipper.complaints.first?.contains(ShipLab.boxAddress) == true, "\(shipper.output)")
            try link.set()
            try lab.waitForDelivery(15, shipper)
            shipper.end(SIGTERM)
            try lab.check()
        }

        @Test("a black-out of 40 s in the middle of an upload: it goes on soon after")
        func blackOut() throws {
            let lab = try ShipLab()
            try lab.make(2, of: 6_000_000)
            let link = try lab.startLink(["rate": "2000000"])
            let shipper = try lab.startShipper()
            try waitUntil(10, "an upload under way; \(shipper.output)") { link.up > 1_000_000 }
            try link.set(["hold": "1"])
            usleep(40_000_000)
            try link.set()
            try lab.waitForDelivery(30, shipper)
            #expect(shipper.complaints.count <= 3, "\(shipper.output)")
            shipper.end(SIGTERM)
            try lab.check(shipper.output)
        }

        @Test("200 ms there and back, and a narrow link: slow is not dead")
        func slow() throws {
            let lab = try ShipLab()
            try lab.make(5, of: 40_000)
            try lab.startLink(["delay": "100", "rate": "100000"])
            let shipper = try lab.startShipper(["--once"])
            try shipper.waitForEnd(within: 30)
            #expect(shipper.status == .code(0), "\(shipper.output)")
            #expect(shipper.complaints == [])
            try lab.check()
        }

        @Test("every connection comes from SCP_SOURCE_PORTS, and the rate holds over all of them", arguments: ["--rate", "-l"])
        func portsAndRate(way: String) throws {
            let lab = try ShipLab()
            try lab.make(6, of: 1_500_000)
            // Kbit/s as scp's.
            let shipper =
                try way == "-l" ? lab.startShipper(["--once"], arguments: "-l 16000") : lab.startShipper(["--once", "--rate", "2000000"])
            let start = MonotonicTime.now()
            var ports: Set<Int> = []
            while !shipper.hasEnded, MonotonicTime.now() - start < 20 {
                let lines = try runTool(lab.inSpace(lab.shipperSpace, ["ss", "-Htn"])).output.split(separator: "\n")
                for line in lines { ports.insert(Int(line.split(separator: " ")[3].split(separator: ":").last ?? "") ?? 0) }
                usleep(30_000)
            }
            let seconds = MonotonicTime.now() - start
            #expect(shipper.status == .code(0), "\(shipper.output)")
            #expect(!ports.isEmpty && ports.allSatisfy { (60872...60887).contains($0) }, "\(ports)")
            // 9 MB at 2 MB/s; the debug build's start and a burst of a quarter of a second are allowed for.
            #expect(seconds > 4 && seconds < 8, "\(seconds) s")
            try lab.check(shipper.output)
        }

        @Test("on a terminal the progress shows file, percent, rate and backlog, and is wiped at the end, cut short or not")
        func progress() throws {
            let lab = try ShipLab()
            try lab.make(2, of: 1_500_000)
            let interrupted = #"exec script -qec "$(printf '%q ' timeout --foreground -s INT 2 "$@")" /dev/null"#
            let shipper = try lab.startShipper(["--rate", "500K"], before: ["bash", "-c", interrupted, "-"])
            try shipper.waitForEnd(within: 10)
            #expect(shipper.output.contains("% 5") || shipper.output.contains("% 4"), "\(shipper.output)")
            #expect(shipper.output.contains("KiB/s, 1 waiting"))
            #expect(shipper.output.hasSuffix("\r\u{1b}[K"), "\(shipper.output.suffix(80).debugDescription)")
        }

        @Test("ship --once on a link that is cut leaves everything and ends with 1")
        func onceIsCut() throws {
            let lab = try ShipLab()
            try lab.make(1, of: 2_000_000)
            try lab.startLink(["cut-after": "1000000"])
            let ended = try lab.ship()
            #expect(ended.status == .code(1), "\(ended.output)")
            #expect(lab.waiting.count == 1 && lab.delivered == [])
            try lab.link?.set()
            #expect(try lab.ship().status == .code(0))
            try lab.check()
        }
    }
}
