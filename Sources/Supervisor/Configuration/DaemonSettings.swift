/// `[supervisord]` with what the command line says instead, and supervisord's defaults.
public struct DaemonSettings: Sendable, Equatable {
    public enum Log: Sendable, Equatable {
        /// Absolute.
        case file(String)
        /// The supervisor's own standard output (1) or error (2).
        case descriptor(Int32)
        case syslog
    }

    public var logfile = Log.file("supervisord.log")
    /// Rotated at this size in bytes; 0: never.
    public var logfileMaxbytes: Int64 = 50 << 20
    public var logfileBackups = 10
    public var loglevel = LogLevel.info
    /// Absolute.
    public var pidfile = "supervisord.pid"
    public var umask: UInt32 = 0o22
    public var nodaemon = false
    public var silent = false
    public var minfds = 1024
    public var minprocs = 200
    /// Automatic child logs of earlier runs are kept.
    public var nocleanup = false
    /// Where automatic child logs go.
    public var childlogdir = "/tmp"
    /// Whom the supervisor becomes; nil: it stays who it is.
    public var user: UserID?
    /// Changed to when daemonised.
    public var directory: String?
    public var stripANSI = false
    /// What the programs get in addition; the supervisor's own environment is not changed.
    public var environment: [String: String] = [:]
    public var identifier = "supervisor"

    /// Ours: when no program is left that runs or will be tried again, the supervisor ends with 1.
    public var exitOnFatal = false
    /// Ours: the longest wait between two tries in seconds; nil: no limit.
    public var maxBackoff: Double?
    /// Ours: lines of programs on the supervisor's own output bear a stamp and the program's name.
    public var logPrefix = false

    public init() {}
}

extension DaemonSettings {
    /// Reads the section; the command line has the last word, though what it overrides is checked all the same.
    /// `user` is left to `becoming`.
    init(
        _ reader: SectionReader, _ names: ExpansionNames, _ arguments: SupervisordArguments, _ world: ConfigurationWorld,
        _ warnings: inout [String]
    ) throws(ConfigurationError) {
        minfds = try reader.integer("minfds", minfds)
        minprocs = try reader.integer("minprocs", minprocs)
        directory = try reader.value("directory", nil) { text throws(ConfigurationError) in try world.existingDirectory(text) }
        _ = try reader.text("user")
        umask = try reader.value("umask", umask, OptionValue.octal)
        let logfile = try reader.value("logfile", "supervisord.log", world.pathInLogDirectory)
        logfileMaxbytes = try reader.value("logfile_maxbytes", logfileMaxbytes, OptionValue.bytes)
        logfileBackups = max(0, try reader.integer("logfile_backups", logfileBackups))
        loglevel = try reader.value("loglevel", loglevel, OptionValue.level)
        pidfile = try reader.value("pidfile", pidfile, world.pathInDirectory)
        identifier = try reader.text("identifier") ?? identifier
        nodaemon = try reader.boolean("nodaemon")
        silent = try reader.boolean("silent")
        childlogdir = try reader.value("childlogdir", world.temporaryDirectory, world.existingDirectory)
        nocleanup = try reader.boolean("nocleanup")
        stripANSI = try reader.boolean("strip_ansi")
        // Expanded twice, as ever: a `%` in a value is written `%%%%` here, and `%%` in a program's section.
        let pairs = try Expansion.expand(try reader.text("environment") ?? "", names, name: "environment")
        let read = try KeyValueText(pairs)
        environment = read.pairs
        warnings += read.warnings(for: reader.section)
        exitOnFatal = try reader.boolean("exit_on_fatal")
        maxBackoff = try reader.value("max_backoff", nil) { text throws(ConfigurationError) in try OptionValue.backoff(text) }
        logPrefix = try reader.boolean("log_prefix")

        override(arguments)
        (self.logfile, self.pidfile) = (world.mainLog(arguments.logfile ?? logfile), world.normalized(pidfile))
    }

    /// An unknown user is the last mistake to be found.
    mutating func becoming(
        _ reader: SectionReader, _ arguments: SupervisordArguments, _ world: ConfigurationWorld
    ) throws(ConfigurationError) {
        var name = arguments.user
        if name == nil { name = try reader.text("user") }
        user = try name.map { name throws(ConfigurationError) in try world.user(name) }
    }
}
