import ArgumentParser
import Supervisor

/// What supervisord does, under this name or its own.
struct Supervise: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "supervise", abstract: "Keeps the programs of a supervisord.conf alive; `supervise -h` lists its options.")

    @Argument(parsing: .captureForPassthrough) var words: [String] = []

    func run() throws { throw ExitCode(Self.run(words)) }

    /// Returns the exit status.
    static func run(_ words: [String]) -> Int32 {
        Daemon(name: "sensor supervise", words: words, staysInForeground: true, environment: Environment.all()).run()
    }
}

/// The child of a control connection. Nothing for a user.
struct ControlConnectionCommand: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "control-connection", shouldDisplay: false)

    func run() throws { Self.serve() }

    static func serve() {
        var connection = ControlConnection(client: 0, channel: 3)
        connection.serve()
    }
}
