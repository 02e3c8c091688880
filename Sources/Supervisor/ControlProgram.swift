import Glibc
import Linux

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
            Self.write(SupervisorctlArguments.help(program: name), to: 1)
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
        let url = "unix://\(path)"
        var commands = ControlClientCommands(
            serverURL: url, interactive: false, doors: ControlDoor(serverURL: url, credentials: nil).doors())
        _ = commands.run(action)
        return commands.exitStatus
    }

    private func shell(_ prompt: String, _ commands: ControlClientCommands) -> Int32 {
        var shell = SupervisorctlShell(prompt: prompt, commands: commands)
        shell.begin()
        repeat { Self.write(shell.prompt, to: 1) } while shell.step(Self.line())
        return 0
    }

    /// nil at the end of the input.
    private static func line() -> String? {
        var line: [UInt8] = []
        var byte: UInt8 = 0
        while true {
            let got = unsafe read(0, &byte, 1)
            if got < 0, errno == EINTR { continue }
            if got <= 0 { return line.isEmpty ? nil : String(decoding: line, as: UTF8.self) }
            if byte == 10 { return String(decoding: line, as: UTF8.self) }
            line.append(byte)
        }
    }

    private func refuse(_ text: String) -> Int32 {
        for line in SupervisorctlArguments.refusal(text, program: name) { Self.write("\(line)\n", to: 2) }
        return Self.refused
    }

    private static func write(_ text: String, to descriptor: Int32) {
        var text = text
        text.withUTF8 { unsafe _ = Glibc.write(descriptor, $0.baseAddress!, $0.count) }
    }
}
