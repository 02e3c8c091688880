public import Events
public import Linux

/// How a process ended, from waitpid(2).
public enum ExitStatus: Sendable, Equatable {
    case code(Int32)
    case signal(Int32, core: Bool)
}

/// What can happen to a program.
public enum ProgramEvent: Sendable {
    case start
    case stop
    case spawned(pid: Int32)
    /// The sentence after `spawnerr: `.
    case spawnFailed(String)
    /// The process has been collected; `groupLives`: others of its process group have not.
    case exited(ExitStatus, groupLives: Bool = false)
    /// The last process of the group is gone.
    case groupEnded
    /// The moment of `deadline` has come.
    case deadline
    /// kill(2) failed for another reason than that the process is gone.
    case signalFailed(String)
}

/// What the shell has to do after an event, in order.
public enum ProgramAction: Sendable, Equatable {
    case spawn
    /// To the process, or to its whole group.
    case signal(Int32, group: Bool = false)
    /// SIGKILL to what is left of the group of a process that has been collected.
    case killRemains(group: Int32)
    case log(Event)
}

/// The life of one program. Takes events and the time, returns actions; knows no clock and no process.
/// Every pair of state and event has an answer; what makes no sense in a state changes nothing.
public struct ProgramStateMachine: Sendable {
    public let spec: ProgramSpec
    public private(set) var state = ProgramState.stopped
    public private(set) var pid: Int32?
    /// When `.deadline` is due: startsecs in STARTING, the retry in BACKOFF, SIGKILL in STOPPING.
    public private(set) var deadline: MonotonicTime?
    public private(set) var failures = 0
    /// Why the last start failed; empty where it did not.
    public private(set) var problem = ""
    /// How the process ended last.
    public private(set) var ending: ExitStatus?
    public private(set) var startedAt: MonotonicTime?
    /// In STOPPING: the process is gone, and only the rest of its group is waited for.
    private var isLeaderGone = false
    private var isKilled = false

    public init(_ spec: ProgramSpec) { self.spec = spec }

    /// True when nothing runs and nothing will by itself.
    public var isAtRest: Bool {
        switch state {
        case .stopped, .exited, .fatal: return true
        case .starting, .running, .backoff, .stopping, .unknown: return false
        }
    }

    /// Delay before try k: 1, 2, 3 … seconds, at most `maxBackoff`.
    public static func backoff(failures: Int, cap: Double) -> Double { min(Double(max(failures, 1)), cap) }

    public mutating func handle(_ event: ProgramEvent, at now: MonotonicTime) -> [ProgramAction] {
        switch event {
        case .start: return start(now)
        case .stop: return stop(now)
        case .spawned(let pid): return spawned(pid, now)
        case .spawnFailed(let reason): return spawnFailed(reason, now)
        case .exited(let status, let groupLives): return exited(status, groupLives, now)
        case .groupEnded: return groupEnded()
        case .deadline: return deadlinePassed(now)
        case .signalFailed(let reason): return signalFailed(reason)
        }
    }

    private mutating func start(_ now: MonotonicTime) -> [ProgramAction] {
        switch state {
        case .stopped, .exited, .fatal:
            failures = 0
            return spawn(now)
        case .backoff: return spawn(now)
        case .stopping:
            return [
                .log(
                    Event(
                        .warn, "start_refused", "process '\(spec.name)' already running",
                        ["program": .text(spec.name)]))
            ]
        case .starting, .running, .unknown: return []
        }
    }

    private mutating func spawn(_ now: MonotonicTime) -> [ProgramAction] {
        state = .starting
        startedAt = now
        deadline = nil
        problem = ""
        return [.spawn]
    }

    private mutating func spawned(_ pid: Int32, _ now: MonotonicTime) -> [ProgramAction] {
        let said = ProgramAction.log(
            Event(
                .info, "spawned", "spawned: '\(spec.name)' with pid \(pid)",
                ["program": .text(spec.name), "pid": .number(Int64(pid))]))
        guard self.pid == nil else { return [] }
        switch state {
        case .starting:
            self.pid = pid
            startedAt = now
            deadline = now + spec.startsecs
            return [said]
        case .stopping:
            // A stop that came between the order to spawn and its answer.
            self.pid = pid
            return [said] + askToStop(pid, now)
        case .stopped, .running, .backoff, .exited, .fatal, .unknown: return []
        }
    }

    private mutating func spawnFailed(_ reason: String, _ now: MonotonicTime) -> [ProgramAction] {
        guard pid == nil else { return [] }
        switch state {
        case .starting:
            problem = reason
            let said = ProgramAction.log(
                Event(.info, "spawnerr", "spawnerr: \(reason)", ["program": .text(spec.name), "reason": .text(reason)]))
            return [said] + failed(now)
        case .stopping:
            state = .stopped
            deadline = nil
            return []
        case .stopped, .running, .backoff, .exited, .fatal, .unknown: return []
        }
    }

    /// One more start that did not last.
    private mutating func failed(_ now: MonotonicTime) -> [ProgramAction] {
        failures += 1
        pid = nil
        if let retries = spec.startretries, failures > retries { return giveUp("too many start retries too quickly") }
        state = .backoff
        deadline = now + Self.backoff(failures: failures, cap: spec.maxBackoff)
        return []
    }

    private mutating func giveUp(_ why: String) -> [ProgramAction] {
        state = .fatal
        deadline = nil
        return [
            .log(
                Event(
                    .info, "gave_up", "gave up: \(spec.name) entered FATAL state, \(why)",
                    ["program": .text(spec.name), "reason": .text(why)]))
        ]
    }

    private func successEvent() -> Event {
        Event(
            .info, "success",
            "success: \(spec.name) entered RUNNING state, process has stayed up for > than \(Int(spec.startsecs)) seconds (startsecs)",
            ["program": .text(spec.name)])
    }

    private mutating func exited(_ status: ExitStatus, _ groupLives: Bool, _ now: MonotonicTime) -> [ProgramAction] {
        guard let ended = pid, !isLeaderGone else { return [] }
        ending = status
        let remains = groupLives && spec.killasgroup ? [ProgramAction.killRemains(group: ended)] : []
        switch state {
        case .starting, .running:
            pid = nil
            deadline = nil
            var actions = remains
            let tooQuick = state == .starting && startedAt.map { now - $0 < spec.startsecs } ?? true
            if state == .starting, !tooQuick { actions.append(.log(successEvent())) }
            var expected = false
            if case .code(let code) = status { expected = spec.exitcodes.contains(code) }
            actions.append(.log(exitEvent(status, pid: ended, expected: !tooQuick && expected)))
            if case .code(let code) = status, spec.fatalExitcodes.contains(code) {
                problem = "exit status \(code) cannot become right by trying again"
                return actions + giveUp(problem)
            }
            if tooQuick {
                problem = "Exited too quickly (process log may have details)"
                return actions + failed(now)
            }
            failures = 0
            state = .exited
            switch (spec.autorestart, expected) {
            case (.always, _), (.unexpected, false): return actions + again(now)
            case (.never, _), (.unexpected, true): return actions
            }
        case .stopping:
            guard groupLives else { return stopped(status, pid: ended) }
            // Stopped means that nothing of it runs on, or the next start meets what it left.
            isLeaderGone = true
            return isKilled ? [.signal(9, group: true)] : spec.stopasgroup ? [] : [.signal(spec.stopsignal, group: true)]
        case .unknown:
            pid = nil
            deadline = nil
            state = .exited
            return remains + [.log(exitEvent(status, pid: ended, expected: false))]
        case .stopped, .backoff, .exited, .fatal: return []
        }
    }

    private mutating func groupEnded() -> [ProgramAction] {
        guard isLeaderGone, let pid, let ending else { return [] }
        switch state {
        case .stopping: return stopped(ending, pid: pid)
        case .stopped, .starting, .running, .backoff, .exited, .fatal, .unknown: return []
        }
    }

    private mutating func stopped(_ status: ExitStatus, pid ended: Int32) -> [ProgramAction] {
        pid = nil
        deadline = nil
        isLeaderGone = false
        state = .stopped
        return [.log(stoppedEvent(status, pid: ended))]
    }

    private mutating func askToStop(_ pid: Int32, _ now: MonotonicTime) -> [ProgramAction] {
        deadline = now + spec.stopwaitsecs
        isKilled = false
        let whole = spec.stopasgroup ? "process group " : ""
        return [
            .log(
                Event(
                    .debg, "stopping", "killing \(spec.name) (pid \(pid)) \(whole)with signal \(SignalName.of(spec.stopsignal))",
                    ["program": .text(spec.name), "pid": .number(Int64(pid)), "signal": .text(SignalName.of(spec.stopsignal))])),
            .signal(spec.stopsignal, group: spec.stopasgroup),
        ]
    }

    /// At once, but never twice within a second: startsecs=0 calls every end a success and would fork without
    /// pause.
    private mutating func again(_ now: MonotonicTime) -> [ProgramAction] {
        guard let startedAt, now - startedAt < 1 else { return spawn(now) }
        state = .backoff
        deadline = startedAt + min(1, spec.maxBackoff)
        return []
    }

    private func words(_ status: ExitStatus) -> String {
        switch status {
        case .code(let code): return "exit status \(code)"
        case .signal(let signal, let core): return "terminated by \(SignalName.of(signal))\(core ? " (core dumped)" : "")"
        }
    }
    private func isExpected(_ status: ExitStatus) -> Bool {
        if case .code(let code) = status { return spec.exitcodes.contains(code) }
        return false
    }
    private func exitEvent(_ status: ExitStatus, pid: Int32, expected: Bool) -> Event {
        Event(
            expected ? .info : .warn, "exited",
            "exited: \(spec.name) (\(words(status)); \(expected ? "expected" : "not expected"))",
            [
                "program": .text(spec.name), "pid": .number(Int64(pid)),
                "status": .text(words(status)), "expected": .text(expected ? "yes" : "no"),
            ])
    }
    private func stoppedEvent(_ status: ExitStatus, pid: Int32) -> Event {
        Event(
            isExpected(status) ? .info : .warn, "stopped", "stopped: \(spec.name) (\(words(status)))",
            [
                "program": .text(spec.name), "pid": .number(Int64(pid)),
                "status": .text(words(status)),
            ])
    }

    private mutating func deadlinePassed(_ now: MonotonicTime) -> [ProgramAction] {
        guard let due = deadline, due <= now else { return [] }
        switch state {
        case .starting:
            deadline = nil
            state = .running
            failures = 0
            return [.log(successEvent())]
        case .backoff: return spawn(now)
        case .stopping:
            guard let pid else { return [] }
            // What even SIGKILL does not end in this time (its parent never collects it) must not hold the rest up.
            if isLeaderGone, isKilled, let ending { return stopped(ending, pid: pid) }
            isKilled = true
            deadline = now + max(1, spec.stopwaitsecs)
            return [
                .log(
                    Event(
                        .warn, "killing", "killing '\(spec.name)' (\(pid)) with SIGKILL",
                        ["program": .text(spec.name), "pid": .number(Int64(pid))])),
                .signal(9, group: spec.killasgroup || isLeaderGone),
            ]
        case .stopped, .running, .exited, .fatal, .unknown:
            deadline = nil
            return []
        }
    }

    private mutating func stop(_ now: MonotonicTime) -> [ProgramAction] {
        switch state {
        case .starting, .running:
            state = .stopping
            // Without a pid the answer to the spawn is still under way and will find STOPPING.
            guard let pid else { return [] }
            return askToStop(pid, now)
        case .backoff:
            state = .stopped
            deadline = nil
            return [
                .log(
                    Event(
                        .debg, "stopping", "Attempted to kill \(spec.name), which is in BACKOFF state.",
                        ["program": .text(spec.name), "pid": .none, "signal": .none]))
            ]
        case .unknown:
            state = .stopping
            guard let pid else { return [] }
            return askToStop(pid, now)
        case .stopped, .stopping, .exited, .fatal: return []
        }
    }

    private mutating func signalFailed(_ reason: String) -> [ProgramAction] {
        guard let pid else { return [] }
        switch state {
        case .starting, .running, .stopping:
            // The rest of a group may belong to another user.
            if isLeaderGone, let ending { return stopped(ending, pid: pid) }
            state = .unknown
            deadline = nil
            return [
                .log(
                    Event(
                        .crit, "kill_failed", "unknown problem killing \(spec.name) (\(pid)): \(reason)",
                        ["program": .text(spec.name), "reason": .text(reason)]))
            ]
        case .stopped, .backoff, .exited, .fatal, .unknown: return []
        }
    }
}

/// Signal names as supervisord prints them: real-time ones only at their ends, the rest by number.
public enum SignalName {
    private static let names = [
        1: "SIGHUP", 2: "SIGINT", 3: "SIGQUIT", 4: "SIGILL", 5: "SIGTRAP", 6: "SIGABRT", 7: "SIGBUS", 8: "SIGFPE",
        9: "SIGKILL", 10: "SIGUSR1", 11: "SIGSEGV", 12: "SIGUSR2", 13: "SIGPIPE", 14: "SIGALRM", 15: "SIGTERM",
        16: "SIGSTKFLT", 17: "SIGCHLD", 18: "SIGCONT", 19: "SIGSTOP", 20: "SIGTSTP", 21: "SIGTTIN", 22: "SIGTTOU",
        23: "SIGURG", 24: "SIGXCPU", 25: "SIGXFSZ", 26: "SIGVTALRM", 27: "SIGPROF", 28: "SIGWINCH", 29: "SIGPOLL",
        30: "SIGPWR", 31: "SIGSYS", 34: "SIGRTMIN", 64: "SIGRTMAX",
    ]
    public static func of(_ signal: Int32) -> String { names[Int(signal)] ?? "signal \(signal)" }
}
