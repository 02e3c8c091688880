/// tail, maintail, clear, fg.
extension ControlClientCommands {
    /// How much of a log is shown unless something else is asked for.
    private static let tailBytes = 1600

    mutating func tail(_ argument: String) throws(Failure) {
        guard try isUp() else { return }
        var words = Self.words(argument)
        guard !words.isEmpty else { return refuse("Error: too few arguments", "tail") }
        guard words.count <= 3 else { return refuse("Error: too many arguments", "tail") }
        let modifier = words[0].hasPrefix("-") ? words.removeFirst() : nil
        guard let name = words.first else { return fail("Error: tail requires process name") }
        let channel = words.count > 1 ? words[words.count - 1].lowercased() : "stdout"
        guard channel == "stdout" || channel == "stderr" else { return fail("Error: bad channel \(Self.quoted(channel))") }
        if modifier == "-f" { return follow("/logtail/\(name)/\(channel)") }
        guard let bytes = Self.bytes(modifier) else { return fail("Error: bad argument \(modifier ?? "")") }
        try show(name, wrongName: "no such process name") { (self) throws(Failure) in
            let method = channel == "stdout" ? "readProcessStdoutLog" : "readProcessStderrLog"
            return try self.call(method, [.string(name), .int(-bytes), .int(0)])
        }
    }

    mutating func maintail(_ argument: String) throws(Failure) {
        guard try isUp() else { return }
        let words = Self.words(argument)
        guard words.count <= 1 else { return refuse("Error: too many arguments", "maintail") }
        if words.first == "-f" { return follow("/mainlogtail") }
        guard words.first?.hasPrefix("-") != false, let bytes = Self.bytes(words.first) else {
            return fail("Error: bad argument \(words[0])")
        }
        try show("supervisord", wrongName: nil) { (self) throws(Failure) in try self.call("readLog", [.int(-bytes), .int(0)]) }
    }

    private mutating func show(
        _ name: String, wrongName: String?, _ read: (Self) throws(Failure) -> ControlValue
    ) throws(Failure) {
        do throws(Failure) {
            guard let text = try read(self).text else { throw Self.nonsense("a read") }
            doors.output(text)
        } catch .call(.fault(let fault)) where fault.code == ControlFault.noFile.code {
            fail("\(name): ERROR (no log file)")
        } catch .call(.fault(let fault)) where fault.code == ControlFault.failed.code {
            fail("\(name): ERROR (unknown error reading log)")
        } catch .call(.fault(let fault)) where fault.code == ControlFault.badName.code {
            guard let wrongName else { throw .call(.fault(fault)) }
            fail("\(name): ERROR (\(wrongName))")
        }
    }

    /// A log that cannot be had is told on stderr and leaves the exit status alone, as in the original.
    private mutating func follow(_ path: String) {
        doors.output("==> Press Ctrl-C to exit <==")
        switch doors.follow(path) {
        case .ended: break
        case .interrupted: doors.output("")
        case .status(let status): doors.complain("\(serverURL)\(path) Cannot read, status code \(status)")
        case .failed(let failure):
            doors.complain("\(serverURL)\(path) Cannot connect, \(CallFailure.connection(failure).line(serverURL))")
        }
    }

    mutating func clear(_ argument: String) throws(Failure) {
        guard try isUp() else { return }
        let names = Self.words(argument)
        guard !names.isEmpty else { return refuse("Error: clear requires a process name", "clear") }
        if names.contains("all") {
            for value in try list("clearAllProcessLogs") {
                guard let result = ProcessResult(value) else { throw Self.nonsense("clearAllProcessLogs") }
                try tellCleared(result)
            }
            return
        }
        for name in names {
            let spec = NameSpec(name)
            do throws(Failure) {
                _ = try call("clearProcessLogs", [.string(name)])
                try tellCleared(ProcessResult(spec, .success))
            } catch .call(.fault(let fault)) {
                try tellCleared(ProcessResult(spec, fault))
            }
        }
    }

    private mutating func tellCleared(_ result: ProcessResult) throws(Failure) {
        switch result.code {
        case ControlFault.success.code: doors.output("\(result.name): cleared")
        case ControlFault.badName.code: doors.output("\(result.name): ERROR (no such process)")
        case ControlFault.failed.code: doors.output("\(result.name): ERROR (failed)")
        default: throw .nonsense("error: \(result.name): \(result.description) (\(result.code))")
        }
        note(result.code)
    }

    // MARK: in the foreground

    mutating func foreground(_ argument: String) throws(Failure) {
        guard try isUp() else { return }
        let names = Self.words(argument)
        guard let name = names.first else { return refuse("ERROR: no process name supplied", "fg") }
        guard names.count == 1 else { return fail("ERROR: too many process names supplied") }
        do throws(Failure) {
            guard try isRunning(name) else { return fail("ERROR: process not running") }
        } catch .call(.fault(let fault)) {
            guard fault.code != ControlFault.badName.code else { return fail("ERROR: bad process name supplied") }
            return doors.output("ERROR: \(fault.text)")
        }
        doors.output("==> Press Ctrl-C to exit <==")
        var failure: Failure?
        doors.foreground(["/logtail/\(name)/stdout", "/logtail/\(name)/stderr"]) { line in
            do throws(Failure) {
                return try hand(line, to: name)
            } catch {
                failure = error
                return false
            }
        }
        if let failure { throw failure }
        doors.output("Exiting foreground")
    }

    /// False when the process is no more, which is told.
    private func hand(_ line: String, to name: String) throws(Failure) -> Bool {
        do throws(Failure) {
            _ = try call("sendProcessStdin", [.string(name), .string(line)])
        } catch .call(.fault(let fault)) {
            doors.output(fault.code == ControlFault.notRunning.code ? "Process got killed" : "ERROR: \(fault.text)")
            return false
        }
        if try isRunning(name) { return true }
        doors.output("Process got killed")
        return false
    }

    private func isRunning(_ name: String) throws(Failure) -> Bool {
        try call("getProcessInfo", [.string(name)])["state"]?.number == ProgramState.running.rawValue
    }

    // MARK: words

    mutating func fail(_ line: String) {
        doors.output(line)
        exitStatus = Exit.generic
    }

    /// `-100` is 100; nothing is the default; nil for no number. `--100` is -100, which asks for all from byte 100 on.
    private static func bytes(_ modifier: String?) -> Int? {
        guard let modifier else { return tailBytes }
        guard let number = Int(modifier.dropFirst()), number > Int(Int32.min), number <= Int(Int32.max) else { return nil }
        return number
    }

    /// As Python shows a string.
    private static func quoted(_ text: String) -> String { text.contains("'") && !text.contains("\"") ? "\"\(text)\"" : "'\(text)'" }
}
