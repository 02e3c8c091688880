import CLinux
import Glibc
import Linux

/// Starts processes with default signals, an empty mask, a process group of their own and only the
/// descriptors they are given.
public enum Spawner {
    /// Why a start failed, in supervisord's words (what follows `spawnerr: `).
    public struct Failure: Error, CustomStringConvertible, Sendable {
        public let description: String
    }

    /// `descriptors[i]` becomes descriptor i of the child; -1 is /dev/null.
    public static func spawn(
        path: String, arguments: [String], environment: [String: String], descriptors: [Int32],
        directory: String? = nil, name: String = ""
    ) throws(Failure) -> Int32 {
        var step: Int32 = 0
        var error: Int32 = 0
        let pid = unsafe withStrings(arguments) { argv in
            unsafe withStrings(environment.map { "\($0.key)=\($0.value)" }) { envp in
                unsafe sensor_spawn(path, argv, envp, directory, descriptors, Int32(descriptors.count), &step, &error)
            }
        }
        if pid >= 0 { return pid }
        throw Failure(description: words(step: UInt32(step), error: error, path: path, name: name, directory: directory))
    }

    private static func words(step: UInt32, error: Int32, path: String, name: String, directory: String?) -> String {
        switch step {
        case SENSOR_SPAWN_FORK.rawValue:
            switch error {
            case EMFILE, ENFILE: return "too many open files to spawn '\(name)'"
            case EAGAIN: return "Too many processes in process table to spawn '\(name)'"
            default: return "unknown error during fork for '\(name)': \(SystemError.text(error))"
            }
        case SENSOR_SPAWN_CHDIR.rawValue: return "couldn't chdir to \(directory ?? ""): \(SystemError.text(error))"
        case SENSOR_SPAWN_EXEC.rawValue:
            switch error {
            // execve(2) says EACCES of a directory too, and ENOENT for want of a script's interpreter.
            case EACCES where mode(path) & S_IFMT == S_IFDIR: return "command at '\(path)' is a directory"
            case EACCES where mode(path) & 0o111 == 0: return "command at '\(path)' is not executable"
            case EACCES: return "no permission to run command '\(path)'"
            case ENOENT where mode(path) == 0: return "can't find command '\(path)'"
            default: return "couldn't exec \(path): \(SystemError.text(error))"
            }
        default: return "couldn't prepare '\(name)': \(SystemError.text(error))"
        }
    }

    /// 0 where there is no such file.
    private static func mode(_ path: String) -> mode_t {
        var status = stat()
        return unsafe stat(path, &status) == 0 ? status.st_mode : 0
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
