import CLinux
import Events
import Glibc
import Linux

/// What a capture program gives up once its handle is open: a mistake in reading packets then has nothing to take.
enum Confinement {
    /// No capability, no way to get one, and of the file system the spool, the state, and what the interface's own counters
    /// are read from. Returns what could not be given up, one event each.
    static func enter(spool: borrowing Directory, state: borrowing Directory) -> [Event] {
        var doubts: [Event] = []
        let needsOverride = geteuid() == 0 && (isForeign(spool) || isForeign(state))
        if (needsOverride ? sensor_keep_override_only() : sensor_drop_capabilities()) != 0 {
            doubts.append(Event(.warn, "capabilities_kept", "cannot drop the capabilities: \(SystemError.text(errno))"))
        } else if needsOverride {
            doubts.append(
                Event(
                    .warn, "capabilities_kept",
                    "keeps CAP_DAC_OVERRIDE: root may write \(spool.path), which is another user's, by that right only; give root the directory, or run as its owner"
                ))
        }
        let readable = ["/sys/class/net", "/sys/devices"].map { (try? Descriptor.open($0, flags: O_RDONLY | O_DIRECTORY).release()) ?? -1 }
        defer { for one in readable where one >= 0 { close(one) } }
        let version = unsafe sensor_confine_files([spool.number, state.number], 2, readable, Int32(readable.count))
        if version < 0 {
            doubts.append(
                Event(.warn, "files_reachable", "cannot limit the reach to spool and state (landlock(7)): \(SystemError.text(errno))"))
        }
        return doubts
    }

    private static func isForeign(_ directory: borrowing Directory) -> Bool {
        guard let status = try? directory.status(".") else { return false }
        return status.owner != 0 && status.mode & S_IWOTH == 0 || status.owner == 0 && status.mode & 0o300 != 0o300
    }
}
