/// supervisord's own command line: what it says stands above the file.
public struct SupervisordArguments: Sendable, Equatable {
    public enum Request: Sendable, Equatable {
        /// `-h`: print the usage and end with 0.
        case help
        /// `-v`: print the version and end with 0.
        case version
        case run(SupervisordArguments)
    }

    /// `-c`; nil: looked for, see `ConfigurationSearch`.
    public var configuration: String?
    public var nodaemon = false, silent = false, nocleanup = false, stripANSI = false
    /// A name or a number, not yet looked up.
    public var user: String?
    public var umask: UInt32?
    public var directory: String?
    public var logfile: String?
    /// Bytes.
    public var logfileMaxbytes: Int64?
    public var logfileBackups: Int?
    public var loglevel: LogLevel?
    public var pidfile: String?
    public var identifier: String?
    public var childlogdir: String?
    public var minfds: Int?
    public var minprocs: Int?
    /// Accepted; there is nothing to profile.
    public var profileOptions: String?

    public init() {}

    /// Reads the arguments after the program's name.
    /// - Throws: in the words of Python's getopt and of supervisord; the caller ends with 2.
    public static func parse(_ arguments: [String], world: ConfigurationWorld) throws(ConfigurationError) -> Request {
        var options = CommandLineOptions(arguments, table: table)
        var found: [CommandLineOptions.Option] = []
        while let option = try options.next() { found.append(option) }
        if !options.rest.isEmpty {
            let list = options.rest.map(\.repr).joined(separator: ", ")
            throw ConfigurationError("positional arguments are not supported: [\(list)]")
        }
        var read = SupervisordArguments()
        var seen: Set<String> = []
        for option in found {
            if option.name == "help" { return .help }
            if option.name == "version" { return .version }
            do {
                try read.take(option.name, option.value, world)
            } catch {
                throw ConfigurationError("invalid value for \(option.written) \(option.value.repr): \(error)")
            }
            if !seen.insert(option.name).inserted {
                throw ConfigurationError("conflicting command line option \(option.written.repr)")
            }
        }
        return .run(read)
    }

    private static let table = [
        CommandLineOptions.Entry("h", "help"), .init("?", "", name: "help"), .init("c", "configuration", takesValue: true),
        .init("v", "version"), .init("n", "nodaemon"), .init("u", "user", takesValue: true), .init("m", "umask", takesValue: true),
        .init("d", "directory", takesValue: true), .init("l", "logfile", takesValue: true),
        .init("y", "logfile_maxbytes", takesValue: true), .init("z", "logfile_backups", takesValue: true),
        .init("e", "loglevel", takesValue: true), .init("j", "pidfile", takesValue: true),
        .init("i", "identifier", takesValue: true), .init("q", "childlogdir", takesValue: true),
        .init("a", "minfds", takesValue: true), .init(nil, "minprocs", takesValue: true), .init("k", "nocleanup"),
        .init("t", "strip_ansi"), .init(nil, "profile_options", takesValue: true), .init("s", "silent"),
    ]

    private mutating func take(_ name: String, _ value: String, _ world: ConfigurationWorld) throws(ConfigurationError) {
        switch name {
        case "configuration": configuration = value
        case "nodaemon": nodaemon = true
        case "silent": silent = true
        case "nocleanup": nocleanup = true
        case "strip_ansi": stripANSI = true
        case "user": user = value
        case "umask": umask = try OptionValue.octal(value)
        case "directory": directory = try world.existingDirectory(value)
        case "logfile": logfile = try world.pathInLogDirectory(value)
        case "logfile_maxbytes": logfileMaxbytes = try OptionValue.bytes(value)
        case "logfile_backups": logfileBackups = max(0, try PythonInteger.decimal(value))
        case "loglevel": loglevel = try OptionValue.level(value)
        case "pidfile": pidfile = try world.pathInDirectory(value)
        case "identifier": identifier = value
        case "childlogdir": childlogdir = try world.existingDirectory(value)
        case "minfds": minfds = try PythonInteger.decimal(value)
        case "minprocs": minprocs = try PythonInteger.decimal(value)
        default: profileOptions = value
        }
    }
}

extension DaemonSettings {
    /// Everything but the log, the pidfile's place and the user, which need the machine.
    mutating func override(_ arguments: SupervisordArguments) {
        nodaemon = nodaemon || arguments.nodaemon
        silent = silent || arguments.silent
        nocleanup = nocleanup || arguments.nocleanup
        stripANSI = stripANSI || arguments.stripANSI
        umask = arguments.umask ?? umask
        directory = arguments.directory ?? directory
        logfileMaxbytes = arguments.logfileMaxbytes ?? logfileMaxbytes
        logfileBackups = arguments.logfileBackups ?? logfileBackups
        loglevel = arguments.loglevel ?? loglevel
        pidfile = arguments.pidfile ?? pidfile
        identifier = arguments.identifier ?? identifier
        childlogdir = arguments.childlogdir ?? childlogdir
        minfds = arguments.minfds ?? minfds
        minprocs = arguments.minprocs ?? minprocs
    }
}
