import Glibc
import Linux
import Spool
import Supervisor
import Testing

extension EndToEnd {
    /// What was on the wire is in the file, byte for byte, and what is left out is the own upload and nothing else. Reports are
    /// numbered as in the collection of real bugs of capture programs.
    @Suite(.serialized) struct CaptureFrameTests {
        /// What is injected has this destination, which is nobody's: nobody answers, and noise of the kernel is told apart.
        private static let nobody: [UInt8] = [2, 0, 0, 0, 0, 0x99]
        private static let toNobody = "ether dst 02:00:00:00:00:99"

        private static func word(_ value: Int) -> [UInt8] { [UInt8(value >> 8 & 255), UInt8(value & 255)] }
        /// `tags`: tag protocol and tag of each, the outermost first.
        private static func ethernet(_ tags: [(Int, Int)], type: Int, _ packet: [UInt8]) -> [UInt8] {
            nobody + [2, 0, 0, 0, 0, 1] + tags.flatMap { word($0.0) + word($0.1) } + word(type) + packet
        }
        private static func ip4(_ from: UInt8, _ to: UInt8, offset: Int = 0, _ body: [UInt8]) -> [UInt8] {
            [0x45, 0] + word(20 + body.count) + [0, 7] + word(offset) + [64, 6, 0, 0, 10, 77, 0, from, 10, 77, 0, to] + body
        }
        private static func ip6(_ from: UInt8, _ to: UInt8, _ body: [UInt8]) -> [UInt8] {
            let network: [UInt8] = [0xfd, 0x77] + [UInt8](repeating: 0, count: 13)
            return [0x60, 0, 0, 0] + word(body.count) + [6, 64] + network + [from] + network + [to] + body
        }
        private static func tcp(_ from: Int, _ to: Int, mark: Int) -> [UInt8] {
            word(from) + word(to) + [0, 0, 0, 1, 0, 0, 0, 2, 0x50, 0x18, 1, 0, 0, 0, 0, 0] + word(mark)
                + [UInt8](repeating: 0x61, count: 18)
        }

        private func recorded(in directory: String) throws -> [[UInt8]] {
            let files = try DropBoxContents(directory)
            #expect(files.recordFaults == [])
            let frames = files.files.flatMap(\.frames)
            #expect(frames.allSatisfy { $0.length == $0.bytes.count })
            return frames.map { Array($0.bytes) }
        }

        @Test("reports 14, 15: frames in VLAN tags of every kind are recorded as they were on the wire, incoming and outgoing")
        func tags() throws {
            let lab = try Lab()
            let layouts: [[(Int, Int)]] = [
                [], [(0x8100, 100)], [(0x8100, 7 << 13 | 100)], [(0x8100, 0)], [(0x88a8, 200), (0x8100, 100)],
                [(0x8100, 200), (0x8100, 100)],
            ]
            func frames(_ mark: Int) -> [[UInt8]] {
                layouts.enumerated().map { Self.ethernet($1, type: 0x0800, Self.ip4(2, 1, Self.tcp(1, 2, mark: mark + $0))) }
            }
            let capture = try lab.startCapture(filter: Self.toNobody)
            try lab.inject(frames(100), in: lab.boxSpace, lab.boxInterface)
            try lab.inject(frames(200), in: lab.sensorSpace, lab.interface)
            #expect(capture.end(SIGTERM).status == .code(0))
            #expect(try recorded(in: lab.pcaps) == frames(100) + frames(200))
        }

        /// One packet of the exclusion's trial.
        private struct Probe {
            let bytes: [UInt8]
            let isOwn: Bool
        }
        /// Between sensor (.1) and target (.2), in both directions of the connection, in up to two tags.
        private static func probes(_ mark: Int) -> [Probe] {
            var out: [Probe] = []
            func add(_ tags: [(Int, Int)], isOwn: Bool = false, isSix: Bool, _ packet: ([UInt8]) -> [UInt8], _ from: Int, _ to: Int) {
                let packet = packet(tcp(from, to, mark: mark + out.count))
                out.append(Probe(bytes: ethernet(tags, type: isSix ? 0x86dd : 0x0800, packet), isOwn: isOwn))
            }
            let layouts: [[(Int, Int)]] = [[], [(0x8100, 100)], [(0x88a8, 200), (0x8100, 100)], [(0x8100, 200), (0x8100, 100)]]
            for tags in layouts {
                for isSix in [false, true] {
                    let there: ([UInt8]) -> [UInt8] = { isSix ? ip6(1, 2, $0) : ip4(1, 2, $0) }
                    let back: ([UInt8]) -> [UInt8] = { isSix ? ip6(2, 1, $0) : ip4(2, 1, $0) }
                    for port in [60872, 60887] {
                        add(tags, isOwn: true, isSix: isSix, there, port, Lab.port)
                        add(tags, isOwn: true, isSix: isSix, back, Lab.port, port)
                    }
                    // Somebody else's: another source port, another port of the target, another host, the other way round.
                    for port in [50_000, 60871, 60888] {
                        add(tags, isSix: isSix, there, port, Lab.port)
                        add(tags, isSix: isSix, back, Lab.port, port)
                    }
                    add(tags, isSix: isSix, there, 60872, 80)
                    add(tags, isSix: isSix, back, 80, 60872)
                    add(tags, isSix: isSix, { isSix ? ip6(1, 3, $0) : ip4(1, 3, $0) }, 60872, Lab.port)
                    add(tags, isSix: isSix, there, Lab.port, 60872)
                    add(tags, isSix: isSix, back, 60872, Lab.port)
                }
                // A first fragment has the ports of an upload, and a later one bytes that look like them.
                for offset in [0x2000, 0x2000 | 185, 370] { add(tags, isSix: false, { ip4(1, 2, offset: offset, $0) }, 60872, Lab.port) }
            }
            return out
        }

        @Test("report 16: the own upload is left out in every layout, both ways, beside any filter, and nothing else is")
        func ownUpload() throws {
            let lab = try Lab()
            let target = TargetAddresses(addresses: [Lab.boxAddress, "fd77::2"], port: UInt16(Lab.port))
            let filters = ["", "vlan", "not (port 80 or (vlan and port 80))"]
            var captures: [(program: Background, directory: String, filter: String, leavesOut: Bool)] = []
            for (index, filter) in filters.enumerated() {
                for leavesOut in [false, true] {
                    let directory = "\(lab.pcaps)-\(index)-\(leavesOut)"
                    if leavesOut {
                        try runTool(["mkdir", "-p", directory + "/.state"])
                        try JSONFile.write(target, TargetAddresses.file, in: Directory(directory + "/.state"))
                    }
                    let program = try lab.startCapture(["-B", "2M"], filter: filter, into: directory)
                    captures.append((program, directory, filter, leavesOut))
                }
            }
            let (incoming, outgoing) = (Self.probes(1000), Self.probes(2000))
            try lab.inject(incoming.map(\.bytes), in: lab.boxSpace, lab.boxInterface)
            try lab.inject(outgoing.map(\.bytes), in: lab.sensorSpace, lab.interface)
            let all = incoming + outgoing
            let own = Set(all.filter(\.isOwn).map(\.bytes))
            #expect(own.count == 2 * 4 * 2 * 4)
            var without: [[UInt8]] = []
            for capture in captures {
                #expect(capture.program.end(SIGTERM).status == .code(0))
                let frames = try recorded(in: capture.directory).filter { $0.starts(with: Self.nobody) }
                if !capture.leavesOut {
                    without = frames
                    if capture.filter.isEmpty { #expect(frames == all.map(\.bytes)) }
                    #expect(frames.contains { own.contains($0) } && frames.contains { !own.contains($0) })
                    continue
                }
                #expect(frames == without.filter { !own.contains($0) }, "\(capture.filter)")
                #expect(lab.facts(in: capture.directory).allSatisfy { $0.excluded?.contains("fd77::2") == true })
            }
        }

        @Test("report 16: addresses of the target that come while it records are left out from then on, in a file of their own")
        func ownUploadLater() throws {
            let lab = try Lab()
            let capture = try lab.startCapture(["-G", "3600"], filter: Self.toNobody)
            let probes = Self.probes(1000)
            try lab.inject(probes.map(\.bytes), in: lab.boxSpace, lab.boxInterface)
            try waitUntil(10, "packets") { lab.parts() != [] }
            let state = try Directory(lab.pcaps + "/.state")
            try JSONFile.write(
                TargetAddresses(addresses: [Lab.boxAddress, "fd77::2"], port: UInt16(Lab.port)), TargetAddresses.file, in: state)
            try waitUntil(10, "the file before; \(capture.output)") { lab.facts().count == 1 }
            try lab.inject(probes.map(\.bytes), in: lab.boxSpace, lab.boxInterface)
            #expect(capture.end(SIGTERM).status == .code(0))
            #expect(try recorded(in: lab.pcaps) == probes.map(\.bytes) + probes.filter { !$0.isOwn }.map(\.bytes))
            #expect(lab.facts().map { $0.excluded != nil } == [false, true])
        }

        @Test("report 30: frames as large as offloads make them are recorded whole")
        func large() throws {
            let lab = try Lab()
            for (space, name) in [(lab.sensorSpace, lab.interface), (lab.boxSpace, lab.boxInterface)] {
                try lab.link("set", name, "mtu", "65535", in: space)
            }
            let frames = [60, 1514, 2049, 9014, 32_000, 65_000].map { size in
                let frame = Self.ethernet([], type: 0x88b5, (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ size) })
                return Array(frame.prefix(size))
            }
            let capture = try lab.startCapture(filter: Self.toNobody)
            try lab.inject(frames, in: lab.boxSpace, lab.boxInterface)
            try lab.inject(frames, in: lab.sensorSpace, lab.interface)
            #expect(capture.end(SIGTERM).status == .code(0))
            #expect(try recorded(in: lab.pcaps) == frames + frames)
            #expect(lab.facts().compactMap(\.cut).reduce(0, +) == 0)
        }

        @Test("a snaplen cuts at its length and says how many it cut; what is shorter stays whole")
        func snaplen() throws {
            let lab = try Lab()
            let capture = try lab.startCapture(["-s", "100", "-G", "3600"])
            try lab.sendPackets(20, size: 500)
            try lab.sendPackets(10, size: 58)
            try lab.sendPackets(10, size: 59)
            #expect(capture.end(SIGTERM).status == .code(0))
            let files = try DropBoxContents(lab.pcaps)
            #expect(files.recordFaults == [])
            let frames = files.files.flatMap(\.frames)
            #expect(frames.map(\.length) == [(542, 20), (100, 10), (101, 10)].flatMap { Array(repeating: $0, count: $1) })
            #expect(frames.allSatisfy { $0.bytes.count == 100 })
            #expect(lab.facts().map(\.cut) == [30])
            #expect(lab.facts().map(\.snaplen) == [100])
        }
    }
}
