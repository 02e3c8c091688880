import CLinux
import Events
import Glibc
import Linux

/// supervisord as a whole: reads its configuration, becomes who it says, listens, and supervises until the end.
public struct Daemon: ~Copyable {
    /// How it was called, for its error lines.
    private let name: String
    private let words: [String]
    /// `sensor supervise` stays where it was started; supervisord goes into the background unless told otherwise.
    private let staysInForeground: Bool
    private let environment: [String: String]

    /// supervisord's exit status for usage and configuration errors.
    private static let refused: Int32 = 2
    private static let endings = [SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGPWR, SIGUSR2]

    public init(name: String, words: [String], staysInForeground: Bool, environment: [String: String]) {
        self.name = name
        self.words = words
        self.staysInForeground = staysInForeground
        self.environment = environment
    }

    /// Returns the exit status.
    public func run() -> Int32 {
        // Process 1 would lose them, any other die of them, until the supervisor listens.
        SignalDescriptor.hold(Self.endings)
        let world = ConfigurationWorld.thisMachine(environment: environment)
        do throws(ConfigurationError) {
            let arguments: SupervisordArguments
            switch try SupervisordArguments.parse(words, world: world) {
            case .help:
                Console.write(SupervisordUsage.text(name), to: 1)
                return 0
            case .version:
                Console.write("4.2.5\n", to: 1)
                return 0
            case .run(let told): arguments = told
            }
            if let path = arguments.configuration { return try supervise(path, arguments, world) }
            let path = try ConfigurationSearch.find(program: Arguments.all.first ?? name, world: world)
            return try supervise(path, arguments, world)
        } catch {
            Console.write("Error: \(error)\nFor help, use \(name) -h\n", to: 2)
            return Self.refused
        }
    }

    private func supervise(
        _ path: String, _ arguments: SupervisordArguments, _ world: ConfigurationWorld
    ) throws(ConfigurationError) -> Int32 {
        // In the background the current directory may be another.
        let path = path.hasPrefix("/") ? path : "\(world.currentDirectory)/\(path)"
        func read() throws(ConfigurationError) -> SupervisordConfiguration {
            try SupervisordConfiguration.read(path: path, arguments: arguments, world: world)
        }
        var isFirst = true
        while true {
            let configuration = try read()
            let end = try run(configuration, isFirst: isFirst) { () throws(ConfigurationError) in try read().groups }
            isFirst = false
            if case .exit(let code) = end { return code }
        }
    }

    private func run(
        _ configuration: SupervisordConfiguration, isFirst: Bool, reread: @escaping () throws(ConfigurationError) -> [GroupSpec]
    ) throws(ConfigurationError) -> SupervisorEnd {
        let daemon = configuration.daemon
        let isForeground = staysInForeground || daemon.nodaemon || getpid() == 1
        var greeting = configuration.messages.map { Event($0.level.event, "configured", $0.text) }
        greeting += try Identity.enter(daemon, isFirst: isFirst)
        // CRIT before WARN before INFO, each in the order it came in.
        greeting = greeting.enumerated().sorted { ($0.element.level.rank, $0.offset) < ($1.element.level.rank, $1.offset) }.map(\.element)
        if !daemon.nocleanup { ChildLogs.clear(daemon.childlogdir, identifier: daemon.identifier) }

        var options = SupervisorOptions()
        options.log.level = daemon.loglevel.event
        options.log.maxbytes = daemon.logfileMaxbytes
        options.log.backups = daemon.logfileBackups
        options.log.stdout = isForeground && !daemon.silent
        switch daemon.logfile {
        case .file(let path): options.log.file = path
        case .descriptor(1): options.log.stdout = true
        case .descriptor: options.log.stderr = true
        case .syslog: options.log.syslog = true
        }
        options.restartsOnHangup = true
        options.exitsOnFatal = daemon.exitOnFatal
        options.childLogDirectory = daemon.childlogdir
        options.identifier = daemon.identifier
        options.stripsEscapes = daemon.stripANSI
        var listener: ControlListener?
        if let server = configuration.server {
            let made = try Self.listen(server)
            options.serverURL = "unix://\(server.file)"
            greeting.append(Event(.info, "control_ready", "RPC interface 'supervisor' initialized"))
            if server.password == nil {
                greeting.append(
                    Event(.crit, "control_open", "Server 'unix_http_server' running without any HTTP authentication checking"))
            }
            listener = consume made
        }
        if isFirst, !isForeground {
            greeting.append(Event(.info, "daemonized_itself", "daemonizing the supervisord process"))
            if let event = Background.enter(directory: daemon.directory, umask: daemon.umask) { greeting.append(event) }
        }
        let trouble = Self.writePidfile(daemon.pidfile)
        let hasPidfile = trouble == nil
        greeting.append(trouble ?? SupervisorOptions.started)
        options.greeting = greeting
        do {
            var supervisor = try Supervisor(
                configuration.groups, options: options, listener: consume listener,
                hooks: .init(reread: reread))
            let end = try supervisor.run()
            if end != .restart, hasPidfile { Self.removePidfile(daemon.pidfile) }
            return end
        } catch { throw ConfigurationError("\(error)") }
    }

    private static func listen(_ server: UnixServer) throws(ConfigurationError) -> ControlListener {
        var options = ControlServerOptions(path: server.file)
        options.mode = server.chmod
        options.owner = server.chown.map { ($0.uid, $0.gid) }
        if let user = server.username, let password = server.password {
            options.credentials = BasicCredentials(user: user, password: password)
        }
        do {
            let listener = try ControlListener(options)
            if listener.hasReplacedStale { Console.write("Unlinking stale socket \(server.file)\n", to: 2) }
            return listener
        } catch { throw ConfigurationError(error.description) }
    }

    /// nil when it is written.
    private static func writePidfile(_ path: String) -> Event? {
        do throws(SystemError) {
            let file = try Descriptor.open(path, flags: O_WRONLY | O_CREAT | O_TRUNC | O_NONBLOCK | O_NOCTTY, mode: 0o644)
            try file.writeAll(Array("\(getpid())\n".utf8))
            return nil
        } catch { return Event(.crit, "pidfile_failed", "could not write pidfile \(path)", ["file": .text(path)]) }
    }

    /// Only what still holds this pid, and no device.
    private static func removePidfile(_ path: String) {
        guard let file = try? Descriptor.open(path, flags: O_RDONLY | O_NONBLOCK | O_NOCTTY), (try? file.status().isRegular) == true,
            let text = try? file.read(32), text == Array("\(getpid())\n".utf8)
        else { return }
        unsafe unlink(path)
    }
}

/// Who the supervisor is, and how much it may use.
enum Identity {
    static func enter(_ daemon: DaemonSettings, isFirst: Bool) throws(ConfigurationError) -> [Event] {
        var events: [Event] = []
        if let user = daemon.user {
            if user.uid != geteuid() {
                guard geteuid() == 0 else { throw ConfigurationError("Can't drop privilege as nonroot user") }
                let groups = user.groups
                let became = unsafe groups.withUnsafeBufferPointer {
                    unsafe sensor_become_plain_user(user.uid, user.gid, $0.baseAddress, Int32($0.count))
                }
                guard became == 0 else { throw ConfigurationError("Can't become user \(user.name): \(SystemError.text(errno))") }
            }
            events.append(
                Event(
                    .info, "user_set", "Set uid to user \(user.uid) succeeded",
                    ["user": .text(user.name), "uid": .number(Int64(user.uid))]))
        } else if geteuid() == 0 {
            events.append(
                Event(
                    .crit, "root",
                    "Supervisor is running as root.  Privileges were not dropped because no user is specified in the config file.  If you intend to run as root, you can set user=root in the config file to avoid this message."
                ))
        }
        if isFirst {
            if let event = try raise(RLIMIT_NOFILE.rawValue, "RLIMIT_NOFILE", daemon.minfds, files) { events.append(event) }
            if let event = try raise(__RLIMIT_NPROC.rawValue, "RLIMIT_NPROC", daemon.minprocs, processes) { events.append(event) }
        }
        return events
    }

    private static func raise(
        _ what: UInt32, _ name: String, _ least: Int, _ complaint: (Int, UInt) -> String
    ) throws(ConfigurationError) -> Event? {
        var limit = rlimit()
        guard least > 0, unsafe getrlimit(__rlimit_resource_t(what), &limit) == 0, limit.rlim_cur < UInt(least) else { return nil }
        let hard = limit.rlim_max
        limit.rlim_cur = UInt(least)
        limit.rlim_max = max(hard, UInt(least))
        guard unsafe setrlimit(__rlimit_resource_t(what), &limit) == 0 else { throw ConfigurationError(complaint(least, hard)) }
        return Event(
            .info, "limit_raised", "Increased \(name) limit to \(least)", ["limit": .text(name), "value": .number(Int64(least))])
    }
    private static func files(_ least: Int, _ hard: UInt) -> String {
        "The minimum number of file descriptors required to run this process is \(least) as per the \"minfds\" command-line argument or config file setting. The current environment will only allow you to open \(hard) file descriptors.  Either raise the number of usable file descriptors in your environment (see README.rst) or lower the minfds setting in the config file to allow the process to start."
    }
    private static func processes(_ least: Int, _ hard: UInt) -> String {
        "The minimum number of available processes required to run this program is \(least) as per the \"minprocs\" command-line argument or config file setting. The current environment will only allow you to open \(hard) processes.  Either raise the number of usable processes in your environment (see README.rst) or lower the minprocs setting in the config file to allow the program to start."
    }
}

/// Out of the terminal's sight.
enum Background {
    /// The caller goes on in another process; the one that was started ends with 0. Returns what is to be logged.
    static func enter(directory: String?, umask mask: UInt32) -> Event? {
        guard sensor_daemonize() == 0 else {
            return Event(
                .crit, "background_failed", "can't daemonize: \(SystemError.text(errno))", ["reason": .text(SystemError.text(errno))])
        }
        Glibc.umask(mask)
        guard let directory else { return nil }
        if unsafe chdir(directory) == 0 {
            return Event(.info, "directory_set", "set current directory: '\(directory)'", ["directory": .text(directory)])
        }
        let why = SystemError.text(errno)
        return Event(
            .crit, "directory_failed", "can't chdir into '\(directory)': \(why)", ["directory": .text(directory), "reason": .text(why)])
    }
}

/// Automatic log files of supervisors that are gone.
enum ChildLogs {
    static func clear(_ directory: String, identifier: String) {
        guard let opened = try? Directory(directory), let names = try? opened.names() else { return }
        for name in names where isOurs(name, identifier) { _ = try? opened.remove(name) }
    }

    /// `NAME-stdout---IDENTIFIER-XXXXXXXX.log`, or a backup of it.
    static func isOurs(_ name: String, _ identifier: String) -> Bool {
        for channel in ["-stdout---", "-stderr---"] {
            guard let mark = name.firstRange(of: channel + identifier + "-") else { continue }
            let rest = name[mark.upperBound...]
            guard mark.lowerBound != name.startIndex, rest.utf8.count >= 12 else { continue }
            let random = rest.prefix(8)
            let tail = rest.dropFirst(8)
            guard random.allSatisfy({ $0.isASCII && ($0.isLowercase || $0.isNumber || $0 == "_") }), tail.hasPrefix(".log") else {
                continue
            }
            let backup = tail.dropFirst(4)
            if backup.isEmpty || (backup.first == "." && backup.count > 1 && backup.dropFirst().allSatisfy { $0.isWholeNumber }) {
                return true
            }
        }
        return false
    }
}

extension LogLevel {
    var event: Level {
        switch self {
        case .critical: .crit
        case .error: .erro
        case .warn: .warn
        case .info: .info
        case .debug: .debg
        case .trace: .trac
        case .blather: .blat
        }
    }
}
