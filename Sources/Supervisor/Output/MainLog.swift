public import Events
import Linux

/// Where the supervisor's own lines go.
public struct LogOptions: Sendable {
    public var face = LogFace.text
    /// Lines below are not written.
    public var level = Level.info
    /// A copy, or the only one, on standard output.
    public var stdout = true
    public var stderr = false
    public var syslog = false
    public var file: String?
    public var maxbytes: Int64 = 50 << 20
    public var backups = 10
    public init() {}
}

/// The supervisor's own log: standard output, a file, or both.
struct MainLog {
    let options: LogOptions
    private let file: RotatingFile?
    let trouble: Event?

    init(_ options: LogOptions) {
        self.options = options
        guard let path = options.file else {
            file = nil
            trouble = nil
            return
        }
        do {
            file = try RotatingFile(path, maxbytes: options.maxbytes, backups: options.backups)
            trouble = nil
        } catch {
            file = nil
            trouble = Self.event(.began(error.description), path)
        }
    }

    var path: String? { file?.path }

    /// Writes into the file and returns what the other places get.
    func line(_ event: Event, at time: WallTime) -> String? {
        guard event.level.rank <= options.level.rank else { return nil }
        let line = options.face.line(event, at: time)
        guard let trouble = file?.write(Array(line.utf8)[...]) else { return line }
        return line + options.face.line(Self.event(trouble, options.file ?? ""), at: time)
    }

    /// Bytes that are no event.
    func raw(_ bytes: ArraySlice<UInt8>) { _ = file?.write(bytes) }

    func reopen() { _ = file?.reopen() }
    func clear() { _ = file?.clear() }

    /// What is said of a log file, the supervisor's own or a program's.
    static func event(_ trouble: RotatingFile.Trouble, _ path: String, of program: String? = nil) -> Event {
        let by = program.map { Event.Value.text($0) } ?? .none
        switch trouble {
        case .began(let why):
            return Event(
                .warn, "log_failed", "cannot write \(path): \(why); what belongs there is dropped until it can be written",
                ["program": by, "file": .text(path), "reason": .text(why)])
        case .unrotatable(let why):
            return Event(
                .warn, "log_unrotatable", "cannot rotate \(path): \(why); it grows on",
                ["program": by, "file": .text(path), "reason": .text(why)])
        case .passed(let dropped):
            return Event(
                .warn, "log_recovered", "\(path) is written again, \(dropped) bytes were dropped",
                ["program": by, "file": .text(path), "dropped": .number(dropped)])
        }
    }
}
