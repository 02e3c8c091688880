import Events
import Linux
import Testing

@testable import Supervisor

/// Every pair of a situation and an event, beside what supervisord makes of it.
struct StateTableTests {
    /// A state and, where it makes a difference, whether the answer to a spawn is still under way.
    enum Situation: String, CaseIterable, Sendable {
        case stopped, ordered, starting, running, backoff, stopping, stoppingUnanswered, stoppingGroup, exited, fatal, unknown

        var machine: ProgramStateMachine {
            switch self {
            case .stopped: return ProgramStateMachine(program())
            case .ordered:
                var machine = ProgramStateMachine(program())
                _ = machine.handle(.start, at: seconds(0))
                return machine
            case .starting: return .started(running: false)
            case .running: return .started()
            case .backoff:
                var machine = ProgramStateMachine.started(running: false)
                _ = machine.handle(.exited(.code(1)), at: seconds(0.2))
                return machine
            case .stopping:
                var machine = ProgramStateMachine.started()
                _ = machine.handle(.stop, at: seconds(3))
                return machine
            case .stoppingUnanswered:
                var machine = Situation.ordered.machine
                _ = machine.handle(.stop, at: seconds(0))
                return machine
            case .stoppingGroup:
                var machine = Situation.stopping.machine
                _ = machine.handle(.exited(.code(0), groupLives: true), at: seconds(3))
                return machine
            case .exited:
                var machine = ProgramStateMachine.started(program { $0.autorestart = .never })
                _ = machine.handle(.exited(.code(0)), at: seconds(3))
                return machine
            case .fatal:
                var machine = ProgramStateMachine.started(program { $0.startretries = 0 }, running: false)
                _ = machine.handle(.exited(.code(1)), at: seconds(0.2))
                return machine
            case .unknown:
                var machine = Situation.stopping.machine
                _ = machine.handle(.signalFailed("Operation not permitted"), at: seconds(3))
                return machine
            }
        }
        var state: ProgramState {
            switch self {
            case .stopped: .stopped
            case .ordered, .starting: .starting
            case .running: .running
            case .backoff: .backoff
            case .stopping, .stoppingUnanswered, .stoppingGroup: .stopping
            case .exited: .exited
            case .fatal: .fatal
            case .unknown: .unknown
            }
        }
    }

    enum Happening: String, CaseIterable, Sendable {
        case start, stop, spawned, spawnFailed, exitedWell, exitedBadly, killed, early, due, signalFailed, exitedAlone, groupEnded

        func deliver(to machine: inout ProgramStateMachine) -> [ProgramAction] {
            let now = seconds(4)
            switch self {
            case .start: return machine.handle(.start, at: now)
            case .stop: return machine.handle(.stop, at: now)
            case .spawned: return machine.handle(.spawned(pid: 99), at: now)
            case .spawnFailed: return machine.handle(.spawnFailed("can't find command '/bin/cat'"), at: now)
            case .exitedWell: return machine.handle(.exited(.code(0)), at: now)
            case .exitedBadly: return machine.handle(.exited(.code(3)), at: now)
            case .killed: return machine.handle(.exited(.signal(9, core: false)), at: now)
            case .early: return machine.handle(.deadline, at: seconds(0.1))
            case .due: return machine.handle(.deadline, at: machine.deadline ?? seconds(1000))
            case .exitedAlone: return machine.handle(.exited(.code(0), groupLives: true), at: now)
            case .groupEnded: return machine.handle(.groupEnded, at: now)
            case .signalFailed: return machine.handle(.signalFailed("Operation not permitted"), at: now)
            }
        }
    }

    /// State after the event, then the actions in order; "-" where nothing changes.
    static let table: [Situation: [String]] = [
        .stopped: ["starting spawn", "-", "-", "-", "-", "-", "-", "-", "-", "-", "-", "-"],
        .ordered: [
            "-", "stopping", "starting spawned", "backoff spawnerr", "-", "-", "-", "-", "-", "-", "-", "-",
        ],
        .starting: [
            "-", "stopping stopping sig15", "-", "-", "starting success exited spawn", "starting success exited spawn",
            "starting success exited spawn", "-", "running success", "unknown kill_failed", "starting success exited spawn", "-",
        ],
        .running: [
            "-", "stopping stopping sig15", "-", "-", "starting exited spawn", "starting exited spawn", "starting exited spawn", "-", "-",
            "unknown kill_failed", "starting exited spawn", "-",
        ],
        .backoff: ["starting spawn", "stopped stopping", "-", "-", "-", "-", "-", "-", "starting spawn", "-", "-", "-"],
        .stopping: [
            "stopping start_refused", "-", "-", "-", "stopped stopped", "stopped stopped", "stopped stopped", "-",
            "stopping killing sig9", "unknown kill_failed", "stopping groupsig15", "-",
        ],
        .stoppingUnanswered: [
            "stopping start_refused", "-", "stopping spawned stopping sig15", "stopped", "-", "-", "-", "-", "-", "-", "-", "-",
        ],
        .stoppingGroup: [
            "stopping start_refused", "-", "-", "-", "-", "-", "-", "-", "stopping killing groupsig9", "stopped stopped", "-",
            "stopped stopped",
        ],
        .exited: ["starting spawn", "-", "-", "-", "-", "-", "-", "-", "-", "-", "-", "-"],
        .fatal: ["starting spawn", "-", "-", "-", "-", "-", "-", "-", "-", "-", "-", "-"],
        .unknown: [
            "-", "stopping stopping sig15", "-", "-", "exited exited", "exited exited", "exited exited", "-", "-", "-", "exited exited",
            "-",
        ],
    ]

    @Test(arguments: Situation.allCases)
    func `every event has the answer of the table`(situation: Situation) throws {
        let row = try #require(Self.table[situation])
        #expect(row.count == Happening.allCases.count)
        #expect(situation.machine.state == situation.state)
        for (happening, expected) in zip(Happening.allCases, row) {
            var machine = situation.machine
            let actions = happening.deliver(to: &machine).map { action in
                switch action {
                case .spawn: "spawn"
                case .signal(let signal, let group): group ? "groupsig\(signal)" : "sig\(signal)"
                case .killRemains: "remains"
                case .log(let event): event.name
                }
            }
            let told = ([machine.state.word] + actions).joined(separator: " ")
            if expected == "-" {
                #expect(told == situation.state.word, "\(happening)")
            } else {
                #expect(told == expected, "\(happening)")
            }
        }
    }

    @Test func `the table names every state of supervisord with its number`() {
        #expect(Set(Situation.allCases.map(\.state)) == Set(ProgramState.allCases))
        #expect(ProgramState.allCases.map(\.rawValue) == [0, 10, 20, 30, 40, 100, 200, 1000])
    }
}

extension ProgramState {
    var word: String { "\(self)" }
}
