import Glibc
import Linux

/// What the control interface tells of a program.
enum ProcessInfo {
    static func structure(_ program: ManagedProgram, now: MonotonicTime, wall: WallTime) -> ControlValue {
        .structure([
            ("name", .string(program.name)), ("group", .string(program.spec.group)),
            ("start", .int(Int(program.startedAt?.seconds ?? 0))), ("stop", .int(Int(program.stoppedAt?.seconds ?? 0))),
            ("now", .int(Int(wall.seconds))), ("state", .int(program.state.rawValue)), ("statename", .string(word(program.state))),
            ("spawnerr", .string(program.machine.problem)), ("exitstatus", .int(exitstatus(program.machine.ending))),
            ("logfile", .string(path(program, 1))), ("stdout_logfile", .string(path(program, 1))),
            ("stderr_logfile", .string(path(program, 2))), ("pid", .int(Int(program.pid ?? 0))),
            ("description", .string(description(program, now: now))),
        ])
    }

    static func word(_ state: ProgramState) -> String {
        switch state {
        case .stopped: "STOPPED"
        case .starting: "STARTING"
        case .running: "RUNNING"
        case .backoff: "BACKOFF"
        case .stopping: "STOPPING"
        case .exited: "EXITED"
        case .fatal: "FATAL"
        case .unknown: "UNKNOWN"
        }
    }

    /// What `supervisorctl status` shows after the state.
    static func description(_ program: ManagedProgram, now: MonotonicTime) -> String {
        switch program.state {
        case .running: return "pid \(program.pid ?? 0), uptime \(uptime(now - (program.machine.startedAt ?? now)))"
        case .fatal, .backoff:
            let problem = program.machine.problem
            return problem.isEmpty ? "unknown error (try \"tail \(program.name)\")" : problem
        case .stopped, .exited:
            guard let stopped = program.stoppedAt, program.startedAt != nil else { return "Not started" }
            return moment(stopped)
        case .starting, .stopping, .unknown: return ""
        }
    }

    /// `H:MM:SS`, beyond a day `N days, H:MM:SS`.
    static func uptime(_ seconds: Double) -> String {
        let all = Int(max(0, seconds))
        let days = all / 86_400
        let clock = "\(all % 86_400 / 3600):\(pad(all % 3600 / 60, 2)):\(pad(all % 60, 2))"
        return days == 0 ? clock : "\(days) day\(days == 1 ? "" : "s"), \(clock)"
    }

    /// `Nov 25 01:47 AM`, local time.
    static func moment(_ time: WallTime) -> String {
        var seconds = time_t(time.seconds)
        var parts = unsafe tm()
        unsafe localtime_r(&seconds, &parts)
        let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
        let (month, day, hour, minute) = unsafe (Int(parts.tm_mon), Int(parts.tm_mday), Int(parts.tm_hour), Int(parts.tm_min))
        let twelve = hour % 12 == 0 ? 12 : hour % 12
        return "\(months[month % 12]) \(pad(day, 2)) \(pad(twelve, 2)):\(pad(minute, 2)) \(hour < 12 ? "AM" : "PM")"
    }

    private static func exitstatus(_ ending: ExitStatus?) -> Int {
        switch ending {
        case nil: 0
        case .code(let code): Int(code)
        case .signal: -1
        }
    }
    private static func path(_ program: ManagedProgram, _ number: Int32) -> String {
        program.streams.first { $0.number == number }?.path ?? ""
    }

    /// One element of getAllConfigInfo.
    static func configuration(_ spec: ProgramSpec, _ group: GroupSpec, inUse: Bool) -> ControlValue {
        .structure([
            ("autostart", .bool(spec.autostart)), ("directory", spec.directory.map { .string($0) } ?? .string("none")),
            ("uid", spec.user.map { .int(Int($0.uid)) } ?? .string("none")), ("command", .string(spec.command)),
            ("exitcodes", .array(spec.exitcodes.sorted().map { .int(Int($0)) })), ("group", .string(group.name)),
            ("group_prio", .int(group.priority)), ("inuse", .bool(inUse)), ("killasgroup", .bool(spec.killasgroup)),
            ("name", .string(spec.name)), ("process_prio", .int(spec.priority)), ("redirect_stderr", .bool(spec.redirectStderr)),
            ("startretries", .int(spec.startretries ?? -1)), ("startsecs", .int(Int(spec.startsecs))),
            ("stdout_capture_maxbytes", .int(0)), ("stdout_events_enabled", .bool(false)),
            ("stdout_logfile", .string(path(spec.stdout))), ("stdout_logfile_backups", .int(spec.stdout.backups)),
            ("stdout_logfile_maxbytes", .int(Int(spec.stdout.maxbytes))), ("stdout_syslog", .bool(spec.stdout.syslog)),
            ("stopasgroup", .bool(spec.stopasgroup)), ("stopsignal", .int(Int(spec.stopsignal))),
            ("stopwaitsecs", .int(Int(spec.stopwaitsecs))), ("stderr_capture_maxbytes", .int(0)),
            ("stderr_events_enabled", .bool(false)), ("stderr_logfile", .string(path(spec.stderr))),
            ("stderr_logfile_backups", .int(spec.stderr.backups)), ("stderr_logfile_maxbytes", .int(Int(spec.stderr.maxbytes))),
            ("stderr_syslog", .bool(spec.stderr.syslog)), ("serverurl", .string(spec.serverURL ?? "auto")),
        ])
    }
    private static func path(_ output: OutputSpec) -> String {
        switch output.destination {
        case .none: "none"
        case .automatic: "auto"
        case .file(let path): path
        case .descriptor(let number): number == 1 ? "/dev/stdout" : number == 2 ? "/dev/stderr" : "/dev/fd/\(number)"
        }
    }
}
