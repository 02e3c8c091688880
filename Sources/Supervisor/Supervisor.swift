import CLinux
public import Events
import Glibc
public import Linux

/// Keeps programs alive: one thread, one epoll without time-out.
public struct Supervisor: ~Copyable {
    /// What the owner of the supervisor may say in its own words.
    public struct Hooks {
        /// The last lines before the end.
        public var farewell: () -> [Event]
        public init(farewell: @escaping () -> [Event]) { self.farewell = farewell }
    }

    private struct Program {
        var machine: ProgramStateMachine
        var output: Int32 = -1
        /// Held open while the program may run: its end is how a worker learns that the supervisor is gone.
        var lifeline: Int32 = -1
        var partial: [UInt8] = []
    }

    private var programs: [Program]
    private let face: LogFace
    private var log: LogSink
    private let hooks: Hooks
    private let epoll: Descriptor
    private let timer: Descriptor
    private let signals: SignalDescriptor
    private var isShuttingDown = false
    private var exitCode: Int32 = 0
    private var stopPriority: Int?
    private var logIsRegistered = false

    private enum Tag {
        static let signals: UInt64 = 1 << 32
        static let timer: UInt64 = 2 << 32
        static let log: UInt64 = 3 << 32
    }

    public init(_ specs: [ProgramSpec], face: LogFace, hooks: Hooks) throws(SystemError) {
        let epoll = Descriptor(owning: Int32(try checked("epoll_create1") { Int(epoll_create1(Int32(bitPattern: UInt32(EPOLL_CLOEXEC)))) }))
        let timer = Descriptor(
            owning: Int32(try checked("timerfd_create") { Int(timerfd_create(CLOCK_MONOTONIC, Int32(TFD_CLOEXEC) | Int32(TFD_NONBLOCK))) }))
        let signals = try SignalDescriptor([SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGCHLD, SIGPWR, SIGUSR1, SIGUSR2])
        try Self.watch(signals.number, Tag.signals, by: epoll.number)
        try Self.watch(timer.number, Tag.timer, by: epoll.number)
        signal(SIGPIPE, SIG_IGN)
        for quiet in [SIGTTIN, SIGTTOU, SIGTSTP] { signal(quiet, SIG_IGN) }
        self.programs = specs.sorted { ($0.priority, $0.name) < ($1.priority, $1.name) }.map {
            Program(machine: ProgramStateMachine($0))
        }
        self.face = face
        self.log = LogSink(descriptor: 1)
        self.hooks = hooks
        self.epoll = epoll
        self.timer = timer
        self.signals = signals
        if getpid() != 1 { sensor_prctl_subreaper() }
    }

    /// Runs until told to stop, or until no essential program is left. Returns the exit code.
    public mutating func run() -> Int32 {
        say(Event(.info, "started", "supervisord started with pid \(getpid())", ["pid": .number(Int64(getpid()))]))
        for index in programs.indices { apply(.start, to: index) }
        while !(isShuttingDown && programs.allSatisfy { $0.machine.isAtRest }) {
            arm()
            wait()
            reap()
            passDeadlines()
            if isShuttingDown { stopNext() } else { endIfNothingEssentialIsLeft() }
        }
        for event in hooks.farewell() { say(event) }
        return exitCode
    }

    // MARK: waiting

    private static func watch(
        _ descriptor: Int32, _ tag: UInt64, events: UInt32 = EPOLLIN.rawValue, by epoll: Int32
    ) throws(SystemError) {
        var event = unsafe epoll_event(events: events, data: epoll_data_t(u64: tag))
        try checked("epoll_ctl") { unsafe Int(epoll_ctl(epoll, EPOLL_CTL_ADD, descriptor, &event)) }
    }
    private func unwatch(_ descriptor: Int32) {
        var event = unsafe epoll_event()
        unsafe epoll_ctl(epoll.number, EPOLL_CTL_DEL, descriptor, &event)
    }

    /// Sets the timer to the nearest deadline; without one it never fires.
    private func arm() {
        var setting = itimerspec()
        if let due = programs.compactMap({ $0.machine.deadline }).min() {
            let at = max(due.nanoseconds, 1)
            setting.it_value = timespec(tv_sec: Int(at / 1_000_000_000), tv_nsec: Int(at % 1_000_000_000))
        }
        unsafe timerfd_settime(timer.number, Int32(TFD_TIMER_ABSTIME), &setting, nil)
    }

    private mutating func wait() {
        if log.isWaiting != logIsRegistered {
            if log.isWaiting {
                logIsRegistered = (try? Self.watch(1, Tag.log, events: EPOLLOUT.rawValue, by: epoll.number)) != nil
            } else {
                unwatch(1)
                logIsRegistered = false
            }
        }
        var events = unsafe [epoll_event](repeating: epoll_event(), count: 64)
        let count = unsafe epoll_wait(epoll.number, &events, 64, -1)
        guard count > 0 else { return }
        for index in 0..<Int(count) {
            switch unsafe events[index].data.u64 {
            case Tag.signals: readSignals()
            case Tag.timer:
                var expirations: UInt64 = 0
                unsafe Glibc.read(timer.number, &expirations, 8)
            case Tag.log: log.flush()
            case let tag: readOutput(of: Int(tag))
            }
        }
    }

    private mutating func readSignals() {
        while let signal = signals.next() {
            switch signal {
            case SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGPWR:
                let name = SignalName.of(signal)
                say(Event(.warn, "received", "received \(name) indicating exit request", ["signal": .text(name)]))
                shutDown(code: 0)
            default: break  // SIGCHLD: reaped after every wake-up; USR1 and USR2: nothing to re-open here
            }
        }
    }

    // MARK: programs

    private mutating func apply(_ event: ProgramEvent, to index: Int) {
        for action in programs[index].machine.handle(event, at: .now()) {
            switch action {
            case .log(let event): say(event)
            case .spawn: spawn(index)
            case .signal(let signal): send(signal, to: index)
            }
        }
    }

    private mutating func spawn(_ index: Int) {
        let spec = programs[index].machine.spec
        close(index)
        do {
            let life = try Pipe.make()
            let output = try Pipe.make()
            let pid = try Spawner.spawn(
                path: spec.path ?? spec.arguments.first ?? "", arguments: spec.arguments, environment: spec.environment,
                descriptors: [life.read.number, output.write.number, output.write.number] + spec.inherited, name: spec.name)
            _ = fcntl(output.read.number, F_SETFL, O_NONBLOCK)
            programs[index].lifeline = life.keepWrite()
            programs[index].output = output.keepRead()
            try Self.watch(programs[index].output, UInt64(index), by: epoll.number)
            apply(.spawned(pid: pid), to: index)
        } catch let failure as Spawner.Failure {
            apply(.spawnFailed(failure.description), to: index)
        } catch {
            apply(.spawnFailed("\(error)"), to: index)
        }
    }

    /// To the whole group, so that no grandchild outlives a stop.
    private mutating func send(_ signal: Int32, to index: Int) {
        guard let pid = programs[index].machine.pid else { return }
        if kill(-pid, signal) < 0, errno != ESRCH {
            apply(.signalFailed(SystemError.text(errno)), to: index)
        }
        // A stopped process hears no SIGTERM.
        if signal != SIGKILL { kill(-pid, SIGCONT) }
    }

    private mutating func reap() {
        while let (pid, status) = Spawner.reap() {
            if let index = programs.firstIndex(where: { $0.machine.pid == pid }) {
                readOutput(of: index)  // what it said last comes before the line of its end
                flushPartial(of: index)
                close(index)
                apply(.exited(status), to: index)
            } else {
                let words: String
                switch status {
                case .code(let code): words = "exit status \(code)"
                case .signal(let signal, _): words = "terminated by \(SignalName.of(signal))"
                }
                say(Event(.info, "reaped", "reaped unknown pid \(pid) (\(words))", ["pid": .number(Int64(pid)), "status": .text(words)]))
            }
        }
    }

    private mutating func passDeadlines() {
        let now = MonotonicTime.now()
        for index in programs.indices {
            if let due = programs[index].machine.deadline, due <= now { apply(.deadline, to: index) }
        }
    }

    // MARK: output

    private mutating func readOutput(of index: Int) {
        guard programs.indices.contains(index), programs[index].output >= 0 else { return }
        var buffer = [UInt8](repeating: 0, count: 65_536)
        // Bounded, so that one loud program does not keep the others waiting.
        for _ in 0..<16 {
            let got = unsafe Glibc.read(programs[index].output, &buffer, buffer.count)
            if got > 0 {
                programs[index].partial += buffer[..<got]
                sayLines(of: index)
            } else {
                if got == 0 {
                    unwatch(programs[index].output)
                    Glibc.close(programs[index].output)
                    programs[index].output = -1
                }
                return
            }
        }
    }

    private mutating func sayLines(of index: Int) {
        while let end = programs[index].partial.firstIndex(of: 10) {
            let line = String(decoding: programs[index].partial[..<end], as: UTF8.self)
            programs[index].partial.removeSubrange(...end)
            log.write(face.stamp(line, from: programs[index].machine.spec.name, at: .now()))
        }
        if programs[index].partial.count > 65_536 { flushPartial(of: index) }
    }

    private mutating func flushPartial(of index: Int) {
        guard !programs[index].partial.isEmpty else { return }
        let line = String(decoding: programs[index].partial, as: UTF8.self)
        programs[index].partial = []
        log.write(face.stamp(line, from: programs[index].machine.spec.name, at: .now()))
    }

    private mutating func close(_ index: Int) {
        if programs[index].output >= 0 {
            unwatch(programs[index].output)
            Glibc.close(programs[index].output)
        }
        if programs[index].lifeline >= 0 { Glibc.close(programs[index].lifeline) }
        programs[index].output = -1
        programs[index].lifeline = -1
        programs[index].partial = []
    }

    private mutating func say(_ event: Event) { log.write(face.line(event, at: .now())) }

    // MARK: the end

    private mutating func shutDown(code: Int32) {
        if isShuttingDown { return }
        isShuttingDown = true
        exitCode = code
        let names = programs.filter { !$0.machine.isAtRest }.map { $0.machine.spec.name }
        if !names.isEmpty {
            let list = names.joined(separator: ", ")
            say(Event(.info, "waiting", "waiting for \(list) to die", ["programs": .text(list)]))
        }
        stopNext()
    }

    /// Stops the highest priority that is left, all of it together.
    private mutating func stopNext() {
        let left = programs.indices.filter { !programs[$0].machine.isAtRest }
        guard let priority = left.map({ programs[$0].machine.spec.priority }).max(), priority != stopPriority else { return }
        stopPriority = priority
        for index in left where programs[index].machine.spec.priority == priority { apply(.stop, to: index) }
    }

    private mutating func endIfNothingEssentialIsLeft() {
        let essential = programs.filter { $0.machine.spec.essential }
        guard !essential.isEmpty, essential.allSatisfy({ $0.machine.state == .fatal || $0.machine.state == .exited }) else { return }
        let list = essential.map { $0.machine.spec.name }.joined(separator: ", ")
        say(
            Event(
                .crit, "essential_lost", "nothing left to supervise: \(list) cannot run; ending with exit status 1",
                ["programs": .text(list)]))
        shutDown(code: 1)
    }
}
