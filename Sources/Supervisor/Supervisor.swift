import CLinux
public import Events
import Glibc
public import Linux

/// What a supervisor is told besides its programs.
public struct SupervisorOptions: Sendable {
    public var log = LogOptions()
    /// SIGHUP stops everything and asks the owner for a new start; else it is one more word for the end.
    public var restartsOnHangup = false
    /// Ends with 1 when a program is FATAL and none of the essential ones can run any more.
    public var exitsOnFatal = false
    /// Where automatic log files are made; nil: nowhere, as if each destination were NONE.
    public var childLogDirectory: String?
    public var identifier = "supervisor"
    public var stripsEscapes = false
    /// What programs find as SUPERVISOR_SERVER_URL.
    public var serverURL: String?
    /// Logged before anything else, in this order; the last says that the supervisor has started.
    public var greeting = [Self.started]
    public static var started: Event {
        Event(.info, "started", "supervisord started with pid \(getpid())", ["pid": .number(Int64(getpid()))])
    }
    public init() {}
}

/// How a supervisor came to its end.
public enum SupervisorEnd: Sendable, Equatable {
    case exit(Int32)
    /// Everything is stopped, to be started anew in this process.
    case restart
}

/// Keeps programs alive: one thread, one epoll without time-out.
public struct Supervisor: ~Copyable {
    /// What the owner of the supervisor says and does in its own way.
    public struct Hooks {
        /// The last lines before the end.
        public var farewell: () -> [Event]
        /// The groups as the configuration has them now.
        public var reread: (() throws(ConfigurationError) -> [GroupSpec])?
        /// The programs behind the names that a program announces.
        public var members: RosterMembers?
        public init(
            farewell: @escaping () -> [Event] = { [] }, reread: (() throws(ConfigurationError) -> [GroupSpec])? = nil,
            members: RosterMembers? = nil
        ) {
            self.farewell = farewell
            self.reread = reread
            self.members = members
        }
    }

    /// What a descriptor in the epoll set is there for.
    enum Watch {
        case signals, timer
        case sink(Int32)
        case output(ManagedProgram, OutputStream)
        case input(ManagedProgram)
        case roster(ManagedProgram)
        case listener
        case session(ControlSession)
    }

    var groups: [ManagedGroup]
    /// Programs with a process that has not been collected.
    var byPid: [Int32: ManagedProgram] = [:]
    /// Programs that are stopped but for the rest of their process group.
    var lingering: [ManagedProgram] = []
    /// Programs that are to be removed as soon as they are at rest.
    var leaving: [ManagedProgram] = []
    /// What the configuration said last, in use or not.
    var available: [GroupSpec]
    var listener: ControlListener?
    var listenerTicket: UInt64?
    var listensAgain: MonotonicTime?
    /// By the pid of the connection's child.
    var sessions: [Int32: ControlSession] = [:]
    let options: SupervisorOptions
    let log: MainLog
    var sinks: [Int32: LogSink] = [1: LogSink(descriptor: 1), 2: LogSink(descriptor: 2)]
    var sinkTickets: [Int32: UInt64] = [:]
    let syslog: Syslog
    let hooks: Hooks
    private let epoll: Descriptor
    private let timer: Descriptor
    private let signals: SignalDescriptor
    /// By ticket and not by number: a late event of a closed descriptor must not be taken for its successor's.
    private var watches: [UInt64: Watch] = [:]
    private var lastTicket: UInt64 = 0
    /// Streams that are not read while a sink's reader is slow.
    private var paused: [(program: ManagedProgram, stream: OutputStream)] = []
    private var armed: MonotonicTime?
    /// All is started and nothing is due: most of what the start needed will not be needed again.
    private var isSettled = false
    private var buffer = [UInt8](repeating: 0, count: 65_536)

    var end: SupervisorEnd?
    var shutdown = ShutdownOrder()
    var hasChildEnded = false
    /// How long the reader of the last lines may take.
    private static let lastLines = 0.3
    private var lastAnswersUntil: MonotonicTime?
    /// When the programs that still live are named again.
    var nextReport: MonotonicTime?

    public init(
        _ groups: [GroupSpec], options: SupervisorOptions, listener: consuming ControlListener? = nil, hooks: Hooks
    ) throws(SystemError) {
        let epoll = Descriptor(owning: Int32(try checked("epoll_create1") { Int(epoll_create1(Int32(bitPattern: UInt32(EPOLL_CLOEXEC)))) }))
        let timer = Descriptor(
            owning: Int32(try checked("timerfd_create") { Int(timerfd_create(CLOCK_MONOTONIC, Int32(TFD_CLOEXEC) | Int32(TFD_NONBLOCK))) }))
        let endings = [SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGCHLD, SIGPWR, SIGUSR2]
        // Who started us may have ignored them: shells do so for what they put into the background, and with SIGCHLD
        // ignored no end would ever be seen. nohup's SIGHUP is the user's wish, unless it means another thing here.
        for each in endings where each != SIGHUP || options.restartsOnHangup { signal(each, SIG_DFL) }
        let signals = try SignalDescriptor(options.restartsOnHangup ? endings : endings + [SIGUSR1])
        signal(SIGPIPE, SIG_IGN)
        for quiet in [SIGTTIN, SIGTTOU, SIGTSTP] { signal(quiet, SIG_IGN) }
        self.groups = groups.sorted { ($0.priority, $0.name) < ($1.priority, $1.name) }.map { ManagedGroup($0) }
        self.available = groups
        self.listener = consume listener
        self.options = options
        self.log = MainLog(options.log)
        self.syslog = Syslog(identity: "supervisord")
        self.hooks = hooks
        self.epoll = epoll
        self.timer = timer
        self.signals = signals
        if getpid() != 1 { sensor_prctl_subreaper() }
    }

    /// Runs until told to stop, or until no essential program is left.
    public mutating func run() throws(SystemError) -> SupervisorEnd {
        try watch(signals.number, .signals)
        try watch(timer.number, .timer)
        if let trouble = log.trouble { say(trouble) }
        for event in options.greeting { say(event) }
        for group in groups {
            for program in group.programs where program.spec.autostart { apply(.start, to: program) }
        }
        while true {
            if let end, isAtEnd, isAnswered() {
                for event in hooks.farewell() { say(event) }
                for number in [1, 2] as [Int32] { sinks[number]?.drain(Self.lastLines) }
                return end
            }
            listen()
            arm()
            wait()
            resume()
            reap()
            sayChildEnded()
            passDeadlines()
            removeLeft()
            settleCalls()
            if end != nil { stopNext() } else { endIfNothingEssentialIsLeft() }
        }
    }

    /// Nothing lives that was started.
    var isAtEnd: Bool { groups.allSatisfy { $0.isDone } }

    /// The clients have their last answers, or have had the time to fetch them.
    private mutating func isAnswered() -> Bool {
        for session in sessions.values where session.toSend.isEmpty { close(session) }
        if sessions.isEmpty { return true }
        let due = lastAnswersUntil ?? .now() + Self.lastAnswers
        lastAnswersUntil = due
        if due > .now() { return false }
        for pid in sessions.keys {
            kill(pid, SIGKILL)
            _ = Spawner.reap(pid, wait: true)
        }
        return true
    }

    // MARK: waiting

    @discardableResult
    mutating func watch(_ descriptor: Int32, _ what: Watch, events: UInt32 = EPOLLIN.rawValue) throws(SystemError) -> UInt64 {
        lastTicket += 1
        var event = unsafe epoll_event(events: events, data: epoll_data_t(u64: lastTicket))
        try checked("epoll_ctl") { unsafe Int(epoll_ctl(epoll.number, EPOLL_CTL_ADD, descriptor, &event)) }
        watches[lastTicket] = what
        return lastTicket
    }
    mutating func unwatch(_ descriptor: Int32, _ ticket: UInt64) {
        guard watches.removeValue(forKey: ticket) != nil else { return }
        var event = unsafe epoll_event()
        unsafe epoll_ctl(epoll.number, EPOLL_CTL_DEL, descriptor, &event)
    }

    /// Sets the timer to the nearest deadline; without one it never fires.
    private mutating func arm() {
        var due = [nextReport, endOfPause, lastAnswersUntil, nextWaitingReport, listensAgain].compactMap { $0 }.min()
        for group in groups {
            for program in group.programs {
                if let its = program.machine.deadline, due.map({ its < $0 }) ?? true { due = its }
            }
        }
        if due == nil, !isSettled {
            isSettled = true
            sensor_release_code()
        }
        if due == armed { return }
        armed = due
        sensor_timer_at(timer.number, due.map { max($0.nanoseconds, 1) } ?? 0)
    }

    private mutating func wait() {
        watchSinks()
        var events = unsafe [epoll_event](repeating: epoll_event(), count: 64)
        let count = unsafe epoll_wait(epoll.number, &events, 64, -1)
        guard count > 0 else { return }
        for index in 0..<Int(count) {
            guard let what = unsafe watches[events[index].data.u64] else { continue }
            switch what {
            case .signals: readSignals()
            case .timer:
                var expirations: UInt64 = 0
                unsafe Glibc.read(timer.number, &expirations, 8)
                armed = nil
            case .sink(let number): sinks[number]?.flush()
            case .output(let program, let stream): readOutput(stream, of: program, turns: 16)
            case .input(let program): writeInput(of: program)
            case .roster(let program): readRoster(of: program)
            case .listener: acceptConnections()
            case .session(let session): readFrames(of: session)
            }
        }
    }

    private mutating func readSignals() {
        while let signal = signals.next() { received(signal) }
    }

    private mutating func passDeadlines() {
        let now = MonotonicTime.now()
        for group in groups {
            for program in group.programs {
                if let due = program.machine.deadline, due <= now { apply(.deadline, to: program) }
            }
        }
        if let report = nextReport, report <= now { reportTheLiving() }
        reportWaiting(now)
    }

    private var nextWaitingReport: MonotonicTime? { sessions.values.compactMap { $0.waiting?.nextReport }.min() }

    // MARK: the log

    mutating func say(_ event: Event) {
        if let line = log.line(event, at: .now()) { copy(Array(line.utf8)[...]) }
    }
    /// To wherever the log goes besides its file.
    mutating func copy(_ bytes: ArraySlice<UInt8>) {
        if options.log.stdout { sinks[1]?.write(bytes) }
        if options.log.stderr { sinks[2]?.write(bytes) }
        if options.log.syslog { syslog.send(bytes) }
    }

    /// A sink that waits for its reader is heard of when the reader goes on.
    private mutating func watchSinks() {
        for number in [1, 2] as [Int32] {
            let waits = sinks[number]?.isWaiting ?? false
            if waits, sinkTickets[number] == nil {
                sinkTickets[number] = try? watch(sinks[number]?.number ?? number, .sink(number), events: EPOLLOUT.rawValue)
            } else if !waits, let ticket = sinkTickets.removeValue(forKey: number) {
                unwatch(sinks[number]?.number ?? number, ticket)
            }
        }
    }

    // MARK: output

    /// `turns` bounds it, so that one loud program does not keep the others waiting.
    mutating func readOutput(_ stream: OutputStream, of program: ManagedProgram, turns: Int, mayPause: Bool = true) {
        for _ in 0..<turns {
            guard let number = stream.pipe?.number else { return }
            if mayPause, mustWait(stream) { return pause(stream, of: program) }
            let got = unsafe Glibc.read(number, &buffer, buffer.count)
            if got > 0 {
                take(buffer[..<got], stream, of: program)
                if got < buffer.count { return }
            } else {
                if got == 0 { closePipe(stream) }
                return
            }
        }
    }

    /// A slow reader slows the program down, as a pipe would; one that takes nothing at all holds nobody up.
    private func mustWait(_ stream: OutputStream) -> Bool {
        guard case .descriptor(let number) = stream.spec.destination, let sink = sinks[number] else { return false }
        return sink.isPressed && sink.stalledFrom > .now()
    }
    private mutating func pause(_ stream: OutputStream, of program: ManagedProgram) {
        guard let number = stream.pipe?.number else { return }
        unwatch(number, stream.ticket)
        paused.append((program, stream))
    }
    private mutating func resume() {
        if paused.isEmpty { return }
        let due = paused
        paused = []
        for (program, stream) in due {
            if mustWait(stream) { paused.append((program, stream)) } else { watchOutput(stream, of: program) }
        }
    }
    private var endOfPause: MonotonicTime? {
        paused.compactMap { entry -> MonotonicTime? in
            guard case .descriptor(let number) = entry.stream.spec.destination else { return nil }
            return sinks[number]?.stalledFrom
        }.min()
    }
    mutating func watchOutput(_ stream: OutputStream, of program: ManagedProgram) {
        guard let number = stream.pipe?.number else { return }
        stream.ticket = (try? watch(number, .output(program, stream))) ?? 0
    }
    mutating func closePipe(_ stream: OutputStream) {
        guard let number = stream.pipe?.number else { return }
        unwatch(number, stream.ticket)
        stream.pipe = nil
        paused.removeAll { $0.stream === stream }
    }
}
