import Glibc
import Linux

/// Why a delivery did not succeed, told apart by who can make it right.
public struct ShipFault: Error, Sendable, Equatable, CustomStringConvertible {
    public enum Kind: String, Sendable, Equatable {
        /// Becomes right by itself: network, server restarts.
        case passing
        /// The server refuses the key: somebody is about to paste it.
        case loginRefused
        /// Somebody has to act at the target or here: a directory, a full disk, a changed host key.
        case operators
        /// Concerns one file only; the others go on.
        case file
        /// The sensor is being stopped.
        case stopped
    }
    public let kind: Kind
    public let description: String

    public init(_ kind: Kind, _ description: String) {
        self.kind = kind
        self.description = description
    }

    /// A temporary name at the target is gone, or is somebody else's now: other names, from the start.
    static let temporaryGone = ShipFault(.passing, "a temporary file vanished at the target or was replaced there: sent again")
    static let stopped = ShipFault(.stopped, "stopped")
    /// Runs what touches local files; their faults become `.local`.
    static func here<Value: ~Copyable>(_ body: () throws(SystemError) -> Value) throws(ShipFault) -> Value {
        do { return try body() } catch { throw .local(error) }
    }
    /// A fault of what lies here of one file: that one stays, the others go on.
    static func file(_ error: SystemError) -> ShipFault {
        [EMFILE, ENFILE, ENOMEM].contains(error.code) ? .local(error) : ShipFault(.file, "here: \(error)")
    }
    /// A fault of a local file or directory.
    static func local(_ error: SystemError) -> ShipFault { ShipFault(.operators, "here: \(error)") }
}
