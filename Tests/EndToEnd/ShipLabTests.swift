import Glibc
import Linux
import Spool
import Testing

extension EndToEnd {
    /// Checks that see nothing would let everything pass.
    @Suite(.serialized) struct ShipLabTests {
        @Test("the checks see a short file, other content, a manifest too late, a file twice, disorder and what is left")
        func checksSee() throws {
            let lab = try ShipLab(server: false)
            let names = try lab.make(4, of: 1000)
            func bring(_ name: String, _ content: [UInt8]) throws {
                let file = try Descriptor.open("\(lab.drop)/\(name)", flags: O_WRONLY | O_CREAT | O_TRUNC)
                usleep(100_000)
                try file.writeAll(content)
            }
            let first = try bytes(of: "\(lab.spool)/\(names[0])")
            try bring(names[1], [1, 2, 3])
            try bring(names[0], first)
            unlink("\(lab.drop)/\(names[0])")
            try bring(names[0], first)
            try write("{}", to: lab.drop + "/.lost.part")
            unlink("\(lab.spool)/\(names[2])")
            let faults = try lab.faults().joined(separator: "\n")
            for words in [
                "\(names[1]) differs", "\(names[1]) appeared with 0 bytes", "\(names[1]) appeared before its manifest",
                "\(names[0]) appeared twice",
                "\(names[0]) appeared after number 2", "\(names[0]): its manifest is not of it", "\(names[2]) is not there",
                "left at the centre: [\".lost.part\"", "left in the spool",
            ] { #expect(faults.contains(words), "\(words): \(faults)") }
        }

        @Test("the link delays, slows, holds, mutes and cuts")
        func linkFaults() throws {
            let lab = try ShipLab(server: false)
            try lab.startServer(["/usr/bin/python3", Peers.path("echo-server.py"), ShipLab.boxAddress, "\(ShipLab.port)"])
            let link = try lab.startLink()
            /// Sends `count` bytes and reads what comes back; "bytes seconds", or the error's name.
            func echoed(_ count: Int) throws -> (words: String, seconds: Double) {
                let start = MonotonicTime.now()
                let client = lab.inSpace(
                    lab.shipperSpace,
                    ["/usr/bin/python3", Peers.path("echo-client.py"), ShipLab.boxAddress, "\(ShipLab.linkPort)", "\(count)"])
                let words = try runTool(client).output
                return (words.trimming, MonotonicTime.now() - start)
            }
            #expect(try echoed(100_000).words == "100000")
            try link.set(["delay": "300"])
            #expect(try echoed(10).seconds >= 0.6)
            try link.set(["rate": "50000"])
            #expect(try echoed(100_000).seconds >= 1.9)
            for silent in ["hold", "deaf", "mute"] {
                try link.set([silent: "1"])
                #expect(try echoed(10).words == "timeout", "\(silent)")
            }
            for broken in [["refuse": "1"], ["cut-after": "50000"], ["cut-every": "1"]] {
                try link.set(broken)
                // The client's writer may be the one that hears of the reset.
                #expect(["reset", "0"].contains(try echoed(200_000).words), "\(broken)")
            }
            try link.set(["banner": "hello\\n"])
            #expect(try echoed(10).words == "16")
            try link.set()
            #expect(try echoed(100_000).words == "100000")
            #expect(link.up >= 300_000 && link.number("resets") >= 2)
        }

    }
}

/// Programs at the other end.
enum Peers {
    static func path(_ name: String) -> String { #filePath.replacing("ShipLabTests.swift", with: "Peers/" + name) }
}

extension String {
    var trimming: String { String(drop { $0.isWhitespace }.reversed().drop { $0.isWhitespace }.reversed()) }
}
