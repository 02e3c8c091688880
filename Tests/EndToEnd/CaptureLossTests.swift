import Glibc
import Linux
import Spool
import Supervisor
import Testing

extension EndToEnd {
    /// No packet is lost in silence: at the end, at a removal, between files, at a cut, in a full ring, by a clock that is set.
    /// Reports are numbered as in the collection of real bugs of capture programs.
    @Suite(.serialized) struct CaptureLossTests {
        private func numbers(_ files: DropBoxContents) -> [Int] { files.numbers.map(\.number) }

        @Test("report 10: stopped right after the last of 1000 packets, all 1000 are in the file")
        func stoppedAtOnce() throws {
            let lab = try Lab()
            let capture = try lab.startCapture(["-G", "3600"])
            try lab.sendPackets(1000, perSecond: 1_000_000)
            #expect(capture.end(SIGTERM).status == .code(0))
            let files = try DropBoxContents(lab.pcaps)
            #expect(numbers(files) == Array(0..<1000))
            #expect(files.recordFaults == [])
            #expect(lab.parts() == [])
        }

        @Test("the interface removed right after the last of 1000 packets: all 1000 are in the file, and the exit status is 75")
        func removedAtOnce() throws {
            let lab = try Lab()
            let capture = try lab.startCapture(["-G", "3600"])
            try lab.sendPackets(1000, perSecond: 1_000_000)
            try lab.cutCable()
            try capture.waitForEnd(within: 15)
            #expect(capture.status == .code(75))
            #expect(capture.says("interface \(lab.interface) is gone") == 1)
            let files = try DropBoxContents(lab.pcaps)
            #expect(numbers(files) == Array(0..<1000))
            #expect(files.recordFaults == [])
            #expect(lab.parts() == [])
        }

        @Test(
            "reports 1, 2, 3, 5: rotation by time and by size at once under load: each packet in one file, in order, and the last file ends on the idle link"
        )
        func rotation() throws {
            let lab = try Lab()
            let count = 150_000
            let limit = 2 << 20
            let capture = try lab.startCapture(["-G", "1", "-C", "\(limit)"])
            try lab.sendPackets(count, perSecond: 30_000, size: 300)
            // No other packet comes.
            try waitUntil(20, "the last file; \(lab.parts()), \(capture.output.suffix(1000))") {
                lab.parts() == [] && lab.facts().compactMap(\.written).reduce(0, +) == count
            }
            let files = try DropBoxContents(lab.pcaps)
            #expect(numbers(files) == Array(0..<count))
            #expect(files.recordFaults == [])
            let stamps = files.numbers.map(\.at)
            #expect(zip(stamps, stamps.dropFirst()).allSatisfy { $0 <= $1 })
            var perSecond: [Int64: Int] = [:]
            for file in files.files {
                #expect(file.size <= limit)
                let seconds = Set(file.numbers.map { $0.at / 1_000_000 })
                #expect(seconds.count == 1, "\(file.name): \(seconds)")
                for second in seconds { perSecond[second, default: 0] += 1 }
            }
            #expect(perSecond.count > 1, "rotated by time")
            #expect(perSecond.values.contains { $0 > 1 }, "rotated by size")
            #expect(files.files.compactMap { SpoolName($0.name)?.sequence }.sorted() == Array(1...UInt64(files.files.count)))
            let facts = lab.facts()
            #expect(facts.compactMap(\.received).reduce(0, +) == count)
            #expect(facts.allSatisfy { $0.droppedByKernel == 0 && $0.lostToDisk == 0 && $0.cut == 0 && $0.gaps == [] })
            #expect(capture.end(SIGTERM).status == .code(0))
            #expect(try DropBoxContents(lab.pcaps).files.count == files.files.count, "no empty file at the end")
        }

        @Test("report 29: SIGUSR1 under load is one more file, and no packet is lost between the two")
        func cutUnderLoad() throws {
            let lab = try Lab()
            let count = 60_000
            let capture = try lab.startCapture(["-G", "3600"])
            let generator = try lab.sendPacketsInBackground(count, perSecond: 15_000, size: 200)
            try waitUntil(10, "packets") { lab.parts() != [] }
            capture.send(SIGUSR1)
            try waitUntil(10, "the cut; \(capture.output)") { lab.facts().count == 1 }
            try generator.waitForEnd(within: 60)
            #expect(capture.end(SIGTERM).status == .code(0))
            let files = try DropBoxContents(lab.pcaps)
            #expect(files.files.map { $0.records > 0 } == [true, true])
            #expect(numbers(files) == Array(0..<count))
            #expect(files.recordFaults == [])
        }

        @Test("report 29: SIGUSR1 right after 50 packets on a quiet link puts all 50 into a finished file")
        func cutAtOnce() throws {
            let lab = try Lab()
            let capture = try lab.startCapture(["-G", "3600"])
            try lab.sendPackets(50, perSecond: 1_000_000)
            capture.send(SIGUSR1)
            try waitUntil(10, "the cut; \(capture.output)") { lab.facts().count == 1 }
            #expect(try numbers(DropBoxContents(lab.pcaps)) == Array(0..<50))
            #expect(lab.parts() == [])
            #expect(capture.end(SIGTERM).status == .code(0))
            #expect(lab.facts().map(\.written) == [50])
        }

        @Test("report 33: what a full ring dropped is told to the packet, in the files' facts and in the log")
        func dropsAreTold() throws {
            let lab = try Lab()
            let capture = try lab.startCapture(["-B", "2M", "-G", "1"])
            // Twice, so that a total that begins anew would be seen.
            for _ in 1...2 {
                try lab.sendPackets(1000)
                capture.send(SIGSTOP)
                try lab.sendPackets(20_000, perSecond: 100_000, size: 300)
                capture.send(SIGCONT)
                try lab.sendPackets(1000)
            }
            let count: UInt64 = 44_000
            #expect(capture.end(SIGTERM).status == .code(0))
            let files = try DropBoxContents(lab.pcaps)
            #expect(files.recordFaults == [])
            let facts = files.files.compactMap(\.facts)
            let written = facts.compactMap(\.written).reduce(0, +)
            let dropped = facts.compactMap(\.droppedByKernel).reduce(0, +)
            #expect(dropped > 0)
            #expect(written + dropped == count)
            #expect(facts.compactMap(\.received).reduce(0, +) == count, "PACKET_STATISTICS counts the dropped among the received")
            #expect(numbers(files).count == Int(written))
            let told = capture.output.split(separator: "\n").last { $0.contains("dropped by the kernel, the ring was full") }
            #expect(told?.hasSuffix("; \(dropped) in all") == true, "\(capture.output)")
            #expect(capture.says("\(dropped) packets dropped by kernel") == 1, "\(capture.output)")
        }

        @Test("on a quiet link five packets are on disk, as whole records of the open file, within a second or so")
        func quietLink() throws {
            let lab = try Lab()
            let capture = try lab.startCapture(["-G", "3600"])
            try lab.sendPackets(5, perSecond: 1_000_000)
            try waitUntil(3, "5 records in \(lab.parts())") {
                guard let part = lab.parts().first, let file = try? DropBoxContents.read(part, in: lab.pcaps) else { return false }
                return file.torn == 0 && file.numbers.map(\.number) == Array(0..<5)
            }
            #expect(lab.facts() == [])
            #expect(capture.end(SIGTERM).status == .code(0))
        }

        @Test(
            "report 34: the wall clock set back an hour: rotation goes on, each packet in one file, names unique and in order",
            .enabled(if: SuperviseEndTests.faketime != nil, "needs libfaketime (make test installs it)"))
        func clockSetBack() throws {
            let lab = try Lab()
            let count = 1200
            // Where the confined program still may read.
            let clock = lab.pcaps + "/.state/clock"
            try runTool(["mkdir", "-p", lab.pcaps + "/.state"])
            try write("+0s", to: clock)
            let capture = try lab.startCapture(
                ["-G", "1"],
                environment: [
                    "LD_PRELOAD": SuperviseEndTests.faketime ?? "", "FAKETIME_TIMESTAMP_FILE": clock, "FAKETIME_NO_CACHE": "1",
                    "DONT_FAKE_MONOTONIC": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1",
                ])
            let generator = try lab.sendPacketsInBackground(count, perSecond: 200)
            try waitUntil(15, "a file before the step; \(capture.output)") { lab.facts().count >= 1 }
            let before = lab.facts().last?.opened ?? ""
            try write("-3600s", to: clock)
            try generator.waitForEnd(within: 30)
            #expect(capture.end(SIGTERM).status == .code(0))
            let files = try DropBoxContents(lab.pcaps)
            #expect(numbers(files) == Array(0..<count))
            #expect(files.recordFaults == [])
            let names = files.files.compactMap { SpoolName($0.name) }.sorted()
            #expect(names.map(\.sequence) == Array(1...UInt64(names.count)))
            let seconds = files.files.map { Set($0.numbers.map { $0.at / 1_000_000 }).count }
            #expect(seconds.count >= 5 && seconds.allSatisfy { $0 == 1 }, "the packets' own stamps went on: \(seconds)")
            let opened = lab.facts().map(\.opened)
            #expect(opened.last.map { $0 < before } == true, "the step was seen: \(opened)")
        }
    }
}
