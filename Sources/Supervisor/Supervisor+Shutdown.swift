import Events
import Glibc
import Linux

extension Supervisor {
    /// Seconds between the lines that name who still lives.
    private static let reportInterval = 3.0

    mutating func received(_ signal: Int32) {
        let name = SignalName.of(signal)
        func event(_ level: Level, _ what: String) -> Event {
            Event(level, "received", "received \(name) indicating \(what)", ["signal": .text(name)])
        }
        switch signal {
        case SIGHUP where options.restartsOnHangup:
            // Shutdown is final.
            if end != nil {
                say(Event(.warn, "received", "ignored \(name) indicating restart request (shutdown in progress)", ["signal": .text(name)]))
            } else {
                say(event(.warn, "restart request"))
                // What cannot be read would end everything.
                if let why = whyNoRestart {
                    say(
                        Event(
                            .erro, "restart_refused", "not restarted, the configuration cannot be used: \(why)", ["reason": .text(why)]))
                } else {
                    shutDown(.restart)
                }
            }
        case SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGPWR:
            say(event(.warn, "exit request"))
            shutDown(.exit(0))
        case SIGUSR2:
            say(event(.info, "log reopen request"))
            reopenLogs()
            say(Event(.info, "logs_reopened", "supervisord logreopen"))
        case SIGCHLD: hasChildEnded = true
        default: break
        }
    }

    var whyNoRestart: String? {
        guard let reread = hooks.reread else { return nil }
        do throws(ConfigurationError) {
            _ = try reread()
            return nil
        } catch { return error.description }
    }

    mutating func sayChildEnded() {
        guard hasChildEnded else { return }
        hasChildEnded = false
        say(Event(.debg, "received", "received SIGCHLD indicating a child quit", ["signal": .text("SIGCHLD")]))
    }

    /// A request for the end overrides one for a restart, never the other way round.
    mutating func shutDown(_ how: SupervisorEnd) {
        if let end {
            if end == .restart { self.end = how }
            return
        }
        end = how
        reportTheLiving()
        stopNext()
    }

    mutating func reportTheLiving() {
        let names = programs.filter { !$0.isDone }.map(\.name)
        nextReport = names.isEmpty ? nil : .now() + Self.reportInterval
        if names.isEmpty { return }
        let list = names.joined(separator: ", ")
        say(Event(.info, "waiting", "waiting for \(list) to die", ["programs": .text(list)]))
    }

    /// Stops what is due next; the last started first.
    mutating func stopNext() {
        let alive = groups.indices.filter { !groups[$0].isDone }.map { ($0, groups[$0].spec.priority) }
        for index in shutdown.next(priorities: alive).reversed() {
            for program in groups[index].programs.reversed() where !program.machine.isAtRest { apply(.stop, to: program) }
        }
    }

    mutating func endIfNothingEssentialIsLeft() {
        guard options.exitsOnFatal else { return }
        let essential = programs.filter(\.spec.essential)
        guard !essential.isEmpty, ExitOnFatal.isDue(essential.map(\.state)) else { return }
        let list = essential.filter { $0.state == .fatal }.map(\.name).joined(separator: ", ")
        say(
            Event(
                .crit, "essential_lost", "nothing left to supervise: \(list) cannot run; ending with exit status 1",
                ["programs": .text(list)]))
        shutDown(.exit(1))
    }
}
