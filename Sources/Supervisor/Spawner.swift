import CLinux
import Glibc
import Linux

/// Starts processes with default signals, an empty mask, a process group of their own and only the
/// descriptors they are given.
public enum Spawner {
    /// Why a start failed, in supervisord's words.
    public struct Failure: Error, CustomStringConvertible, Sendable, Equatable {
        public enum Kind: Sendable, Equatable { case notFound, notExecutable, system }
        public let kind: Kind
        public let description: String

        static func tooManyFiles(_ name: String) -> Failure {
            Failure(kind: .system, description: "too many open files to spawn '\(name)'")
        }
    }

    enum Outcome: Equatable {
        case running(pid: Int32)
        /// The process was made, but ends with 127 before it became the program.
        case stillborn(pid: Int32, String)
    }

    /// `descriptors[i]` becomes descriptor i of the child; -1 is /dev/null.
    static func start(
        path: String, arguments: [String], environment: [String: String], descriptors: [Int32], directory: String? = nil,
        umask: UInt32? = nil, user: UserID? = nil, name: String = ""
    ) throws(Failure) -> Outcome {
        var step: Int32 = 0
        var error: Int32 = 0
        // Nobody but root becomes anybody; to become oneself nothing needs to be done.
        let other = user.flatMap { $0.uid == geteuid() ? nil : $0 }
        let groups = other?.groups ?? []
        let pid = unsafe withStrings(arguments) { argv in
            unsafe withStrings(environment.map { "\($0.key)=\($0.value)" }) { envp in
                unsafe path.withCString { path in
                    unsafe withOptionalString(directory) { directory in
                        unsafe descriptors.withUnsafeBufferPointer { descriptors in
                            unsafe groups.withUnsafeBufferPointer { groups in
                                var options = unsafe sensor_spawn_options(
                                    path: path, argv: argv, envp: envp, directory: directory, descriptors: descriptors.baseAddress!,
                                    count: Int32(descriptors.count), umask: umask.map { Int32($0) } ?? -1, has_user: other == nil ? 0 : 1,
                                    uid: other?.uid ?? 0, gid: other?.gid ?? 0, groups: groups.baseAddress, group_count: Int32(groups.count)
                                )
                                return unsafe sensor_spawn(&options, &step, &error)
                            }
                        }
                    }
                }
            }
        }
        guard pid >= 0 else {
            switch error {
            case EMFILE, ENFILE: throw .tooManyFiles(name)
            case EAGAIN: throw Failure(kind: .system, description: "Too many processes in process table to spawn '\(name)'")
            default:
                throw Failure(kind: .system, description: "unknown error during fork for '\(name)': \(SystemError.name(error))")
            }
        }
        switch UInt32(step) {
        case 0: return .running(pid: pid)
        case SENSOR_SPAWN_USER.rawValue:
            let why = error == EPERM ? "Can't drop privilege as nonroot user" : SystemError.name(error)
            return .stillborn(pid: pid, "couldn't setuid to \(other?.uid ?? 0): \(why)")
        case SENSOR_SPAWN_CHDIR.rawValue:
            return .stillborn(pid: pid, "couldn't chdir to \(directory ?? ""): \(SystemError.name(error))")
        case SENSOR_SPAWN_EXEC.rawValue: return .stillborn(pid: pid, "couldn't exec \(path): \(SystemError.name(error))")
        default: return .stillborn(pid: pid, "couldn't prepare '\(name)': \(SystemError.name(error))")
        }
    }

    /// The file a command stands for, found and looked at as supervisord does it before each start.
    static func executable(_ spec: ProgramSpec) throws(Failure) -> String {
        if let problem = spec.commandProblem { throw Failure(kind: .notExecutable, description: problem) }
        let word = spec.path ?? spec.arguments.first ?? ""
        var path = word
        if !word.contains("/") {
            let places = (spec.environment["PATH"] ?? "/bin:/usr/bin:/usr/local/bin").split(separator: ":")
            let found = places.lazy.map { "\($0)/\(word)" }.first { Self.mode($0) != 0 }
            guard let found else { throw Failure(kind: .notFound, description: "can't find command '\(word)'") }
            path = found
        }
        let mode = Self.mode(path)
        if mode == 0 { throw Failure(kind: .notFound, description: "can't find command '\(path)'") }
        if mode & S_IFMT == S_IFDIR { throw Failure(kind: .notExecutable, description: "command at '\(path)' is a directory") }
        if mode & 0o111 == 0 { throw Failure(kind: .notExecutable, description: "command at '\(path)' is not executable") }
        if unsafe access(path, X_OK) != 0 { throw Failure(kind: .notExecutable, description: "no permission to run command '\(path)'") }
        return path
    }

    /// The same for a caller that waits for no line of a log: any failure is thrown, and nothing is left to reap.
    public static func spawn(
        path: String, arguments: [String], environment: [String: String], descriptors: [Int32], directory: String? = nil
    ) throws(Failure) -> Int32 {
        switch try start(path: path, arguments: arguments, environment: environment, descriptors: descriptors, directory: directory) {
        case .running(let pid): return pid
        case .stillborn(let pid, let why):
            _ = reap(pid, wait: true)
            throw Failure(kind: .system, description: why)
        }
    }

    /// 0 where there is no such file.
    private static func mode(_ path: String) -> mode_t {
        var status = stat()
        return unsafe stat(path, &status) == 0 ? status.st_mode : 0
    }

    private static func withOptionalString<R>(_ text: String?, _ body: (UnsafePointer<CChar>?) -> R) -> R {
        guard let text else { return body(nil) }
        return unsafe text.withCString { unsafe body($0) }
    }

    private static func withStrings<R>(
        _ strings: [String], _ body: (UnsafePointer<UnsafeMutablePointer<CChar>?>) -> R
    ) -> R {
        var pointers: [UnsafeMutablePointer<CChar>?] = unsafe strings.map { unsafe strdup($0) }
        unsafe pointers.append(nil)
        defer { for index in unsafe pointers.indices { unsafe free(pointers[index]) } }
        return unsafe pointers.withUnsafeBufferPointer { unsafe body($0.baseAddress!) }
    }

    /// Collects one ended child, or -1's worth of none. Returns pid and status.
    public static func reap(_ pid: Int32 = -1, wait: Bool = false) -> (pid: Int32, status: ExitStatus)? {
        var raw: Int32 = 0
        while true {
            let ended = unsafe waitpid(pid, &raw, wait ? 0 : WNOHANG)
            if ended > 0 {
                if sensor_wait_exited(raw) != 0 { return (ended, .code(sensor_wait_code(raw))) }
                return (ended, .signal(sensor_wait_signal(raw), core: sensor_wait_core(raw) != 0))
            }
            if ended < 0 && errno == EINTR { continue }
            return nil
        }
    }
}
