import Events
import Linux

/// A program under the supervisor: its state, and what belongs to its process.
final class ManagedProgram {
    let spec: ProgramSpec
    var machine: ProgramStateMachine
    /// Our end of the program's standard input. It stays open while the program may run: its end is how a worker
    /// learns that the supervisor is gone.
    var input: Descriptor?
    var inputTicket: UInt64?
    /// What the program has not read yet.
    var inputBacklog: [UInt8] = []
    /// Our end of `Roster.channel`, and what has come over it.
    var roster: Descriptor?
    var rosterTicket: UInt64 = 0
    var rosterBytes: [UInt8] = []
    /// The last roster, in force until the next.
    var announced: [Roster.Entry] = []
    /// Removed once it is at rest.
    var isLeaving = false
    let streams: [OutputStream]
    var startedAt: WallTime?
    var stoppedAt: WallTime?
    var isSaidToDaemonize = false
    /// Why the kernel refused the last signal.
    var signalProblem = ""

    init(_ spec: ProgramSpec) {
        self.spec = spec
        machine = ProgramStateMachine(spec)
        streams = spec.redirectStderr ? [OutputStream(1, spec.stdout)] : [OutputStream(1, spec.stdout), OutputStream(2, spec.stderr)]
    }

    var name: String { spec.name }
    var state: ProgramState { machine.state }
    var isDone: Bool { machine.isAtRest || state == .unknown }
    var pid: Int32? { machine.pid }
    /// Where the supervisor's own words about a start that failed go.
    var errorStream: OutputStream { streams.last! }
}

/// Programs that are started and stopped together.
final class ManagedGroup {
    let spec: GroupSpec
    /// In the order they are started in.
    private(set) var programs: [ManagedProgram]

    init(_ spec: GroupSpec) {
        self.spec = spec
        programs = spec.programs.enumerated().sorted { ($0.element.priority, $0.offset) < ($1.element.priority, $1.offset) }
            .map { ManagedProgram($0.element) }
    }
    func add(_ program: ManagedProgram) { programs.append(program) }
    func remove(_ program: ManagedProgram) { programs.removeAll { $0 === program } }
    var isAtRest: Bool { programs.allSatisfy { $0.machine.isAtRest } }
    /// At the end nobody waits for what the kernel lets nobody signal.
    var isDone: Bool { programs.allSatisfy { $0.isDone } }
}
