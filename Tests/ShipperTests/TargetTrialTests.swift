import Events
import Testing

@testable import Shipper

/// What a trial makes of what the target says.
struct TargetTrialTests {
    @Test(
        arguments: [
            (1000, .ok), (1003, .ok), (997, .ok), (1002, .ok), (1005, .ok), (1006, .warn), (996, .warn), (0, .warn), (4600, .warn),
            (nil, .warn),
        ] as [(Int64?, CheckResult.State)])
    func `clocks more than three seconds apart are told, beyond the time that writing took`(modified: Int64?, state: CheckResult.State) {
        #expect(TargetTrial.clock(modified, from: 1000, to: 1002).state == state)
    }

    @Test func `the difference has its size and its direction`() {
        #expect(TargetTrial.clock(4602, from: 1000, to: 1002).words.hasPrefix("the target's clock is 3600 s ahead of this one"))
        #expect(TargetTrial.clock(990, from: 1000, to: 1002).words.hasPrefix("the target's clock is 10 s behind this one"))
    }

    @Test(
        arguments: [
            (nil, .warn), (0, .warn), ((1 << 30) - 1, .warn), (1 << 30, .ok), (Int64.max, .ok),
        ] as [(Int64?, CheckResult.State)])
    func `little space at the target is told`(free: Int64?, state: CheckResult.State) { #expect(TargetTrial.space(free).state == state) }

    @Test(
        arguments: [
            ([], 1, 2), ([1], 1, 2), ([2], 2, 1), ([1, 2], 1, 3), ([3], 3, 1), ([1, 2, 3], 1, 4),
        ] as [([Int], Int, Int)])
    func `a file that stayed is taken again, so that there is never a second one`(existing: [Int], from: Int, to: Int) throws {
        let there = existing.map { ".sensor-check.lab.\($0).part" }
        let names = try #require(try TargetTrial.names(of: "lab") { there.contains($0) })
        #expect(names.to == ".sensor-check.lab.\(to).part")
        #expect(names.from == ".sensor-check.lab.\(from).part")
    }

    @Test func `where all names are taken there is none`() throws {
        let names = try TargetTrial.names(of: "lab") { _ in true }
        #expect(names == nil)
    }

    @Test func `a host key is told as pinned, known or new, and a wrong one is a fault`() throws {
        let judge = { (decision: HostKeyPolicy.Decision, pinned: Bool) throws(ShipFault) in
            try TargetTrial.judge(decision, words: "ssh-ed25519 SHA256:x", isPinned: pinned, file: "/data/known_hosts")
        }
        #expect(try judge(.accept, true) == CheckResult(.ok, "host key", "ssh-ed25519 SHA256:x, as SCP_HOST_KEY says"))
        #expect(try judge(.accept, false) == CheckResult(.ok, "host key", "ssh-ed25519 SHA256:x, as /data/known_hosts says"))
        #expect(try judge(.learn, false).state == .warn)
        #expect(throws: ShipFault(.operators, "changed")) { try judge(.refuse("changed"), false) }
    }
}
