import Glibc
import Linux
import Spool
import Supervisor
import Testing

extension EndToEnd {
    @Suite(.serialized) struct CrashTests {
        static let kills = getenv("SENSOR_TEST_KILLS").flatMap { Int(String(cString: $0)) } ?? 30
        static let perSecond = 2000

        @Test("SIGKILL to supervisor, capture and shipper at random moments costs packets inside reported gaps only")
        func kills() throws {
            let lab = try Lab()
            try lab.authorize()
            try lab.startServer()
            let key = try bytes(of: lab.data + "/id_ed25519")
            var sensor = try lab.startSensor()
            let generator = try lab.sendPacketsInBackground(.max, perSecond: Self.perSecond, size: 100)
            var seen: [Int32: MonotonicTime] = [:]
            var struck: [String: Int] = [:]
            for _ in 0..<Self.kills {
                let victim = try #require(["run", "capture", "ship"].randomElement())
                var pid: Int32 = 0
                // Grown-up processes, or the supervisor's back-off would rule the time.
                try waitUntil(40, "a \(victim) of some age; \(sensor.output.suffix(1500))") {
                    let all = lab.sensorProcesses()
                    for (each, _) in all where seen[each] == nil { seen[each] = .now() }
                    pid = all.first { $0.role == victim }?.pid ?? 0
                    return pid != 0 && seen[pid].map { MonotonicTime.now() - $0 > 1.1 } == true
                }
                usleep(UInt32.random(in: 0...400_000))
                kill(pid, SIGKILL)
                struck[victim, default: 0] += 1
                if victim == "run" {
                    try sensor.waitForEnd(within: 5)
                    sensor = try lab.startSensor(waitForCapture: false)
                }
                // The process must be gone before it can be found again.
                try waitUntil(5, "the end of \(pid)") { !lab.sensorProcesses().contains { $0.pid == pid } }
            }
            usleep(2_500_000)
            generator.end(SIGTERM)
            let sent = try #require(Int(generator.output.split(separator: "\n").last ?? ""))
            usleep(1_500_000)
            try lab.waitForDelivery(60, sensor)
            let ended = sensor.end(SIGTERM)
            #expect(ended.status == .code(0))
            try waitUntil(3, "the end of every process") { lab.sensorProcesses().isEmpty }

            let box = try DropBoxContents(lab.drop)
            #expect(box.faults == [])
            #expect(box.hidden == [], "temporary files are taken up again, not left")
            #expect(lab.waiting == [])
            let left = try Directory(lab.data + "/spool").names()
            #expect(left == [], "nothing lies about in the spool")
            #expect(try bytes(of: lab.data + "/id_ed25519") == key)
            let (missing, twice) = box.check(sent)
            #expect(twice == [])
            let outside = lostOutsideGaps(missing, box, sent)
            #expect(outside == [], "\(ledger(of: box)); gaps: \(box.gaps)")
            #expect(Set(box.files.compactMap { $0.manifest?.capture?.series }).count == 1)
            print("kills: \(struck), sent \(sent), missing \(missing.count) in \(box.gaps.count) gaps, files \(box.files.count)")
        }

        /// Per file: its numbers, and what its manifest says was received and lost.
        private func ledger(of box: DropBoxContents) -> String {
            box.files.map { file in
                let facts = file.manifest?.capture
                let range = "\(file.numbers.first?.number ?? -1)-\(file.numbers.last?.number ?? -1)"
                let numbers = "\(range): \(file.numbers.count) of \(file.records)"
                let losses = "kernel \(facts?.droppedByKernel ?? 0), disk \(facts?.lostToDisk ?? 0)"
                return "\(facts?.sequence ?? 0): \(numbers), received \(facts?.received ?? 0), \(losses)"
            }.joined(separator: "\n")
        }

        /// Runs of missing numbers that no gap covers. A packet's time is that of its neighbours, and the
        /// generator's own jitter is allowed for.
        private func lostOutsideGaps(_ missing: [Int], _ box: DropBoxContents, _ sent: Int) -> [String] {
            let jitter: Int64 = 30_000
            var times = [Int64?](repeating: nil, count: sent)
            for (number, at) in box.numbers where number < sent { times[number] = at }
            let gaps = box.gaps.map { (from: microseconds($0.from), to: microseconds($0.to)) }
            var out: [String] = []
            var at = 0
            while at < missing.count {
                var last = at
                while last + 1 < missing.count, missing[last + 1] == missing[last] + 1 { last += 1 }
                let (first, end) = (missing[at], missing[last])
                // The generator sends in bursts of a millisecond, so a missing packet's time lies anywhere between.
                let before = first > 0 ? times[first - 1] : nil
                let after = end + 1 < sent ? times[end + 1] : nil
                let isCovered = gaps.contains { gap in
                    let isMet = (before.map { gap.to >= $0 } ?? true) && (after.map { gap.from <= $0 } ?? true)
                    return isMet && (before.map { gap.from <= $0 + jitter } ?? true) && (after.map { gap.to >= $0 - jitter } ?? true)
                }
                if !isCovered { out.append("\(first)-\(end), between \(before ?? 0) and \(after ?? 0)") }
                at = last + 1
            }
            return out
        }

        /// RFC 3339 with microseconds, UTC.
        private func microseconds(_ text: String) -> Int64 {
            var parts = tm()
            let fields = text.split { !$0.isNumber }.compactMap { Int32($0) }
            guard fields.count >= 7 else { return 0 }
            (parts.tm_year, parts.tm_mon, parts.tm_mday) = (fields[0] - 1900, fields[1] - 1, fields[2])
            (parts.tm_hour, parts.tm_min, parts.tm_sec) = (fields[3], fields[4], fields[5])
            return Int64(timegm(&parts)) * 1_000_000 + Int64(fields[6])
        }
    }
}

extension Lab {
    /// The sensor's processes by what they do.
    func sensorProcesses() -> [(pid: Int32, role: String)] {
        processes(in: [sensorSpace]).compactMap { pid in
            guard let line = try? bytes(of: "/proc/\(pid)/cmdline"), !line.isEmpty else { return nil }
            let words = line.split(separator: 0).map { String(decoding: $0, as: UTF8.self) }
            guard words.count > 1, words[0].hasSuffix("sensor"), ["run", "capture", "ship"].contains(words[1]) else { return nil }
            return (pid, words[1])
        }
    }
}
