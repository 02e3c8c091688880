import Linux
import Testing

@testable import Supervisor

/// When a program is tried again, and when no more.
struct RetryTests {
    @Test func `the delays are 1, 2, 3 seconds and so on up to the cap`() {
        #expect((0...6).map { ProgramStateMachine.backoff(failures: $0, cap: 4) } == [1, 1, 2, 3, 4, 4, 4])
        #expect(ProgramStateMachine.backoff(failures: 1_000_000, cap: 60) == 60)
    }

    /// Spawns of a program that dies at once, in seconds, until it rests or the limit is reached.
    func spawnTimes(_ spec: ProgramSpec, until limit: Double, lives: Double = 0) -> (times: [Double], end: ProgramState) {
        var machine = ProgramStateMachine(spec)
        var times: [Double] = []
        var now = seconds(0)
        var actions = machine.handle(.start, at: now)
        while now < seconds(limit) {
            if actions.contains(.spawn) {
                times.append(now - seconds(0))
                _ = machine.handle(.spawned(pid: 17), at: now)
                now = now + lives
                actions = machine.handle(.exited(.code(1)), at: now)
            } else {
                guard let due = machine.deadline else { break }
                now = due
                actions = machine.handle(.deadline, at: now)
            }
            if times.count > 1000 { break }
        }
        return (times, machine.state)
    }

    @Test func `startretries=N means one start and N more, then FATAL`() {
        let three = spawnTimes(program { $0.startretries = 3 }, until: 1000)
        #expect(three.times == [0, 1, 3, 6])
        #expect(three.end == .fatal)
        let none = spawnTimes(program { $0.startretries = 0 }, until: 1000)
        #expect(none.times == [0])
        #expect(none.end == .fatal)
    }

    @Test func `without startretries it is tried for ever, never more than the cap apart`() {
        let run = spawnTimes(
            program {
                $0.startretries = nil
                $0.maxBackoff = 5
            }, until: 100)
        #expect(run.times.prefix(7) == [0, 1, 3, 6, 10, 15, 20])
        #expect(run.end != .fatal)
    }

    @Test func `startsecs=0 makes no restart storm: one start a second, and never FATAL`() {
        let run = spawnTimes(program { $0.startsecs = 0 }, until: 8)
        #expect(run.times == [0, 1, 2, 3, 4, 5, 6, 7])
        #expect(run.end != .fatal)
    }

    @Test func `what lived startsecs and a second is started again at once`() {
        #expect(spawnTimes(program { $0.startsecs = 0 }, until: 6, lives: 1.5).times == [0, 1.5, 3, 4.5])
        #expect(spawnTimes(program(), until: 8, lives: 2).times == [0, 2, 4, 6])
    }

    @Test func `success forgets the failures before it`() {
        var machine = ProgramStateMachine.started(running: false)
        _ = machine.handle(.exited(.code(1)), at: seconds(0.1))
        _ = machine.handle(.deadline, at: seconds(1.1))
        #expect(machine.failures == 1)
        _ = machine.handle(.spawned(pid: 18), at: seconds(1.1))
        _ = machine.handle(.deadline, at: seconds(2.1))
        #expect(machine.state == .running)
        #expect(machine.failures == 0)
    }

    @Test func `a start by hand forgets the failures before it`() {
        var machine = ProgramStateMachine.started(program { $0.startretries = 0 }, running: false)
        _ = machine.handle(.exited(.code(1)), at: seconds(0.1))
        #expect(machine.state == .fatal)
        _ = machine.handle(.start, at: seconds(5))
        #expect(machine.failures == 0)
        #expect(machine.state == .starting)
    }

    @Test(arguments: [
        (ProgramSpec.Autorestart.always, Ending.code(0), true), (.always, .code(3), true),
        (.always, .signal(9, core: false), true), (.unexpected, .code(0), false), (.unexpected, .code(2), false),
        (.unexpected, .code(3), true), (.unexpected, .signal(15, core: false), true), (.never, .code(0), false),
        (.never, .code(3), false), (.never, .signal(11, core: true), false),
    ])
    func `autorestart decides after an end in RUNNING`(
        _ autorestart: ProgramSpec.Autorestart, _ status: Ending, _ again: Bool
    ) {
        var machine = ProgramStateMachine.started(
            program {
                $0.autorestart = autorestart
                $0.exitcodes = [0, 2]
            })
        let actions = machine.handle(.exited(status), at: seconds(10))
        #expect(actions.contains(.spawn) == again)
        #expect(machine.state == (again ? .starting : .exited))
    }

    @Test(arguments: [0.2, 30.0])
    func `an exit code that cannot become right is FATAL at once, early or late`(after: Double) {
        var machine = ProgramStateMachine.started(
            program {
                $0.startretries = nil
                $0.fatalExitcodes = [64, 78]
            }, running: after > 1)
        let lines = machine.lines(.exited(.code(78)), at: after)
        #expect(
            lines == [
                "WARN exited: cat (exit status 78; not expected)",
                "INFO gave up: cat entered FATAL state, exit status 78 cannot become right by trying again",
            ])
        #expect(machine.state == .fatal)
        #expect(machine.isAtRest)
        #expect(machine.deadline == nil)
    }

    @Test func `other codes are tried again although some are fatal`() {
        var machine = ProgramStateMachine.started(program { $0.fatalExitcodes = [78] }, running: false)
        _ = machine.handle(.exited(.code(1)), at: seconds(0.2))
        #expect(machine.state == .backoff)
    }

    @Test func `a stop with a fatal exit code is a stop`() {
        var machine = ProgramStateMachine.started(program { $0.fatalExitcodes = [78] })
        _ = machine.handle(.stop, at: seconds(3))
        _ = machine.handle(.exited(.code(78)), at: seconds(3))
        #expect(machine.state == .stopped)
    }
}
