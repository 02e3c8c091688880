/// How following a log came to its end.
public enum FollowEnd: Sendable, Equatable {
    /// The supervisor closed the connection.
    case ended
    /// The user pressed Ctrl-C.
    case interrupted
    /// An HTTP status other than 200: 404 for no such process, or no log.
    case status(Int)
    /// No connection, or a broken one.
    case failed(ConnectionFailure)
}

/// Everything a command of supervisorctl does to the world, for the caller to give. None of it decides anything.
public struct ControlClientDoors {
    /// Makes one call, by default at `SupervisorctlArguments.defaultServerURL`; waits as long as it takes.
    public var call: (_ method: String, _ parameters: [ControlValue]) throws(CallFailure) -> ControlValue
    /// Writes one line, or a text of several, and a line feed to stdout at once.
    public var output: (String) -> Void
    /// The same to stderr.
    public var complain: (String) -> Void
    /// Gets the path, such as `/logtail/NAME/stdout`, and copies what comes to stdout until it ends.
    public var follow: (_ path: String) -> FollowEnd
    /// Copies what comes from these paths to stdout and meanwhile hands each line of stdin, its line feed included, to `line`.
    /// Returns when that says no, and at the end of stdin or on Ctrl-C.
    public var foreground: (_ paths: [String], _ line: (String) -> Bool) -> Void
    /// Shows the prompt on stdout and reads a line of stdin, without its line feed; without showing what is typed if `hidden`.
    /// nil at the end of stdin.
    public var ask: (_ prompt: String, _ hidden: Bool) -> String?
    /// From now on calls and follows go to this URL (`unix://` or `http://`), with these credentials.
    public var connect: (_ serverURL: String, BasicCredentials?) -> Void

    public init(
        call: @escaping (_ method: String, _ parameters: [ControlValue]) throws(CallFailure) -> ControlValue,
        output: @escaping (String) -> Void, complain: @escaping (String) -> Void, follow: @escaping (_ path: String) -> FollowEnd,
        foreground: @escaping (_ paths: [String], _ line: (String) -> Bool) -> Void,
        ask: @escaping (_ prompt: String, _ hidden: Bool) -> String?,
        connect: @escaping (_ serverURL: String, BasicCredentials?) -> Void
    ) {
        self.call = call
        self.output = output
        self.complain = complain
        self.follow = follow
        self.foreground = foreground
        self.ask = ask
        self.connect = connect
    }
}
