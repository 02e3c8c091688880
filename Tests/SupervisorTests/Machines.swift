import Events
import Linux

@testable import Supervisor

/// Testing has an `ExitStatus` of its own, and the module's name is hidden by the type of the same name.
typealias Ending = ExitStatus

/// Seeded, so that a walk that fails can be walked again.
struct SplitMix: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }
}

func seconds(_ seconds: Double) -> MonotonicTime { MonotonicTime(nanoseconds: Int64(seconds * 1e9)) }

func program(_ change: (inout ProgramSpec) -> Void = { _ in }) -> ProgramSpec {
    var spec = ProgramSpec(name: "cat", path: "/bin/cat", arguments: ["cat"], environment: [:])
    spec.startretries = 3
    change(&spec)
    return spec
}

extension ProgramStateMachine {
    /// What the log shows for an event, without stamps.
    mutating func lines(_ event: ProgramEvent, at time: Double) -> [String] {
        handle(event, at: seconds(time)).compactMap { if case .log(let event) = $0 { event.text } else { nil } }
    }
    /// Started at 0 and, unless it is to stay in STARTING, found alive at startsecs.
    static func started(_ spec: ProgramSpec = program(), running: Bool = true) -> ProgramStateMachine {
        var machine = ProgramStateMachine(spec)
        _ = machine.handle(.start, at: seconds(0))
        _ = machine.handle(.spawned(pid: 17), at: seconds(0))
        if running { _ = machine.handle(.deadline, at: seconds(spec.startsecs)) }
        return machine
    }
}
