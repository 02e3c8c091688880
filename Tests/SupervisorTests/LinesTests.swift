import Events
import Linux
import Testing

@testable import Supervisor

/// supervisord 4.2.5's lines to the letter, as far as a single program's life makes them.
struct LinesTests {
    @Test func `a start that lasts`() {
        var machine = ProgramStateMachine(program())
        #expect(machine.lines(.start, at: 0) == [])
        #expect(machine.lines(.spawned(pid: 17), at: 0) == ["INFO spawned: 'cat' with pid 17"])
        #expect(
            machine.lines(.deadline, at: 1) == [
                "INFO success: cat entered RUNNING state, process has stayed up for > than 1 seconds (startsecs)"
            ])
    }

    @Test func `startsecs=0 says 0 seconds`() {
        var machine = ProgramStateMachine(program { $0.startsecs = 0 })
        _ = machine.lines(.start, at: 0)
        _ = machine.lines(.spawned(pid: 17), at: 0)
        #expect(
            machine.lines(.deadline, at: 0) == [
                "INFO success: cat entered RUNNING state, process has stayed up for > than 0 seconds (startsecs)"
            ])
    }

    @Test func `a second start while it runs says nothing`() {
        var machine = ProgramStateMachine.started()
        #expect(machine.lines(.start, at: 2) == [])
    }

    @Test(arguments: [
        (Ending.code(0), "INFO exited: cat (exit status 0; expected)"),
        (.code(3), "WARN exited: cat (exit status 3; not expected)"),
        (.signal(9, core: false), "WARN exited: cat (terminated by SIGKILL; not expected)"),
        (.signal(6, core: true), "WARN exited: cat (terminated by SIGABRT (core dumped); not expected)"),
        (.signal(29, core: false), "WARN exited: cat (terminated by SIGPOLL; not expected)"),
        (.signal(34, core: false), "WARN exited: cat (terminated by SIGRTMIN; not expected)"),
        (.signal(35, core: false), "WARN exited: cat (terminated by signal 35; not expected)"),
        (.signal(64, core: false), "WARN exited: cat (terminated by SIGRTMAX; not expected)"),
    ])
    func `an end in RUNNING`(_ status: Ending, _ line: String) {
        var machine = ProgramStateMachine.started()
        #expect(machine.lines(.exited(status), at: 10) == [line])
    }

    @Test(arguments: [
        (Ending.code(0), "WARN exited: cat (exit status 0; not expected)"),
        (.code(3), "WARN exited: cat (exit status 3; not expected)"),
        (.signal(15, core: false), "WARN exited: cat (terminated by SIGTERM; not expected)"),
    ])
    func `an end before startsecs is never expected`(_ status: Ending, _ line: String) {
        var machine = ProgramStateMachine.started(running: false)
        #expect(machine.lines(.exited(status), at: 0.999) == [line])
        #expect(machine.state == .backoff)
    }

    @Test func `an end after startsecs whose moment nobody noticed is a success first`() {
        var machine = ProgramStateMachine.started(running: false)
        #expect(
            machine.lines(.exited(.code(0)), at: 1) == [
                "INFO success: cat entered RUNNING state, process has stayed up for > than 1 seconds (startsecs)",
                "INFO exited: cat (exit status 0; expected)",
            ])
    }

    @Test func `retries used up`() {
        var machine = ProgramStateMachine.started(program { $0.startretries = 0 }, running: false)
        #expect(
            machine.lines(.exited(.code(1)), at: 0.1) == [
                "WARN exited: cat (exit status 1; not expected)",
                "INFO gave up: cat entered FATAL state, too many start retries too quickly",
            ])
    }

    @Test func `a start that fails, and the last that fails`() {
        var machine = ProgramStateMachine(program { $0.startretries = 1 })
        _ = machine.lines(.start, at: 0)
        #expect(
            machine.lines(.spawnFailed("can't find command '/no/such/cmd'"), at: 0) == [
                "INFO spawnerr: can't find command '/no/such/cmd'"
            ])
        #expect(machine.lines(.deadline, at: 1) == [])
        #expect(
            machine.lines(.spawnFailed("can't find command '/no/such/cmd'"), at: 1) == [
                "INFO spawnerr: can't find command '/no/such/cmd'",
                "INFO gave up: cat entered FATAL state, too many start retries too quickly",
            ])
    }

    @Test(arguments: [
        (Ending.code(0), "INFO stopped: cat (exit status 0)"), (.code(7), "WARN stopped: cat (exit status 7)"),
        (.signal(15, core: false), "WARN stopped: cat (terminated by SIGTERM)"),
    ])
    func `a stop`(_ status: Ending, _ line: String) {
        var machine = ProgramStateMachine.started()
        #expect(machine.handle(.stop, at: seconds(5)).last == .signal(15))
        #expect(machine.lines(.exited(status), at: 5) == [line])
    }

    @Test func `stopwaitsecs over, twice`() {
        var machine = ProgramStateMachine.started(program { $0.stopwaitsecs = 6 })
        _ = machine.lines(.stop, at: 5)
        #expect(machine.lines(.deadline, at: 10.9) == [])
        #expect(machine.lines(.deadline, at: 11) == ["WARN killing 'cat' (17) with SIGKILL"])
        #expect(machine.lines(.deadline, at: 17) == ["WARN killing 'cat' (17) with SIGKILL"])
        #expect(machine.lines(.exited(.signal(9, core: false)), at: 17) == ["WARN stopped: cat (terminated by SIGKILL)"])
    }

    @Test func `a stop in BACKOFF says nothing but at the level debug`() {
        var machine = ProgramStateMachine.started(running: false)
        _ = machine.lines(.exited(.code(1)), at: 0.1)
        #expect(machine.lines(.stop, at: 0.5) == ["DEBG Attempted to kill cat, which is in BACKOFF state."])
        #expect(machine.state == .stopped)
    }

    @Test func `a stop uses the program's own signal`() {
        var machine = ProgramStateMachine.started(program { $0.stopsignal = 2 })
        #expect(machine.handle(.stop, at: seconds(5)).last == .signal(2))
    }

    @Test func `a signal that fails is CRIT and leaves UNKNOWN`() {
        var machine = ProgramStateMachine.started()
        _ = machine.lines(.stop, at: 5)
        #expect(
            machine.lines(.signalFailed("Operation not permitted"), at: 5) == [
                "CRIT unknown problem killing cat (17): Operation not permitted"
            ])
        #expect(machine.lines(.exited(.code(0)), at: 6) == ["WARN exited: cat (exit status 0; not expected)"])
    }

    @Test func `every signal below 32 has its name`() {
        for signal in Int32(1)...31 { #expect(SignalName.of(signal).hasPrefix("SIG")) }
        #expect(SignalName.of(32) == "signal 32")
        #expect(SignalName.of(0) == "signal 0")
    }

    @Test func `an event's fields say what its sentence says`() {
        var machine = ProgramStateMachine.started()
        let actions = machine.handle(.exited(.code(3)), at: seconds(10))
        guard case .log(let event)? = actions.first else {
            Issue.record("no line")
            return
        }
        #expect(
            event.jsonTail
                == #""level":"WARN","event":"exited","program":"cat","pid":17,"status":"exit status 3","expected":"no","message":"exited: cat (exit status 3; not expected)"}"#
        )
    }
}
