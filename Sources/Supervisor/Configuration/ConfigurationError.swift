/// Why a configuration or a command line cannot be used.
///
/// `description` is what follows `Error: ` on standard error, in supervisord 4.2.5's words; it may hold
/// several lines. The caller adds `For help, use NAME -h` and ends with 2.
public struct ConfigurationError: Error, Equatable, Sendable, CustomStringConvertible {
    public let description: String

    public init(_ description: String) { self.description = description }
}

/// What reading a configuration has to say once the log is open.
public struct ConfigurationMessage: Equatable, Sendable {
    public let level: LogLevel
    public let text: String

    public init(_ level: LogLevel, _ text: String) {
        self.level = level
        self.text = text
    }
}

/// supervisord's log levels by the names the configuration uses, least important first.
public enum LogLevel: Int, Sendable, CaseIterable, Comparable {
    case blather = 3
    case trace = 5
    case debug = 10
    case info = 20
    case warn = 30
    case error = 40
    case critical = 50

    public static func < (one: LogLevel, other: LogLevel) -> Bool { one.rawValue < other.rawValue }

    /// The name in `loglevel=`, in lower case; `warning` is not one of them.
    public var name: String {
        switch self {
        case .blather: "blather"
        case .trace: "trace"
        case .debug: "debug"
        case .info: "info"
        case .warn: "warn"
        case .error: "error"
        case .critical: "critical"
        }
    }

    /// The four letters of a log line: `WARN`.
    public var word: String { self == .debug ? "DEBG" : String(name.uppercased().prefix(4)) }
}
