import Glibc
import Linux
import Spool
import Supervisor
import Testing

extension EndToEnd {
    @Suite(.serialized) struct CaptureFullDiskTests {
        /// All that the files in `directory` tell of: packets recorded, lost, and in gaps.
        private func told(_ lab: Lab) -> UInt64 {
            lab.facts().reduce(UInt64(0)) { sum, facts in
                let lost = (facts.lostToDisk ?? 0) + (facts.droppedByKernel ?? 0) + facts.gaps.compactMap(\.lost).reduce(0, +)
                return sum + (facts.written ?? 0) + lost
            }
        }
        private func fill(_ directory: String) throws {
            try runTool(["dd", "if=/dev/zero", "of=\(directory)/filler", "bs=4k"], mayFail: true)
        }

        @Test(
            "stopped and started on a disk that others have filled to the last byte: when there is room, each loss is told, with its time")
        func lossesOverAStop() throws {
            let lab = try Lab()
            try runTool(["mkdir", "-p", lab.pcaps])
            try runTool(["mount", "-t", "tmpfs", "-o", "size=16m,mode=755", "tmpfs", lab.pcaps])
            defer { _ = try? runTool(["umount", "-l", lab.pcaps]) }
            var capture = try lab.startCapture(["-G", "1"])
            try lab.sendPackets(500, perSecond: 5000)
            try waitUntil(20, "the first file; \(capture.output)") { told(lab) == 500 }
            let before = WallTime.now().iso
            try fill(lab.pcaps)
            try lab.sendPackets(3000, perSecond: 3000, size: 1000)
            try waitUntil(20, "the loss is said; \(capture.output)") { capture.says("packets to the disk") > 0 }
            capture.end(SIGTERM)
            let stopped = WallTime.now().iso
            // Nothing can be written down at this start either.
            try fill(lab.pcaps)
            capture = try lab.startCapture(["-G", "1"])
            try runTool(["rm", lab.pcaps + "/filler"])
            try lab.sendPackets(500, perSecond: 5000)
            try waitUntil(20, "the last file, told \(told(lab)) of 4000 in \(lab.facts()); \(capture.output)") { told(lab) == 4000 }
            #expect(capture.end(SIGTERM).status != nil)
            #expect(told(lab) == 4000)
            let gaps = lab.facts().flatMap(\.gaps)
            let disk = try #require(gaps.first { $0.reason == Gap.diskReason })
            #expect(before < disk.from && disk.from < disk.to && disk.to < stopped, "\(disk)")
            #expect(gaps.contains { $0.reason == "stopped" || $0.reason == "killed" }, "\(gaps)")
            #expect(lab.facts().last?.secondsBlind ?? 0 > 0)
            let numbers = lab.facts().map(\.sequence)
            #expect(numbers == Array(1...UInt64(numbers.count)), "no number is used for a file that cannot be")
        }

        @Test("the spool removed under it: the program says so and ends with 1, to begin anew in a new one")
        func spoolRemoved() throws {
            let lab = try Lab()
            let capture = try lab.startCapture(["-G", "1"])
            try runTool(["rm", "-rf", lab.pcaps])
            try lab.sendPackets(500, perSecond: 200)
            try capture.waitForEnd(within: 20)
            #expect(capture.status == .code(1))
            #expect(capture.says("has been removed") == 1, "\(capture.output)")
        }

        @Test("a reader of run's output that takes nothing from the start holds nothing up: it records, and SIGTERM ends it")
        func stalledFromTheStart() throws {
            let lab = try Lab()
            try runTool(["mkdir", "-p", lab.drop])
            try write("", to: lab.drop + "/.sensor-target")
            let (reading, writing) = try Pipe.make().keepBoth()
            defer {
                close(reading)
                close(writing)
            }
            _ = fcntl(writing, F_SETFL, O_NONBLOCK)
            let page = [UInt8](repeating: 10, count: 4096)
            while write(writing, page, page.count) > 0 {}
            _ = fcntl(writing, F_SETFL, 0)
            var environment = lab.environment(["SCP_TARGET": lab.drop, "SCP_ARGUMENTS": ""])
            environment["PATH"] = "/usr/sbin:/usr/bin:/sbin:/bin"
            let command = lab.sensorCommand(["run"])
            let pid = try Spawner.spawn(
                path: command[0], arguments: command, environment: environment, descriptors: [-1, writing, writing])
            try waitUntil(30, "workers") { lab.sensorProcesses().count == 3 }
            try waitUntil(30, "a file at the target") {
                try lab.sendPackets(20, perSecond: 1000)
                return !lab.delivered.isEmpty
            }
            kill(pid, SIGTERM)
            var status: Ending?
            try waitUntil(20, "the end") {
                status = status ?? Spawner.reap(pid)?.status
                return status != nil
            }
            #expect(status == .code(0))
        }
    }
}
