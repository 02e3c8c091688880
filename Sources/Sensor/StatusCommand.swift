import ArgumentParser
import Events
import Linux
import Spool
import Supervisor

/// supervisorctl's status, byte for byte; and what the sensor itself knows, where it is asked for.
struct StatusCommand: ControlAction {
    static let action = "status"
    static let configuration = CommandConfiguration(
        commandName: "status",
        abstract: "Shows the state of all programs, or of some; with -v also of shipping, capture and the spool, with --json all of it.")
    @Argument(parsing: .captureForPassthrough) var words: [String] = []

    /// All that is known, for `--json`.
    private struct Report: Encodable {
        var programs: [ProgramFacts]
        /// What else `status` had to say: nobody answers, no such program.
        var errors: [String]
        var dataDirectory: String
        var sensor: SensorFacts
    }

    func run() throws {
        let names = words.filter { !["-v", "--verbose", "--json"].contains($0) }
        if ["-h", "--help"].contains(names.first ?? "") { throw ExitCode(ControlProgram.act("help status", socket: ControlPlace.find())) }
        let now = WallTime.now()
        let directory = ControlPlace.dataDirectory
        if words.contains("--json") {
            let (programs, said, status) = ControlProgram.programs(names, socket: ControlPlace.find())
            let facts = SensorFacts.read(dataDirectory: directory, at: now)
            let report = Report(programs: programs, errors: said, dataDirectory: directory, sensor: facts)
            say(String(decoding: JSONFile.encode(report), as: UTF8.self))
            throw ExitCode(status)
        }
        let status = ControlProgram.act((["status"] + names).joined(separator: " "), socket: ControlPlace.find())
        if words.contains(where: { ["-v", "--verbose"].contains($0) }) {
            for line in SensorFacts.read(dataDirectory: directory, at: now).lines(at: now) { say(printable(line) + "\n") }
        }
        throw ExitCode(status)
    }
}
