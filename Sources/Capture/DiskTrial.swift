import CLinux
public import Events
import Glibc
import Linux

/// Does once on the spool's disk all that recording takes, with a hidden file that is removed again.
public enum DiskTrial {
    private static let size = 1 << 20

    public static func run(in path: String, budget: BudgetSettings, fileBytes: Int64) -> [CheckResult] {
        do throws(SystemError) {
            let directory = try Directory(path)
            var results: [CheckResult] = []
            if let disk = DiskSpace(of: directory.number) {
                results.append(space(free: disk.free, total: disk.total, wanted: budget.wantedFree(of: disk.total), fileBytes: fileBytes))
            }
            let first = ".sensor-check.\(getpid()).a.part"
            let second = ".sensor-check.\(getpid()).b.part"
            // Of one that was killed: in a container the number is often the same.
            for name in [first, second] { try directory.remove(name) }
            defer { for name in [first, second] { _ = try? directory.remove(name) } }
            return results + steps(in: directory, first, second)
        } catch { return [CheckResult(.fail, "disk", "\(error); expected a directory that this user may write")] }
    }

    /// Ends at the first step that fails.
    private static func steps(in directory: borrowing Directory, _ first: String, _ second: String) -> [CheckResult] {
        var results: [CheckResult] = []
        var step = "disk write"
        do throws(SystemError) {
            let start = MonotonicTime.now()
            do {
                let file = try directory.open(first, flags: O_WRONLY | O_CREAT | O_EXCL)
                try file.writeAll([UInt8](repeating: 0, count: size))
                step = "disk fsync"
                try file.sync()
                try directory.sync()
            }
            let milliseconds = Int((MonotonicTime.now() - start) * 1000)
            results.append(CheckResult(.ok, "disk write", "1.0M written and fsynced in \(milliseconds) ms"))
            step = "disk rename"
            try directory.rename(first, to: second)
            _ = try directory.open(first, flags: O_WRONLY | O_CREAT | O_EXCL)
            results.append(replaces(directory, first, second))
            step = "disk O_DIRECT"
            results.append(direct(unsafe sensor_write_direct(directory.number, second) == 0 ? 0 : errno))
        } catch {
            results.append(CheckResult(.fail, step, "\(error)"))
        }
        return results
    }

    private static func replaces(_ directory: borrowing Directory, _ first: String, _ second: String) -> CheckResult {
        do throws(SystemError) { try directory.rename(first, to: second) } catch {
            if error.code == EEXIST { return CheckResult(.ok, "disk rename", "never replaces a file") }
            return CheckResult(.fail, "disk rename", "\(error)")
        }
        return CheckResult(
            .fail, "disk rename", "replaced a file that was there: a file system that loses files so cannot hold the spool")
    }

    static func direct(_ error: Int32) -> CheckResult {
        if error == 0 { return CheckResult(.ok, "disk O_DIRECT", "taken") }
        return CheckResult(
            .ok, "disk O_DIRECT", "not taken (\(SystemError.text(error))): files go through the page cache, which costs more processor time"
        )
    }

    static func space(free: Int64, total: Int64, wanted: Int64, fileBytes: Int64) -> CheckResult {
        let words = "\(readable(free)) free of \(readable(total)), \(readable(wanted)) are to stay free"
        if free < 1 << 20 { return CheckResult(.fail, "disk space", "\(words): the disk is full, make room") }
        if free < wanted {
            return CheckResult(
                .warn, "disk space", "\(words): the oldest waiting files will be dropped; make room, or lower SENSOR_SPOOL_FREE")
        }
        if free - wanted < fileBytes {
            return CheckResult(
                .warn, "disk space",
                "\(words): not even one file of PCAP_FILE_BYTES (\(readable(fileBytes))) fits; make room, or lower SENSOR_SPOOL_FREE")
        }
        return CheckResult(.ok, "disk space", words)
    }
}
