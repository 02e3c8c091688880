/// What a program is and how it is kept alive: supervisord's words, in seconds.
public struct ProgramSpec: Sendable, Equatable {
    public enum Autorestart: Sendable { case never, unexpected, always }

    public var name: String
    /// The group it belongs to; a program outside of one is its own.
    public var group: String
    /// What is executed; nil: `arguments[0]`, looked up in PATH where it holds no slash.
    public var path: String?
    /// `arguments[0]` is what ps shows.
    public var arguments: [String]
    /// Why the command cannot be split into words: what follows `spawnerr: ` at every start.
    public var commandProblem: String?
    /// As it stands in the configuration, for getAllConfigInfo.
    public var command: String
    /// All of what the program finds in its environment.
    public var environment: [String: String]
    public var directory: String?
    /// nil: the supervisor's own.
    public var umask: UInt32?
    /// Who it becomes; nil: who the supervisor is.
    public var user: UserID?
    public var priority = 999
    public var autostart = true
    public var startsecs = 1.0
    /// nil: retried for ever.
    public var startretries: Int?
    /// The longest wait between two tries.
    public var maxBackoff = 60.0
    public var autorestart = Autorestart.always
    public var exitcodes: Set<Int32> = [0]
    /// Exit codes after which trying again cannot help.
    public var fatalExitcodes: Set<Int32> = []
    public var stopsignal: Int32 = 15
    public var stopwaitsecs = 10.0
    /// The stop signal goes to the whole process group.
    public var stopasgroup = false
    /// SIGKILL goes to the whole process group, also to what a program leaves of it when it ends by itself.
    public var killasgroup = false
    public var redirectStderr = false
    public var stdout = OutputSpec()
    public var stderr = OutputSpec()
    /// SUPERVISOR_SERVER_URL in the environment; nil: the control socket's, where there is one.
    public var serverURL: String?
    /// When no essential program is left to run, the supervisor ends with 1.
    public var essential = false
    /// Descriptors the program inherits from 3 on, after `Roster.channel` where it has that.
    public var inherited: [Int32] = []
    /// It announces which members its group has: programs that join and leave as it says.
    public var announcesRoster = false
    /// What a roster calls it; nil: no roster makes it leave.
    public var member: String?

    public init(name: String, path: String? = nil, arguments: [String], environment: [String: String]) {
        self.name = name
        self.group = name
        self.path = path
        self.arguments = arguments
        self.command = arguments.joined(separator: " ")
        self.environment = environment
    }

    /// `group:name`, or the name alone where the program is its own group.
    public var fullName: String { group == name ? name : "\(group):\(name)" }
}

/// Where one of a program's output streams goes.
public struct OutputSpec: Sendable, Equatable {
    public enum Destination: Sendable, Equatable {
        case none
        /// A file of its own in childlogdir, removed at the next start.
        case automatic
        case file(String)
        /// The supervisor's own standard output (1) or error (2).
        case descriptor(Int32)
    }
    public var destination: Destination
    /// Rotated at this size; 0: never.
    public var maxbytes: Int64
    public var backups: Int
    /// A copy goes to syslog(3).
    public var syslog: Bool
    /// Lines on a descriptor bear a stamp and the program's name.
    public var hasPrefix = false

    public init(_ destination: Destination = .automatic, maxbytes: Int64 = 50 << 20, backups: Int = 10, syslog: Bool = false) {
        self.destination = destination
        self.maxbytes = maxbytes
        self.backups = backups
        self.syslog = syslog
    }
}

/// A user by number, and the name it was given by.
public struct UserID: Sendable, Equatable {
    public var name: String
    public var uid: UInt32
    public var gid: UInt32
    /// All of the user's groups, `gid` among them.
    public var groups: [UInt32]
    public init(name: String, uid: UInt32, gid: UInt32, groups: [UInt32]? = nil) {
        self.name = name
        self.uid = uid
        self.gid = gid
        self.groups = groups ?? [gid]
    }
}

/// Programs that are started, stopped, added and removed together.
public struct GroupSpec: Sendable, Equatable {
    public var name: String
    public var priority: Int
    /// In the order of `programs=`; each with `group` set to `name`.
    public var programs: [ProgramSpec]
    public init(name: String, priority: Int = 999, programs: [ProgramSpec]) {
        self.name = name
        self.priority = priority
        self.programs = programs
    }
}
