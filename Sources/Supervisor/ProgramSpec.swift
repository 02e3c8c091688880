/// What a program is and how it is kept alive: supervisord's words, in seconds.
public struct ProgramSpec: Sendable, Equatable {
    public enum Autorestart: Sendable { case never, unexpected, always }

    public var name: String
    /// Absolute path and arguments; `arguments[0]` is what ps shows.
    public var path: String
    public var arguments: [String]
    public var environment: [String: String]
    public var priority = 999
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
    /// When no essential program is left to run, the supervisor ends with 1.
    public var essential = false
    /// Descriptors the program inherits from 3 on.
    public var inherited: [Int32] = []

    public init(name: String, path: String, arguments: [String], environment: [String: String]) {
        self.name = name
        self.path = path
        self.arguments = arguments
        self.environment = environment
    }
}
