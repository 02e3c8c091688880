/// What one trial of `sensor check` found.
public struct CheckResult: Sendable, Equatable {
    public enum State: String, Sendable {
        case ok
        /// Works, and somebody should know.
        case warn
        /// The sensor will not do what it is for.
        case fail
    }
    /// What was tried.
    public let check: String
    public let state: State
    /// What was found, and for anything but `ok` what to do.
    public let detail: String

    public init(_ state: State, _ check: String, _ detail: String) {
        self.check = check
        self.state = state
        self.detail = detail
    }

    /// `ok   disk space: …`
    public var text: String {
        let word: String
        switch state {
        case .ok: word = "ok  "
        case .warn: word = "WARN"
        case .fail: word = "FAIL"
        }
        return "\(word) \(printable(check)): \(printable(detail))"
    }

    /// An array of objects, one a line.
    public static func json(_ results: [CheckResult]) -> String {
        let objects = results.map {
            "{\"check\":\(quoted($0.check)),\"state\":\(quoted($0.state.rawValue)),\"detail\":\(quoted($0.detail))}"
        }
        return "[\n\(objects.joined(separator: ",\n"))\n]\n"
    }
}
