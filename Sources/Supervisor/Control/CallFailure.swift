/// Why a call to the supervisor gave no value.
public enum CallFailure: Error, Sendable, Equatable {
    /// The supervisor refused it.
    case fault(ControlFault)
    case connection(ConnectionFailure)
}

public enum ConnectionFailure: Error, Sendable, Equatable {
    /// No socket there (ENOENT).
    case noSuchFile
    /// Nobody listens there (ECONNREFUSED).
    case refused
    /// EACCES, EPERM.
    case permissionDenied
    /// An HTTP status other than 200, such as 401 for want of a password.
    case status(Int, reason: String)
    /// Anything else, as a clause for the user.
    case other(String)
}

extension CallFailure {
    /// The one line for failures no command has words for. (The original prints a Python exception here.)
    func line(_ serverURL: String) -> String {
        switch self {
        case .fault(let fault): return "error: \(fault.text) (\(fault.code))"
        case .connection(.noSuchFile): return "error: \(serverURL) no such file"
        case .connection(.refused): return "error: \(serverURL) refused connection"
        case .connection(.permissionDenied): return "error: \(serverURL) permission denied"
        case .connection(.status(let status, let reason)): return "error: \(serverURL) answered \(status) \(reason)"
        case .connection(.other(let clause)): return "error: \(serverURL) \(clause)"
        }
    }
}
