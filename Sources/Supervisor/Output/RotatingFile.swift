import Glibc
import Linux

/// A log file that is cut at line ends and grows beyond its size only to finish a line: PATH, PATH.1 … PATH.N, the
/// oldest last.
///
/// A file that somebody has removed is made again; what is no regular file (a FIFO, a terminal) is written to and
/// never rotated. Nothing here blocks on a reader, and no trouble is an error: it is told, once, by `trouble`.
final class RotatingFile {
    let path: String
    private let maxbytes: Int64
    private let backups: Int
    private var file: Descriptor?
    private var size: Int64 = 0
    private var isRegular = true
    private var endsInLine = true
    private var dropped: Int64 = 0
    private var saidFault: Int32 = 0

    /// What has to be said, if anything: a fault when it begins, its cost when it has passed.
    enum Trouble: Equatable {
        case began(String)
        case passed(dropped: Int64)
    }

    /// Opens it for appending. Throws what open(2) says.
    init(_ path: String, maxbytes: Int64 = 0, backups: Int = 0) throws(SystemError) {
        self.path = path
        self.maxbytes = maxbytes
        self.backups = backups
        try open()
    }

    private func open() throws(SystemError) {
        // Not waiting for the reader of a FIFO.
        let opened = try Descriptor.open(path, flags: O_WRONLY | O_APPEND | O_CREAT | O_NONBLOCK | O_NOCTTY, mode: 0o644)
        let status = try opened.status()
        size = status.size
        isRegular = status.isRegular
        endsInLine = true
        file = consume opened
    }

    /// After somebody has moved the file away.
    func reopen() -> Trouble? {
        do { try open() } catch { return failed(error.code, bytes: 0) }
        return nil
    }

    /// Empties it: the name stays, what was open by others under it too.
    func clear() -> Trouble? {
        guard unsafe unlink(path) == 0 || errno == ENOENT else { return failed(errno, bytes: 0) }
        return reopen()
    }

    func write(_ bytes: ArraySlice<UInt8>) -> Trouble? {
        if bytes.isEmpty { return nil }
        if isGone { if let trouble = reopen() { return trouble } }
        guard maxbytes > 0, isRegular else { return put(bytes) }
        var rest = bytes
        var told: Trouble?
        while !rest.isEmpty {
            let room = max(0, maxbytes - size)
            guard rest.count > room else {
                told = put(rest) ?? told
                break
            }
            // Whole lines as far as they fit; where not even one does, it goes into the next file, or is too
            // long for any.
            if let end = rest.prefix(Int(room)).lastIndex(of: 10) {
                told = put(rest[...end]) ?? told
                rest = rest[(end + 1)...]
            } else if size == 0 || !endsInLine {
                let end = rest.firstIndex(of: 10) ?? (rest.endIndex - 1)
                told = put(rest[...end]) ?? told
                rest = rest[(end + 1)...]
                if !endsInLine { break }
            }
            rotate()
        }
        return told
    }

    private var isGone: Bool {
        guard let status = try? file?.status() else { return true }
        return status.links == 0
    }

    private func put(_ bytes: ArraySlice<UInt8>) -> Trouble? {
        var done = 0
        while done < bytes.count {
            let number = file?.number ?? -1
            let wrote = unsafe bytes.withUnsafeBytes { unsafe Glibc.write(number, $0.baseAddress! + done, $0.count - done) }
            if wrote < 0 {
                let code = errno
                if code == EINTR { continue }
                return failed(code, bytes: bytes.count - done)
            }
            done += wrote
            size += Int64(wrote)
        }
        endsInLine = bytes.last == 10
        guard saidFault != 0 else { return nil }
        saidFault = 0
        defer { dropped = 0 }
        return .passed(dropped: dropped)
    }

    private func failed(_ code: Int32, bytes: Int) -> Trouble? {
        dropped += Int64(bytes)
        if saidFault == code { return nil }
        saidFault = code
        return .began(SystemError.text(code))
    }

    private func rotate() {
        if backups > 0 {
            for number in stride(from: backups - 1, to: 0, by: -1) { unsafe rename("\(path).\(number)", "\(path).\(number + 1)") }
            unsafe rename(path, "\(path).1")
        } else {
            unsafe unlink(path)
        }
        // Where it cannot be made anew (a directory that may not be written), the old one is gone on with.
        try? open()
    }
}
