import Events
import Glibc
import Linux

extension Supervisor {
    var programs: [ManagedProgram] { groups.flatMap(\.programs) }

    mutating func apply(_ event: ProgramEvent, to program: ManagedProgram) {
        let before = program.state
        let actions = program.machine.handle(event, at: .now())
        if program.state != before, Self.hadProcess(before), !Self.hadProcess(program.state) { program.stoppedAt = .now() }
        for action in actions {
            switch action {
            case .log(let event): say(event)
            case .spawn: spawn(program)
            case .signal(let signal, let group): send(signal, toGroup: group, of: program)
            case .killRemains(let group): kill(-group, SIGKILL)
            }
        }
    }
    private static func hadProcess(_ state: ProgramState) -> Bool {
        switch state {
        case .starting, .running, .stopping, .unknown: return true
        case .stopped, .backoff, .exited, .fatal: return false
        }
    }

    // MARK: start

    private mutating func spawn(_ program: ManagedProgram) {
        program.startedAt = .now()
        do throws(Spawner.Failure) {
            switch try makeProcess(of: program) {
            case .running(let pid):
                byPid[pid] = program
                apply(.spawned(pid: pid), to: program)
            case .stillborn(let pid, let why):
                byPid[pid] = program
                apply(.spawned(pid: pid), to: program)
                let words = "supervisor: \(why)\nsupervisor: child process was not spawned\n"
                take(Array(words.utf8)[...], program.errorStream, of: program)
            }
        } catch {
            apply(.spawnFailed(error.description), to: program)
        }
    }

    private mutating func makeProcess(of program: ManagedProgram) throws(Spawner.Failure) -> Spawner.Outcome {
        let spec = program.spec
        let path = try Spawner.executable(spec)
        for stream in program.streams {
            do { try stream.openFile { automaticFile(stream, of: program) } } catch {
                let why = "unknown error making dispatchers for '\(spec.name)': \(SystemError.name(error.code))"
                throw Spawner.Failure(kind: .system, description: why)
            }
        }
        let input = try pipe(for: spec)
        let out = try pipe(for: spec)
        let err = try pipe(for: spec)
        var theirs: Descriptor?
        if spec.announcesRoster {
            let ends = try pipe(for: spec).keepBoth()
            program.roster = Descriptor(owning: ends.read)
            theirs = Descriptor(owning: ends.write)
        }
        let channel = [theirs?.number].compactMap { $0 }
        let second = spec.redirectStderr ? out.write.number : err.write.number
        let outcome = try Spawner.start(
            path: path, arguments: spec.arguments, environment: environment(of: program),
            descriptors: [input.read.number, out.write.number, second] + channel + spec.inherited, directory: spec.directory,
            umask: spec.umask, user: spec.user, name: spec.name)
        theirs = nil
        closeInput(of: program)
        program.input = input.keepWrite()
        program.streams[0].pipe = out.keepRead()
        if !spec.redirectStderr { program.streams[1].pipe = err.keepRead() }
        for number in [
            program.input?.number, program.streams[0].pipe?.number, program.streams.last!.pipe?.number, program.roster?.number,
        ] {
            if let number { _ = fcntl(number, F_SETFL, O_NONBLOCK) }
        }
        for stream in program.streams { watchOutput(stream, of: program) }
        watchRoster(of: program)
        return outcome
    }

    private func pipe(for spec: ProgramSpec) throws(Spawner.Failure) -> Pipe {
        do throws(SystemError) { return try Pipe.make() } catch {
            if error.code == EMFILE || error.code == ENFILE { throw .tooManyFiles(spec.name) }
            throw Spawner.Failure(kind: .system, description: "cannot spawn '\(spec.name)': \(error)")
        }
    }

    private func environment(of program: ManagedProgram) -> [String: String] {
        var out = program.spec.environment
        out["SUPERVISOR_ENABLED"] = "1"
        out["SUPERVISOR_PROCESS_NAME"] = program.name
        out["SUPERVISOR_GROUP_NAME"] = program.spec.group
        if let url = program.spec.serverURL ?? options.serverURL { out["SUPERVISOR_SERVER_URL"] = url }
        return out
    }

    /// nil where it cannot be made: a read-only file system must not keep a program from running.
    private mutating func automaticFile(_ stream: OutputStream, of program: ManagedProgram) -> RotatingFile? {
        guard let directory = options.childLogDirectory else { return nil }
        let letters = "abcdefghijklmnopqrstuvwxyz0123456789_"
        let random = String((0..<8).map { _ in letters.randomElement() ?? "a" })
        let path = "\(directory)/\(program.name)-\(stream.word)---\(options.identifier)-\(random).log"
        do { return try RotatingFile(new: path, maxbytes: stream.spec.maxbytes, backups: stream.spec.backups) } catch {
            say(MainLog.event(.began(SystemError.text(error.code)), path, of: program.name))
            return nil
        }
    }

    // MARK: signals

    /// A process that has gone meanwhile is no fault.
    mutating func send(_ signal: Int32, toGroup group: Bool, of program: ManagedProgram) {
        guard let pid = program.pid else { return }
        let target = group ? -pid : pid
        if kill(target, signal) < 0, errno != ESRCH {
            program.signalProblem = SystemError.text(errno)
            apply(.signalFailed(program.signalProblem), to: program)
        }
        // A stopped process hears no SIGTERM.
        if signal != SIGKILL { kill(target, SIGCONT) }
    }

    // MARK: ends

    mutating func reap() {
        var strangers = 0
        while let (pid, status) = Spawner.reap() {
            if let program = byPid.removeValue(forKey: pid) {
                ended(program, pid, status)
            } else if let session = sessions.removeValue(forKey: pid) {
                close(session)
            } else {
                strangers += 1
                if strangers <= 10 { reaped(pid, status) }
            }
        }
        if strangers > 10 {
            say(Event(.info, "reaped", "reaped \(strangers - 10) more unknown pids", ["pid": .none, "status": .none]))
        }
        for program in lingering where program.pid.map({ kill(-$0, 0) != 0 && errno == ESRCH }) ?? true {
            apply(.groupEnded, to: program)
        }
        lingering.removeAll { $0.state != .stopping }
    }

    private mutating func ended(_ program: ManagedProgram, _ pid: Int32, _ status: ExitStatus) {
        finishOutput(of: program)
        closeInput(of: program)
        closeRoster(of: program)
        let wasAsked = program.state == .stopping
        apply(.exited(status, groupLives: kill(-pid, 0) == 0), to: program)
        if program.state == .stopping { lingering.append(program) }
        if !wasAsked, status == .code(0), !program.isSaidToDaemonize, let child = Orphans.left(by: program.name, known: byPid) {
            program.isSaidToDaemonize = true
            say(
                Event(
                    .warn, "daemonized",
                    "\(program.name) (pid \(pid)) has ended, but left pid \(child) behind, which nobody supervises: let it run in the foreground",
                    ["program": .text(program.name), "pid": .number(Int64(pid)), "child": .number(Int64(child))]))
        }
    }

    private mutating func reaped(_ pid: Int32, _ status: ExitStatus) {
        let words: String
        switch status {
        case .code(let code): words = "exit status \(code)"
        case .signal(let signal, _): words = "terminated by \(SignalName.of(signal))"
        }
        say(Event(.info, "reaped", "reaped unknown pid \(pid) (\(words))", ["pid": .number(Int64(pid)), "status": .text(words)]))
    }
}

/// Processes whose parents have ended and which are this process's children now.
enum Orphans {
    /// One that the program has left: its environment still says who started it.
    static func left(by name: String, known: [Int32: ManagedProgram]) -> Int32? {
        guard let list = try? Directory("/proc/self/task/\(getpid())").read("children") else { return nil }
        for word in list.split(separator: 32) {
            guard let pid = Int32(String(decoding: word, as: UTF8.self)), known[pid] == nil,
                let environment = try? Directory("/proc/\(pid)").read("environ")
            else { continue }
            let mark = Array("SUPERVISOR_PROCESS_NAME=\(name)".utf8)
            if environment.split(separator: 0).contains(where: { $0.elementsEqual(mark) }) { return pid }
        }
        return nil
    }
}
