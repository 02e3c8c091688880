/// What reading a configuration asks of the machine. Nothing else is looked at, so that a reading can be
/// repeated and tested.
public struct ConfigurationWorld {
    public enum File: Equatable, Sendable {
        case bytes([UInt8])
        case missing
        /// It is there and cannot be read: no permission, a directory.
        case unreadable
    }

    /// The supervisor's own.
    public var environment: [String: String]
    /// Absolute.
    public var currentDirectory: String
    /// uname(2)'s node name.
    public var hostName: String
    /// The whole of a file; the path may be relative to `currentDirectory`.
    public var file: (_ path: String) -> File
    public var exists: (_ path: String) -> Bool
    /// Follows links.
    public var isDirectory: (_ path: String) -> Bool
    /// glob(3) without escapes: the paths that match, in any order; none: an empty list.
    public var glob: (_ pattern: String) -> [String]
    public var userNamed: (_ name: String) -> UserID?
    public var userNumbered: (_ uid: UInt32) -> UserID?
    public var groupNamed: (_ name: String) -> UInt32?
    public var groupNumbered: (_ gid: UInt32) -> Bool
    /// The home directory in the user database; nil asks for the supervisor's own user.
    public var home: (_ user: String?) -> String?

    /// A machine with nothing on it but the root directory and /tmp; what is needed is set afterwards.
    public init(environment: [String: String], currentDirectory: String, hostName: String) {
        self.environment = environment
        self.currentDirectory = currentDirectory
        self.hostName = hostName
        file = { _ in .missing }
        exists = { _ in false }
        isDirectory = { $0 == "/" || $0 == "/tmp" }
        glob = { _ in [] }
        userNamed = { _ in nil }
        userNumbered = { _ in nil }
        groupNamed = { _ in nil }
        groupNumbered = { _ in false }
        home = { _ in nil }
    }

    /// Where automatic child logs go when nothing is said. Unlike Python's it need not be writable: a
    /// read-only root must not keep anybody from starting.
    var temporaryDirectory: String {
        for name in ["TMPDIR", "TEMP", "TMP"] {
            if let path = environment[name], !path.isEmpty, isDirectory(path) { return absolute(path) }
        }
        return ["/tmp", "/var/tmp", "/usr/tmp"].first(where: isDirectory) ?? currentDirectory
    }
}
