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
    private var saidAt = MonotonicTime.now()
    /// The rest of a line whose beginning could not be written goes too.
    private var skipsLine = false
    private var saidUnrotatable = false
    /// No further attempt to rotate before this size: one that fails must not be made for each line.
    private var rotatesFrom: Int64 = 0
    /// Seconds between two reports of a fault that comes and goes.
    private static let quiet = 5.0

    /// What has to be said, if anything: a fault when it begins, its cost when it has passed.
    enum Trouble: Equatable {
        case began(String)
        case unrotatable(String)
        case passed(dropped: Int64)
    }

    /// Opens it for appending. Throws what open(2) says.
    init(_ path: String, maxbytes: Int64 = 0, backups: Int = 0) throws(SystemError) {
        self.path = path
        self.maxbytes = maxbytes
        self.backups = backups
        try open()
    }

    /// Makes it: a new name in a directory where others may write too, for nobody else to read.
    init(new path: String, maxbytes: Int64, backups: Int) throws(SystemError) {
        self.path = path
        self.maxbytes = maxbytes
        self.backups = backups
        file = try Descriptor.open(path, flags: O_WRONLY | O_APPEND | O_CREAT | O_EXCL | O_NOFOLLOW, mode: 0o600)
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
        // A device is nobody's to remove.
        guard isRegular else { return nil }
        do { try file?.truncate(to: 0) } catch { return failed(error.code, bytes: 0) }
        size = 0
        return nil
    }

    func write(_ bytes: ArraySlice<UInt8>) -> Trouble? {
        if bytes.isEmpty { return nil }
        if isGone { if let trouble = reopen() { return trouble } }
        guard maxbytes > 0, isRegular else { return put(bytes) }
        var rest = bytes
        var told: Trouble?
        while !rest.isEmpty {
            let room = max(0, max(maxbytes, rotatesFrom) - size)
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
            if let why = rotate() {
                rotatesFrom = size + maxbytes
                if !saidUnrotatable {
                    saidUnrotatable = true
                    told = .unrotatable(why)
                }
            } else {
                saidUnrotatable = false
                rotatesFrom = 0
            }
        }
        return told
    }

    private var isGone: Bool {
        guard let status = try? file?.status() else { return true }
        return status.links == 0
    }

    private func put(_ all: ArraySlice<UInt8>) -> Trouble? {
        var bytes = all
        if skipsLine {
            guard let end = bytes.firstIndex(of: 10) else {
                dropped += Int64(bytes.count)
                return nil
            }
            dropped += Int64(end + 1 - bytes.startIndex)
            bytes = bytes[(end + 1)...]
            skipsLine = false
            if bytes.isEmpty { return nil }
        }
        var done = 0
        while done < bytes.count {
            let number = file?.number ?? -1
            let wrote = unsafe bytes.withUnsafeBytes { unsafe Glibc.write(number, $0.baseAddress! + done, $0.count - done) }
            if wrote < 0 {
                let code = errno
                if code == EINTR { continue }
                // What is lost is lost by lines: of one that was begun there is no end.
                if done > 0, bytes[bytes.startIndex + done - 1] != 10 {
                    unsafe _ = Glibc.write(number, "\n", 1)
                }
                skipsLine = bytes.last != 10
                return failed(code, bytes: bytes.count - done)
            }
            done += wrote
            size += Int64(wrote)
        }
        endsInLine = bytes.last == 10
        guard saidFault != 0, MonotonicTime.now() - saidAt > Self.quiet else { return nil }
        saidFault = 0
        defer { dropped = 0 }
        return .passed(dropped: dropped)
    }

    private func failed(_ code: Int32, bytes: Int) -> Trouble? {
        dropped += Int64(bytes)
        if saidFault == code { return nil }
        saidFault = code
        saidAt = .now()
        return .began(SystemError.text(code))
    }

    /// nil when it is done, else why not: then nothing has changed.
    private func rotate() -> String? {
        let fresh = "\(path).new"
        do throws(SystemError) {
            // First what may fail: with the old one moved and no new one made, each further attempt would push out a backup.
            unsafe unlink(fresh)
            let opened = try Descriptor.open(fresh, flags: O_WRONLY | O_APPEND | O_CREAT | O_EXCL | O_NOFOLLOW, mode: 0o644)
            if backups > 0 {
                var last = 0
                while last < backups - 1, unsafe access("\(path).\(last + 1)", F_OK) == 0 { last += 1 }
                for number in stride(from: last, to: 0, by: -1) { unsafe rename("\(path).\(number)", "\(path).\(number + 1)") }
                try checked("rename \(path)") { unsafe Int(rename(path, "\(path).1")) }
            }
            if let mode = try? file?.status().mode { fchmod(opened.number, mode & 0o7777) }
            try checked("rename \(fresh)") { unsafe Int(rename(fresh, path)) }
            file = consume opened
            size = 0
            endsInLine = true
            return nil
        } catch {
            unsafe unlink(fresh)
            return error.description
        }
    }
}
