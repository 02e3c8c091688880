import ArgumentParser
import Glibc
import Linux
import Supervisor

@main
struct Sensor: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sensor",
        abstract: "Full packet capture: records interfaces into pcap files and delivers each once, over SSH.",
        version: "0.1.0",
        subcommands: [
            Run.self, PrintKey.self, Check.self, StatusCommand.self, StartCommand.self, StopCommand.self, RestartCommand.self,
            SignalCommand.self, TailCommand.self, PidCommand.self, ShutdownCommand.self, CutCommand.self, Supervise.self,
            CaptureCommand.self, ShipCommand.self, WatchCommand.self, ControlConnectionCommand.self,
        ])

    static func main() {
        // A closed standard descriptor would become the next file that is opened, and the log go into it.
        for number in 0...2 as ClosedRange<Int32> where fcntl(number, F_GETFD) < 0 { _ = unsafe open("/dev/null", O_RDWR) }
        let called = Arguments.all.first ?? ""
        let words = Array(Arguments.all.dropFirst())
        switch called.split(separator: "/").last {
        case "supervisord":
            Glibc.exit(Daemon(name: called, words: words, staysInForeground: false, environment: Environment.all()).run())
        case "supervisorctl": Glibc.exit(ControlProgram(name: called, environment: Environment.all()).run(words))
        default: break
        }
        // These take all words as they are, and each control call waits for the second: not a word of ArgumentParser's is needed,
        // which takes longer to set up than the rest of the start.
        switch words.first {
        case "supervise": Glibc.exit(Supervise.run(Array(words.dropFirst())))
        case "control-connection":
            ControlConnectionCommand.serve()
            Glibc.exit(0)
        default: break
        }
        do {
            var command = try parseAsRoot(words)
            try command.run()
        } catch {
            guard exitCode(for: error) == .validationFailure else { exit(withError: error) }
            // One line, as for every error; help is where it points to.
            complain("sensor: \(message(for: error)); see sensor help")
            Glibc.exit(ExitStatus.wrongUsage)
        }
    }
}

/// So many seconds a reader that takes nothing may hold up a program that has something else to do.
let patience = 1.0

/// One line on stderr.
func complain(_ text: String) { Console.write(text + "\n", to: 2, patience: patience) }

/// Text on stdout.
func say(_ text: String) { Console.write(text, to: 1) }

/// sysexits.h
enum ExitStatus {
    static let failed: Int32 = 1
    static let wrongUsage: Int32 = 64
    static let wrongSetting: Int32 = 78
}
