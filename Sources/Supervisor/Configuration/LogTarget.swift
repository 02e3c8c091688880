/// Where a log is to go, by the words of `…logfile=`.
enum LogTarget: Equatable {
    case none, automatic
    /// The old way to say `…_syslog=true`.
    case syslog
    case file(String)
    case descriptor(Int32)

    /// The file need not be there, its directory must. The supervisor's own output is never opened by its
    /// path: as another user, or for a pipe, that fails.
    init(_ text: String, _ world: ConfigurationWorld) throws(ConfigurationError) {
        switch text.lowercased() {
        case "none", "off", "": self = .none
        case "auto": self = .automatic
        case "syslog": self = .syslog
        default:
            let path = try world.pathInLogDirectory(text)
            self = Self.descriptor(path).map { .descriptor($0) } ?? .file(path)
        }
    }

    /// The number in `/dev/stdout`, `/dev/stderr`, `/dev/fd/N` and `/proc/self/fd/N`.
    static func descriptor(_ path: String) -> Int32? {
        switch path {
        case "/dev/stdout": return 1
        case "/dev/stderr": return 2
        default:
            guard let directory = ["/dev/fd/", "/proc/self/fd/"].first(where: path.hasPrefix) else { return nil }
            let digits = path.dropFirst(directory.count)
            guard !digits.isEmpty, digits.utf8.allSatisfy({ (48...57).contains($0) }) else { return nil }
            return Int32(digits)
        }
    }
}

extension ConfigurationWorld {
    /// A path whose directory exists, with its `~` expanded.
    func pathInDirectory(_ text: String) throws(ConfigurationError) -> String {
        let path = expandingHome(text)
        let directory = PathText.directory(of: path)
        guard directory.isEmpty || isDirectory(directory) else {
            throw ConfigurationError("The directory named as part of the path \(text) does not exist")
        }
        return path
    }

    /// The same for a log; its own descriptors the supervisor has even where there is no /dev.
    func pathInLogDirectory(_ text: String) throws(ConfigurationError) -> String {
        LogTarget.descriptor(text) == nil ? try pathInDirectory(text) : text
    }

    /// The supervisor's own log; the words NONE and AUTO are file names there.
    func mainLog(_ path: String) -> DaemonSettings.Log {
        if path == "syslog" { return .syslog }
        let path = normalized(path)
        return LogTarget.descriptor(path).map { .descriptor($0) } ?? .file(path)
    }

    func existingDirectory(_ text: String) throws(ConfigurationError) -> String {
        let path = expandingHome(text)
        guard isDirectory(path) else { throw ConfigurationError("\(text) is not an existing directory") }
        return path
    }
}
