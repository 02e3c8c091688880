import Linux
import Testing

@testable import Supervisor

/// Long random lives beside a model of what the shell and the kernel can do.
struct RandomWalkTests {
    /// What holds in every state, whatever has happened.
    func check(_ machine: ProgramStateMachine, now: MonotonicTime) -> String? {
        switch machine.state {
        case .stopped, .backoff, .exited, .fatal: if machine.pid != nil { return "a pid in \(machine.state)" }
        case .running: if machine.pid == nil { return "RUNNING without a pid" }
        case .starting, .stopping, .unknown: break
        }
        if machine.deadline != nil {
            switch machine.state {
            case .starting, .stopping: if machine.pid == nil { return "a deadline without a process in \(machine.state)" }
            case .backoff: break
            case .stopped, .running, .exited, .fatal, .unknown: return "a deadline in \(machine.state)"
            }
        }
        if machine.state == .backoff {
            guard let due = machine.deadline else { return "BACKOFF without a deadline" }
            if due - now > machine.spec.maxBackoff { return "a wait over the cap" }
        }
        if machine.state == .fatal, machine.spec.startretries == nil { return "FATAL although it is tried for ever" }
        if machine.isAtRest, machine.pid != nil || machine.deadline != nil { return "at rest, yet something is to come" }
        return nil
    }

    /// The shell and the kernel: one process at most, and an answer to each spawn.
    struct World {
        var machine: ProgramStateMachine
        var now = seconds(0)
        var isOrdered = false
        var process: Int32?
        /// Of a process that is gone, others of its group not.
        var group: Int32?
        var nextPid: Int32 = 100
        var mayFailToSignal = false
        var fault: String?

        mutating func deliver(_ event: ProgramEvent) {
            let before = machine.state
            mayFailToSignal = false
            for action in machine.handle(event, at: now) {
                switch action {
                case .spawn:
                    if isOrdered || process != nil { fault = "a second spawn before the first has ended" }
                    isOrdered = true
                case .signal(let signal, _):
                    if machine.pid != process && group == nil || process == nil && group == nil { fault = "a signal to nobody" }
                    if signal == 9, before != .stopping { fault = "SIGKILL in \(before)" }
                    mayFailToSignal = true
                case .killRemains(let remains):
                    if remains != group { fault = "SIGKILL to a group that is not there" }
                    group = nil
                case .log: break
                }
            }
            if !isOrdered, machine.pid != process, group == nil || machine.pid != group { fault = "the machine has lost its process" }
        }
        mutating func answer(well: Bool) {
            isOrdered = false
            if well {
                nextPid += 1
                process = nextPid
                deliver(.spawned(pid: nextPid))
            } else {
                deliver(.spawnFailed("no"))
            }
        }
        mutating func exit(_ status: Ending, groupLives: Bool = false) {
            group = groupLives ? process : nil
            process = nil
            deliver(.exited(status, groupLives: groupLives))
            if machine.state != .stopping { group = nil }
        }
        mutating func endGroup() {
            group = nil
            deliver(.groupEnded)
        }
        /// What has to come, comes: answers, ends, deadlines.
        mutating func settle(_ random: inout SplitMix) -> Bool {
            for _ in 0..<20 {
                if machine.isAtRest { return !isOrdered && process == nil }
                if isOrdered {
                    answer(well: .random(using: &random))
                } else if let due = machine.deadline, Bool.random(using: &random) {
                    now = max(now, due)
                    deliver(.deadline)
                } else if process != nil {
                    exit(.signal(15, core: false), groupLives: .random(using: &random))
                } else if group != nil, Bool.random(using: &random) {
                    endGroup()
                }
            }
            return false
        }
    }

    @Test(arguments: 1...8)
    func `no life the kernel can lead breaks a promise, and a stop always comes to rest`(seed: UInt64) {
        var random = SplitMix(state: seed)
        let spec = program {
            $0.startretries = seed % 2 == 0 ? nil : Int(seed) - 1
            $0.autorestart = [.always, .unexpected, .never][Int(seed % 3)]
            $0.maxBackoff = Double(seed)
            $0.startsecs = Double(seed % 4)
            $0.stopwaitsecs = 2
            $0.killasgroup = seed % 3 == 0
        }
        var world = World(machine: ProgramStateMachine(spec))
        var visited: Set<ProgramState> = []
        for step in 0..<15_000 {
            world.now = world.now + Double.random(in: 0...1.5, using: &random)
            switch Int.random(in: 0..<16, using: &random) {
            case 0...2: world.deliver(.start)
            case 3: world.deliver(.stop)
            case 4...8: if world.isOrdered { world.answer(well: Int.random(in: 0..<4, using: &random) > 0) }
            case 9...10:
                if world.process != nil {
                    world.exit(
                        [.code(0), .code(1), .signal(9, core: false)].randomElement(using: &random)!, groupLives: .random(using: &random))
                }
                if world.group != nil, Bool.random(using: &random) { world.endGroup() }
            case 11...13: world.deliver(.deadline)
            case 14:
                if let due = world.machine.deadline {
                    world.now = max(world.now, due)
                    world.deliver(.deadline)
                }
            default: if world.mayFailToSignal, world.process != nil { world.deliver(.signalFailed("Operation not permitted")) }
            }
            visited.insert(world.machine.state)
            if let fault = world.fault ?? check(world.machine, now: world.now) {
                Issue.record("step \(step): \(fault)")
                return
            }
            if step % 100 == 99 {
                world.deliver(.stop)
                guard world.settle(&random) else {
                    Issue.record("step \(step): no rest after a stop, in \(world.machine.state)")
                    return
                }
            }
        }
        // A walk that stays at home proves nothing.
        #expect(visited.isSuperset(of: [.stopped, .starting, .running, .stopping, .unknown]))
    }

    @Test(arguments: 1...4)
    func `not even events that cannot happen break a state`(seed: UInt64) {
        var random = SplitMix(state: seed &* 7919)
        let spec = program { $0.startretries = seed % 2 == 0 ? nil : 2 }
        var machine = ProgramStateMachine(spec)
        var now = seconds(0)
        for step in 0..<15_000 {
            now = now + Double.random(in: 0...1.5, using: &random)
            let events: [ProgramEvent] = [
                .start, .stop, .spawned(pid: 5), .spawnFailed("no"), .exited(.code(0)), .exited(.signal(6, core: true)), .deadline,
                .exited(.code(1), groupLives: true), .groupEnded,
                .signalFailed("no"),
            ]
            _ = machine.handle(events.randomElement(using: &random)!, at: now)
            if let fault = check(machine, now: now) {
                Issue.record("step \(step): \(fault)")
                return
            }
        }
    }
}
