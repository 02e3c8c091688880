import ArgumentParser
import Glibc
import Linux
import Settings
import Supervisor

/// Where the control socket of `run` is: the server's choice and the client's search are the same list.
enum ControlPlace {
    static let standard = "/run/sensor/control.sock"

    static func candidates(setting: String?, dataDirectory: String) -> [String] {
        setting.map { [$0] } ?? [standard, "\(dataDirectory)/control.sock"]
    }

    /// For a client, which looks at no other setting: what it wants to know must not fail for a wrong one.
    static var dataDirectory: String {
        let set = Environment.all()["SENSOR_DATA_DIR"] ?? ""
        return set.isEmpty ? Settings().dataDirectory : set
    }

    /// For a client: the first that is there.
    static func find() -> String {
        let environment = Environment.all()
        let paths = candidates(setting: environment["SENSOR_SOCKET"].flatMap { $0.isEmpty ? nil : $0 }, dataDirectory: dataDirectory)
        return paths.first { unsafe access($0, F_OK) == 0 } ?? paths[0]
    }

    /// Makes the directory of the standard place for the user that `run` will be. Where that may not be, the next place is
    /// taken.
    static func prepare(for account: Account?) {
        let directory = String(standard[..<(standard.lastIndex(of: "/") ?? standard.startIndex)])
        guard unsafe mkdir(directory, 0o755) == 0 || errno == EEXIST, let account, let opened = try? Directory(directory) else { return }
        try? account.own(opened)
    }

    /// The socket at the first place where one can be made; nil, and why, where there is none.
    static func listen(_ paths: [String], _ url: inout String?, _ complain: (String) -> Void) -> ControlListener? {
        var problem = ""
        for path in paths {
            do throws(ControlSocketProblem) {
                let listener = try ControlListener(ControlServerOptions(path: path))
                url = "unix://\(path)"
                return listener
            } catch {
                problem = error.kind == .inUse ? "\(path) is in use by another program" : error.description
            }
        }
        complain(problem)
        return nil
    }
}

/// supervisorctl's words against the control socket of `run`.
protocol ControlAction: ParsableCommand {
    static var action: String { get }
    var words: [String] { get }
}

extension ControlAction {
    func run() throws {
        if ["-h", "--help"].contains(words.first ?? "") {
            throw ExitCode(ControlProgram.act("help \(Self.action)", socket: ControlPlace.find()))
        }
        throw ExitCode(ControlProgram.act(([Self.action] + words).joined(separator: " "), socket: ControlPlace.find()))
    }
}

struct StartCommand: ControlAction {
    static let action = "start"
    static let configuration = CommandConfiguration(commandName: "start", abstract: "Starts programs: NAME…, GROUP:* or all.")
    @Argument(parsing: .captureForPassthrough) var words: [String] = []
}

struct StopCommand: ControlAction {
    static let action = "stop"
    static let configuration = CommandConfiguration(commandName: "stop", abstract: "Stops programs: NAME…, GROUP:* or all.")
    @Argument(parsing: .captureForPassthrough) var words: [String] = []
}

struct RestartCommand: ControlAction {
    static let action = "restart"
    static let configuration = CommandConfiguration(commandName: "restart", abstract: "Stops programs and starts them again.")
    @Argument(parsing: .captureForPassthrough) var words: [String] = []
}

struct SignalCommand: ControlAction {
    static let action = "signal"
    static let configuration = CommandConfiguration(commandName: "signal", abstract: "Sends a signal to programs: SIGNAL NAME….")
    @Argument(parsing: .captureForPassthrough) var words: [String] = []
}

struct TailCommand: ControlAction {
    static let action = "tail"
    static let configuration = CommandConfiguration(
        commandName: "tail", abstract: "Shows the end of a program's log file, where it has one.")
    @Argument(parsing: .captureForPassthrough) var words: [String] = []
}

struct PidCommand: ControlAction {
    static let action = "pid"
    static let configuration = CommandConfiguration(commandName: "pid", abstract: "Shows the process id of the supervisor, or of programs.")
    @Argument(parsing: .captureForPassthrough) var words: [String] = []
}

struct ShutdownCommand: ControlAction {
    static let action = "shutdown"
    static let configuration = CommandConfiguration(commandName: "shutdown", abstract: "Stops all programs and the supervisor.")
    @Argument(parsing: .captureForPassthrough) var words: [String] = []
}

/// Finishes the open capture files; the shipper hears of them by itself.
struct CutCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "cut", abstract: "Finishes the open capture files now, so that they are shipped.")

    func run() throws {
        throw ExitCode(
            ControlProgram.signal("USR1", group: Programs.group, prefix: Programs.capture, socket: ControlPlace.find()))
    }
}
