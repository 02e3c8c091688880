import Linux
import Synchronization

/// supervisorctl as a whole.
public struct ControlProgram {
    private let name: String
    private let environment: [String: String]
    private static let refused: Int32 = 2

    public init(name: String, environment: [String: String]) {
        self.name = name
        self.environment = environment
    }

    /// Returns the exit status.
    public func run(_ words: [String]) -> Int32 {
        let arguments: SupervisorctlArguments
        switch SupervisorctlArguments.parse(words) {
        case .help:
            Console.write(SupervisorctlArguments.help(program: name), to: 1)
            return 0
        case .refused(let text): return refuse(text)
        case .run(let told): arguments = told
        }
        let world = ConfigurationWorld.thisMachine(environment: environment)
        var client = ControlClient()
        do throws(ConfigurationError) {
            if let path = arguments.configuration ?? SupervisorctlArguments.configurationPaths.first(where: world.exists) {
                client = try ControlClient.read(path: path, world: world)
            }
        } catch { return refuse(error.description) }
        let url = arguments.serverURL ?? client.serverURL
        var credentials: BasicCredentials?
        if let user = arguments.username ?? client.username, let password = arguments.password ?? client.password {
            credentials = BasicCredentials(user: user, password: password)
        }
        let isShell = arguments.action.isEmpty
        let door = ControlDoor(serverURL: url, credentials: credentials)
        var commands = ControlClientCommands(
            serverURL: url, credentials: credentials, interactive: isShell || arguments.interactive, doors: door.doors())
        if isShell { return shell(client.prompt, commands) }
        _ = commands.run(arguments.action.joined(separator: " "))
        return commands.exitStatus
    }

    /// One action against a socket that is known.
    public static func act(_ action: String, socket path: String) -> Int32 {
        var commands = commands(socket: path)
        _ = commands.run(action)
        return commands.exitStatus
    }

    /// The programs that `status` would show for these names, what it would say besides, and its exit status.
    public static func programs(_ names: [String], socket path: String) -> (programs: [ProgramFacts], said: [String], exitStatus: Int32) {
        let said = Mutex<[String]>([])
        let url = "unix://\(path)"
        var doors = ControlDoor(serverURL: url, credentials: nil).doors()
        doors.output = { line in said.withLock { $0.append(line) } }
        var commands = ControlClientCommands(serverURL: url, interactive: false, doors: doors)
        let programs = commands.programs(names.joined(separator: " "))
        return (programs, said.withLock { $0 }, commands.exitStatus)
    }

    /// A signal to the programs of `group` whose names begin with `prefix`. Returns the exit status of `signal`.
    public static func signal(_ name: String, group: String, prefix: String, socket path: String) -> Int32 {
        var commands = commands(socket: path)
        commands.signalAll(name, group: group, prefix: prefix)
        return commands.exitStatus
    }

    private static func commands(socket path: String) -> ControlClientCommands {
        let url = "unix://\(path)"
        return ControlClientCommands(serverURL: url, interactive: false, doors: ControlDoor(serverURL: url, credentials: nil).doors())
    }

    private func shell(_ prompt: String, _ commands: ControlClientCommands) -> Int32 {
        var shell = SupervisorctlShell(prompt: prompt, commands: commands)
        shell.begin()
        repeat { Console.write(shell.prompt, to: 1) } while shell.step(Console.line())
        return 0
    }

    private func refuse(_ text: String) -> Int32 {
        for line in SupervisorctlArguments.refusal(text, program: name) { Console.write("\(line)\n", to: 2) }
        return Self.refused
    }
}
