import Glibc
public import Linux

/// Room on the disk that is kept to be given up, a file for each program in `state`: the shipper's journal and manifest need
/// some before a file can leave a disk that others have filled, and capture to write down what was lost when it ends there.
public enum Reserve {
    public static let shipper = "reserve"
    public static func capture(_ interface: String) -> String { "reserve-\(SpoolName.escape(interface))" }
    private static let size = 64 << 10
    /// Only taken where it is not the last.
    private static let plenty: Int64 = 1 << 20

    public static func keep(_ file: String = shipper, in state: borrowing Directory) {
        if (try? state.status(file)) != nil { return }
        guard let disk = DiskSpace(of: state.number), disk.free > plenty else { return }
        do {
            let open = try state.open(file, flags: O_WRONLY | O_CREAT | O_EXCL, mode: 0o600)
            try open.writeAll([UInt8](repeating: 0, count: size))
        } catch { _ = try? state.remove(file) }
    }

    /// Runs `body`; where the disk is full, once more after giving the reserve up.
    public static func spend(
        _ file: String = shipper, in state: borrowing Directory, _ body: () throws(SystemError) -> Void
    ) throws(SystemError) {
        do { try body() } catch {
            guard [ENOSPC, EDQUOT].contains(error.code), try state.remove(file) else { throw error }
            try body()
        }
    }
}
