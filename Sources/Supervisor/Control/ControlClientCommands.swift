/// The actions of supervisorctl 4.2.5: lines and exit status to the letter (docs/SUPERVISOR.md, 1.5).
///
/// Deliberately other than the original: where that prints a Python exception (`error: <class …`) stands one clear line, with the
/// same exit status; a missing password is said once, not twice; help is in our own words.
public struct ControlClientCommands {
    /// What the process is to exit with when it is not a shell. A later success does not undo an earlier failure.
    public internal(set) var exitStatus: Int32 = 0
    public internal(set) var serverURL: String
    public internal(set) var credentials: BasicCredentials?
    /// Asks before shutdown and reload, and for a password.
    let interactive: Bool
    let doors: ControlClientDoors

    public init(serverURL: String, credentials: BasicCredentials? = nil, interactive: Bool, doors: ControlClientDoors) {
        self.serverURL = serverURL
        self.credentials = credentials
        self.interactive = interactive
        self.doors = doors
    }

    /// Exit statuses of LSB's init scripts, as far as they are used.
    enum Exit {
        static let generic: Int32 = 1
        static let invalidArguments: Int32 = 2
        static let unimplemented: Int32 = 3
        static let refused: Int32 = 4
        static let notInstalled: Int32 = 5
        static let notRunning: Int32 = 7
        /// status only: something stands still; or it is not known.
        static let statusStopped: Int32 = 3
        static let statusUnknown: Int32 = 4
    }

    /// What ends a command before its time.
    enum Failure: Error {
        case call(CallFailure)
        /// An answer that makes no sense, as a whole line for the user.
        case nonsense(String)

        func line(_ serverURL: String) -> String {
            switch self {
            case .call(let failure): return failure.line(serverURL)
            case .nonsense(let line): return line
            }
        }
    }

    /// Runs one line such as `start g:*`. True when it says that a shell is to end.
    ///
    /// Split as the original does it: the action is what the line begins with in letters, digits and `_`, the rest its argument;
    /// `?` is help. An empty line is nothing.
    public mutating func run(_ line: String) -> Bool {
        var line = Self.stripped(line)
        if line.isEmpty { return false }
        if line.hasPrefix("?") { line = "help " + line.dropFirst() }
        let action = line.prefix { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "_") }
        do throws(Failure) {
            return try run(String(action), Self.stripped(String(line[action.endIndex...])), line)
        } catch {
            exitStatus = Exit.generic
            guard case .call(.connection(.status(401, _))) = error else {
                doors.output(error.line(serverURL))
                return false
            }
            doors.output("Server requires authentication")
            guard interactive, let user = doors.ask("Username:", false), let password = doors.ask("Password:", true) else { return false }
            doors.output("")
            credentials = BasicCredentials(user: user, password: password)
            doors.connect(serverURL, credentials)
            return run(line)
        }
    }

    /// Sends a signal to the programs of a group whose names begin with `prefix`; said as `signal` says it.
    public mutating func signalAll(_ name: String, group: String, prefix: String) {
        do throws(Failure) { try signal(name, group: group, prefix: prefix) } catch {
            exitStatus = Exit.generic
            doors.output(error.line(serverURL))
        }
    }

    private mutating func run(_ action: String, _ argument: String, _ line: String) throws(Failure) -> Bool {
        switch action {
        case "add": try add(argument)
        case "avail": try avail(argument)
        case "clear": try clear(argument)
        case "fg": try foreground(argument)
        case "help": help(argument)
        case "maintail": try maintail(argument)
        case "open": try open(argument)
        case "pid": try pid(argument)
        case "reload": try reload(argument)
        case "remove": try remove(argument)
        case "reread": try reread(argument)
        case "restart": try restart(argument)
        case "shutdown": try shutdown(argument)
        case "signal": try signal(argument)
        case "start": try start(argument)
        case "status": try status(argument)
        case "stop": try stop(argument)
        case "tail": try tail(argument)
        case "update": try update(argument)
        case "version": try version(argument)
        case "exit", "quit", "EOF":
            doors.output("")
            return true
        default:
            doors.output("*** Unknown syntax: \(line)")
            exitStatus = Exit.generic
        }
        return false
    }

    // MARK: what commands share

    static func words(_ argument: String) -> [String] { argument.split(whereSeparator: \.isWhitespace).map(String.init) }

    static func stripped(_ text: String) -> String {
        var rest = text.drop(while: \.isWhitespace)
        while rest.last?.isWhitespace == true { rest.removeLast() }
        return String(rest)
    }

    func call(_ method: String, _ parameters: [ControlValue] = []) throws(Failure) -> ControlValue {
        do throws(CallFailure) {
            return try doors.call("supervisor.\(method)", parameters)
        } catch {
            throw .call(error)
        }
    }

    /// A call that is answered by an array.
    func list(_ method: String, _ parameters: [ControlValue] = []) throws(Failure) -> [ControlValue] {
        guard let elements = try call(method, parameters).elements else { throw Self.nonsense(method) }
        return elements
    }

    static func nonsense(_ method: String) -> Failure { .nonsense("error: the answer to \(method) makes no sense") }

    /// The usage error of a command: the line, then its help.
    mutating func refuse(_ line: String, _ action: String, exit: Int32 = Exit.generic) {
        doors.output(line)
        exitStatus = exit
        for line in Self.help[action] ?? [] { doors.output(line) }
    }

    mutating func refusesArguments(_ argument: String, _ action: String) -> Bool {
        guard !argument.isEmpty else { return false }
        refuse("Error: \(action) accepts no arguments", action)
        return true
    }

    /// Whether a supervisor of our kind is there; said and noted in the exit status if not.
    mutating func isUp() throws(Failure) -> Bool {
        do throws(Failure) {
            let version = try call("getVersion").text ?? "none"
            guard version != "3.0" else { return true }
            doors.output("Sorry, this supervisorctl speaks API version 3.0, and the server at \(serverURL) has \(version).")
            exitStatus = Exit.notInstalled
        } catch .call(.connection(.refused)) {
            doors.output("\(serverURL) refused connection")
            exitStatus = Exit.refused
        } catch .call(.connection(.noSuchFile)) {
            doors.output("\(serverURL) no such file")
            exitStatus = Exit.notRunning
        } catch .call(.fault(let fault)) where fault.code == ControlFault.unknownMethod.code {
            doors.output("Sorry, the server at \(serverURL) answers, but has no supervisor interface (section [rpcinterface:supervisor]).")
            exitStatus = Exit.unimplemented
        }
        return false
    }
}
