/// shutdown, reload, open, help: the supervisor as a whole, and the client itself.
extension ControlClientCommands {
    mutating func shutdown(_ argument: String) throws(Failure) {
        guard !refusesArguments(argument, "shutdown") else { return }
        guard confirmed("Really shut the remote supervisord process down y/N? ") else { return }
        do throws(Failure) {
            _ = try call("shutdown")
            doors.output("Shut down")
        } catch .call(.fault(let fault)) where fault.code == ControlFault.shutdownState.code {
            doors.output("ERROR: already shutting down")
        } catch .call(.connection(.refused)) {
            fail("ERROR: \(serverURL) refused connection (already shut down?)")
        } catch .call(.connection(.noSuchFile)) {
            fail("ERROR: \(serverURL) no such file (already shut down?)")
        }
    }

    mutating func reload(_ argument: String) throws(Failure) {
        guard !refusesArguments(argument, "reload") else { return }
        guard confirmed("Really restart the remote supervisord process y/N? ") else { return }
        do throws(Failure) {
            _ = try call("restart")
            doors.output("Restarted supervisord")
        } catch .call(.fault(let fault)) where fault.code == ControlFault.shutdownState.code {
            fail("ERROR: already shutting down")
        }
    }

    /// Everything but a word with y is a no. No answer at all is noted as a failure.
    private mutating func confirmed(_ question: String) -> Bool {
        guard interactive else { return true }
        guard let answer = doors.ask(question, false) else {
            fail("error: no answer")
            return false
        }
        return answer.lowercased().hasPrefix("y")
    }

    /// Shows the status of another supervisor and stays with it; what that finds does not touch the exit status.
    mutating func open(_ argument: String) throws(Failure) {
        let scheme = argument.prefix { $0 != ":" }.lowercased()
        guard argument.contains(":"), scheme == "unix" || scheme == "http" else { return fail("ERROR: url must be http:// or unix://") }
        serverURL = argument
        doors.connect(argument, credentials)
        let before = exitStatus
        try status("")
        exitStatus = before
    }

    mutating func help(_ argument: String) {
        if argument.isEmpty {
            for line in Self.overview { doors.output(line) }
        } else {
            for line in Self.help[argument] ?? ["*** No help on \(argument)"] { doors.output(line) }
        }
    }
}
