/// supervisorctl's shell: shows `prompt`, hands over each line, until `step` says that it is over. Its exit status is always 0.
public struct SupervisorctlShell {
    /// `supervisor> ` unless the configuration has another word.
    public let prompt: String
    public private(set) var commands: ControlClientCommands

    public init(prompt: String = SupervisorctlArguments.defaultPrompt, commands: ControlClientCommands) {
        self.prompt = "\(prompt)> "
        self.commands = commands
    }

    /// Before the first prompt: the status of everything.
    public mutating func begin() { _ = commands.run("status") }

    /// A line without its line feed, nil for the end of input (^D). False: the shell is over.
    public mutating func step(_ line: String?) -> Bool { !commands.run(line ?? "EOF") }

    /// Ctrl-C at the prompt: a line end, and the shell is over.
    public func interrupted() { commands.doors.output("") }
}
