import Events
import Glibc
import Linux

/// The methods of the control interface, as far as they concern the supervisor itself. Reading HTTP, XML and log
/// files is the connection's child's.
extension Supervisor {
    enum Answer {
        case now(Result<ControlValue, ControlFault>)
        case later(WaitingCall)
    }

    mutating func answer(_ method: String, _ words: [ControlValue]) -> Answer {
        do throws(ControlFault) {
            if end != nil { throw .shutdownState }
            return try call(method, words)
        } catch { return .now(.failure(error)) }
    }

    private mutating func call(_ method: String, _ words: [ControlValue]) throws(ControlFault) -> Answer {
        func name() throws(ControlFault) -> String {
            guard let name = words.first?.text else { throw .incorrectParameters }
            return name
        }
        let waits = words.last?.isTrue ?? true
        switch method {
        case "supervisor.getAPIVersion": return .now(.success(.string("3.0")))
        case "supervisor.getSupervisorVersion": return .now(.success(.string(Self.compatibleVersion)))
        case "supervisor.getIdentification": return .now(.success(.string(options.identifier)))
        case "supervisor.getState":
            return .now(.success(.structure([("statecode", .int(1)), ("statename", .string("RUNNING"))])))
        case "supervisor.getPID": return .now(.success(.int(Int(getpid()))))
        case "supervisor.shutdown":
            shutDown(.exit(0))
            return .now(.success(.bool(true)))
        case "supervisor.restart":
            guard options.restartsOnHangup else { throw .failed.about("this supervisor cannot be restarted, only ended") }
            if let why = whyNoRestart { throw .cantReread.about(why) }
            shutDown(.restart)
            return .now(.success(.bool(true)))
        case "supervisor.clearLog":
            guard log.path != nil else { throw .noFile }
            log.clear()
            return .now(.success(.bool(true)))
        case "supervisor.clearProcessLogs":
            let (_, program) = try find(try name())
            guard let program else { throw .badName.about(try name()) }
            try clear(program)
            return .now(.success(.bool(true)))
        case "supervisor.clearAllProcessLogs":
            return .now(.success(.array(lexical.map { program in WaitingCall.status(program, cleared(program)) })))
        case "supervisor.getAllProcessInfo":
            let (now, wall) = (MonotonicTime.now(), WallTime.now())
            return .now(.success(.array(lexical.map { ProcessInfo.structure($0, now: now, wall: wall) })))
        case "supervisor.getProcessInfo":
            guard let program = try find(try name()).program else { throw .badName.about(try name()) }
            return .now(.success(ProcessInfo.structure(program, now: .now(), wall: .now())))
        case "supervisor.getAllConfigInfo": return .now(.success(.array(configurations)))
        case "supervisor.startProcess": return try start(try name(), waits: waits)
        case "supervisor.stopProcess": return try stop(try name(), waits: waits)
        case "supervisor.startProcessGroup": return start(try group(try name()).programs, waits: waits)
        case "supervisor.stopProcessGroup": return stop(try group(try name()).programs, waits: waits)
        case "supervisor.startAllProcesses": return start(programs, waits: waits)
        case "supervisor.stopAllProcesses": return stop(programs, waits: waits)
        case "supervisor.signalProcess", "supervisor.signalProcessGroup", "supervisor.signalAllProcesses":
            return .now(.success(try signal(method, words)))
        case "supervisor.sendProcessStdin": return .now(.success(try sendInput(words)))
        case "supervisor.sendRemoteCommEvent": return .now(.success(.bool(true)))  // there are no listeners
        case "supervisor.reloadConfig": return .now(.success(try reread()))
        case "supervisor.addProcessGroup": return .now(.success(try add(try name())))
        case "supervisor.removeProcessGroup": return .now(.success(try remove(try name())))
        case "log.follow": return .now(.success(.null))
        case "log.process": return .now(.success(try logPath(words)))
        case "log.main":
            guard let path = log.path else { throw .noFile }
            return .now(.success(.string(path)))
        default: throw .unknownMethod
        }
    }

    /// What tools that look at the version expect of what is here.
    private static var compatibleVersion: String { "4.2.5" }

    // MARK: names

    /// As status and the like list them.
    private var lexical: [ManagedProgram] {
        groups.sorted { $0.spec.name < $1.spec.name }.flatMap { $0.programs.sorted { $0.name < $1.name } }
    }

    private func group(_ name: String) throws(ControlFault) -> ManagedGroup {
        guard let group = groups.first(where: { $0.spec.name == name }) else { throw .badName.about(name) }
        return group
    }

    /// `group:program`, `group:*` for a whole group (no program then), or a name that is both.
    private func find(_ text: String) throws(ControlFault) -> (group: ManagedGroup, program: ManagedProgram?) {
        let spec = NameSpec(text)
        guard let group = groups.first(where: { $0.spec.name == spec.group }) else { throw .badName.about(text) }
        guard let name = spec.process else { return (group, nil) }
        guard let program = group.programs.first(where: { $0.name == name }) else { throw .badName.about(text) }
        return (group, program)
    }

    private static func isActive(_ program: ManagedProgram) -> Bool {
        switch program.state {
        case .starting, .running, .backoff: return true
        case .stopped, .stopping, .exited, .fatal, .unknown: return false
        }
    }

    // MARK: start and stop

    private mutating func start(_ name: String, waits: Bool) throws(ControlFault) -> Answer {
        let (group, program) = try find(name)
        guard let program else { return start(group.programs, waits: waits) }
        try begin(program, name)
        return finish(.started, [program], isSingle: true, waits: waits)
    }

    private mutating func begin(_ program: ManagedProgram, _ name: String) throws(ControlFault) {
        do throws(Spawner.Failure) { _ = try Spawner.executable(program.spec) } catch {
            throw (error.kind == .notFound ? ControlFault.noFile : .notExecutable).about(error.description)
        }
        if Self.isActive(program) { throw .alreadyStarted.about(name) }
        if program.state == .unknown { throw .failed.about("\(name) is in an unknown process state") }
        apply(.start, to: program)
        if !program.machine.problem.isEmpty { throw .spawnError.about(name) }
    }

    private mutating func start(_ programs: [ManagedProgram], waits: Bool) -> Answer {
        let due = programs.filter { !Self.isActive($0) }
        var refused: [(ManagedProgram, ControlFault)] = []
        for program in due {
            do throws(ControlFault) { try begin(program, program.name) } catch { refused.append((program, error)) }
        }
        return finish(.started, due, isSingle: false, waits: waits, refused: refused)
    }

    private mutating func stop(_ name: String, waits: Bool) throws(ControlFault) -> Answer {
        let (group, program) = try find(name)
        guard let program else { return stop(group.programs, waits: waits) }
        // UNKNOWN too: it must not be a dead end.
        guard Self.isActive(program) || program.state == .unknown else { throw .notRunning.about(name) }
        try ask(program, waits: waits)
        return finish(.stopped, [program], isSingle: true, waits: waits)
    }

    private mutating func ask(_ program: ManagedProgram, waits: Bool) throws(ControlFault) {
        apply(.stop, to: program)
        if program.state == .unknown {
            throw .failed.about("unknown problem killing \(program.name) (\(program.pid ?? 0)): \(program.signalProblem)")
        }
        if waits, program.state == .stopping { sayWaiting(for: program) }
    }

    private mutating func stop(_ programs: [ManagedProgram], waits: Bool) -> Answer {
        let due = programs.filter { Self.isActive($0) }
        var refused: [(ManagedProgram, ControlFault)] = []
        for program in due {
            do throws(ControlFault) { try ask(program, waits: waits) } catch { refused.append((program, error)) }
        }
        return finish(.stopped, due, isSingle: false, waits: waits, refused: refused)
    }

    private func finish(
        _ goal: WaitingCall.Goal, _ programs: [ManagedProgram], isSingle: Bool, waits: Bool,
        refused: [(ManagedProgram, ControlFault)] = []
    ) -> Answer {
        let targets = programs.map { program -> (ManagedProgram, Result<Bool, ControlFault>?) in
            if let fault = refused.first(where: { $0.0 === program })?.1 { return (program, .failure(fault)) }
            return (program, waits ? nil : .success(true))
        }
        var call = WaitingCall(
            goal: goal, isSingle: isSingle, targets: targets, nextReport: goal == .stopped ? .now() + WaitingCall.reportInterval : nil)
        if let result = call.settle() { return .now(result) }
        return .later(call)
    }

    // MARK: signals and input

    private mutating func signal(_ method: String, _ words: [ControlValue]) throws(ControlFault) -> ControlValue {
        guard let text = words.last?.text else { throw .incorrectParameters }
        guard let signal = try? StopSignal.number(text) else { throw .badSignal.about(text) }
        let chosen: [ManagedProgram]
        switch method {
        case "supervisor.signalProcess":
            guard let name = words.first?.text else { throw .incorrectParameters }
            let (group, program) = try find(name)
            if let program {
                guard Self.isSignallable(program) else { throw .notRunning.about(name) }
                pass(signal, to: program)
                return .bool(true)
            }
            chosen = group.programs
        case "supervisor.signalProcessGroup":
            guard let name = words.first?.text else { throw .incorrectParameters }
            chosen = try group(name).programs
        default: chosen = programs
        }
        let due = chosen.filter { Self.isSignallable($0) }
        for program in due { pass(signal, to: program) }
        return .array(due.map { WaitingCall.status($0, .success(true)) })
    }
    private static func isSignallable(_ program: ManagedProgram) -> Bool {
        switch program.state {
        case .starting, .running, .stopping: return program.pid != nil
        case .stopped, .backoff, .exited, .fatal, .unknown: return false
        }
    }
    private mutating func pass(_ signal: Int32, to program: ManagedProgram) {
        guard let pid = program.pid else { return }
        let name = SignalName.of(signal)
        say(
            Event(
                .debg, "signalled", "sending \(program.name) (pid \(pid)) sig \(name)",
                ["program": .text(program.name), "pid": .number(Int64(pid)), "signal": .text(name)]))
        if kill(pid, signal) < 0, errno != ESRCH { apply(.signalFailed(SystemError.text(errno)), to: program) }
    }

    private static var mostInput: Int { 1 << 20 }
    private mutating func sendInput(_ words: [ControlValue]) throws(ControlFault) -> ControlValue {
        guard words.count == 2, let name = words[0].text else { throw .incorrectParameters }
        let bytes: [UInt8]
        switch words[1] {
        case .string(let text): bytes = Array(text.utf8)
        case .base64(let data): bytes = data
        default: throw .incorrectParameters
        }
        guard let program = try find(name).program else { throw .badName.about(name) }
        guard program.pid != nil else { throw .notRunning.about(name) }
        guard program.input != nil else { throw .noFile.about(name) }
        guard program.inputBacklog.count + bytes.count <= Self.mostInput else {
            throw .failed.about("\(name) has not read \(program.inputBacklog.count) bytes of its input yet")
        }
        program.inputBacklog += bytes
        writeInput(of: program)
        return .bool(true)
    }

    // MARK: logs

    private mutating func clear(_ program: ManagedProgram) throws(ControlFault) {
        for stream in program.streams {
            if case .began(let why)? = stream.clear() { throw .failed.about("\(program.spec.fullName): \(why)") }
        }
    }
    private mutating func cleared(_ program: ManagedProgram) -> Result<Bool, ControlFault> {
        do throws(ControlFault) {
            try clear(program)
            return .success(true)
        } catch { return .failure(error) }
    }

    private func logPath(_ words: [ControlValue]) throws(ControlFault) -> ControlValue {
        guard words.count == 2, let name = words[0].text, let channel = words[1].text else { throw .incorrectParameters }
        guard let program = try find(name).program else { throw .badName.about(name) }
        guard let path = program.streams.first(where: { $0.word == channel })?.path else { throw .noFile.about(name) }
        return .string(path)
    }

    // MARK: configuration

    private var configurations: [ControlValue] {
        let inUse = Set(groups.map(\.spec.name))
        return available.flatMap { group in group.programs.map { (group, $0) } }.sorted { $0.1.name < $1.1.name }
            .map { ProcessInfo.configuration($1, $0, inUse: inUse.contains($0.name)) }
    }

    private mutating func reread() throws(ControlFault) -> ControlValue {
        guard let hook = hooks.reread else { throw .cantReread.about("there is no configuration file") }
        do throws(ConfigurationError) { available = try hook() } catch { throw .cantReread.about(error.description) }
        let active = groups.map(\.spec)
        func names(_ groups: [GroupSpec]) -> ControlValue { .array(groups.map { .string($0.name) }) }
        let added = available.filter { new in !active.contains { $0.name == new.name } }
        let changed = available.filter { new in active.contains { $0.name == new.name && $0 != new } }
        let removed = active.filter { old in !available.contains { $0.name == old.name } }
        return .array([.array([names(added), names(changed), names(removed)])])
    }

    private mutating func add(_ name: String) throws(ControlFault) -> ControlValue {
        guard let spec = available.first(where: { $0.name == name }) else { throw .badName.about(name) }
        if groups.contains(where: { $0.spec.name == name }) { throw .alreadyAdded.about(name) }
        let group = ManagedGroup(spec)
        groups.append(group)
        groups.sort { ($0.spec.priority, $0.spec.name) < ($1.spec.priority, $1.spec.name) }
        for program in group.programs where program.spec.autostart { apply(.start, to: program) }
        return .bool(true)
    }

    private mutating func remove(_ name: String) throws(ControlFault) -> ControlValue {
        let group = try group(name)
        guard group.isAtRest else { throw .stillRunning.about(name) }
        for stream in group.programs.flatMap(\.streams) { stream.removeAutomatic() }
        groups.removeAll { $0 === group }
        return .bool(true)
    }
}
