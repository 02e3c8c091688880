import CLinux
import Evidence
import Glibc
import Linux

/// A local directory as target: a mounted disk, or one that says so by holding `.sensor-target`. Answers at once.
@safe
final class DirectoryLane: Lane {
    static let marker = ".sensor-target"
    /// Between two looks at what else has happened.
    private static let slice = 4 << 20

    let number: Int
    private let directory: Directory
    private var files: [Int: Int32] = [:]
    private var nextFile = 0
    private var answers: [LaneAnswer] = []
    private var written = 0
    private let buffer: UnsafeMutableRawBufferPointer

    init(_ path: String, number: Int) throws(ShipFault) {
        let directory = try Self.opened(path)
        guard (try? Self.isMeant(directory)) ?? false else {
            throw ShipFault(
                .operators,
                "target \(path) is neither a mount point nor holds a file \(Self.marker): is the disk mounted? (if it is right: touch \(path)/\(Self.marker), or sensor check --make-target)"
            )
        }
        self.directory = directory
        self.number = number
        unsafe self.buffer = .allocate(byteCount: 1 << 20, alignment: 4096)
    }
    deinit {
        for file in files.values { close(file) }
        unsafe buffer.deallocate()
    }

    private static func opened(_ path: String) throws(ShipFault) -> Directory {
        do { return try Directory(path) } catch {
            throw ShipFault(.operators, "target \(path) cannot be opened: \(SystemError.text(error.code))")
        }
    }
    private static func isMeant(_ directory: borrowing Directory) throws(SystemError) -> Bool {
        if try directory.status(marker) != nil { return true }
        let here = try directory.status(".")
        let above = try directory.status("..")
        return here?.device != above?.device || here?.inode == above?.inode
    }

    var isReady: Bool { true }
    var underWay: Int { answers.count }
    var appetite: Int { max(0, Self.slice - written) }
    var longestWrite: Int { unsafe buffer.count }
    var mostOpen: Int { 64 }

    func takeAnswers() -> [LaneAnswer] {
        written = 0
        defer { answers = [] }
        return answers
    }

    func ask(_ call: TargetCall, for owner: Int) {
        let answer: TargetAnswer
        do { answer = try carryOut(call) } catch { answer = .refused(Self.refusal(error)) }
        answers.append(LaneAnswer(owner: owner, call: call, answer: answer))
    }

    func write(_ handle: TargetHandle, _ range: Range<Int64>, for owner: Int, fill: (UnsafeMutableRawBufferPointer) -> Bool) -> Bool {
        let bytes = unsafe UnsafeMutableRawBufferPointer(rebasing: buffer[..<range.count])
        guard unsafe fill(bytes) else { return false }
        written += range.count
        let call = TargetCall.write(handle, offset: range.lowerBound, count: range.count)
        let answer: TargetAnswer
        do {
            let file = try descriptor(handle)
            var done = 0
            while done < bytes.count {
                done += try checked("write") {
                    unsafe pwrite(file, bytes.baseAddress! + done, bytes.count - done, Int(range.lowerBound) + done)
                }
            }
            answer = .done
        } catch { answer = .refused(Self.refusal(error)) }
        answers.append(LaneAnswer(owner: owner, call: call, answer: answer))
        return true
    }

    private func descriptor(_ handle: TargetHandle) throws(SystemError) -> Int32 {
        guard let file = files[handle.number] else { throw SystemError("write", code: EBADF) }
        return file
    }

    private static func refusal(_ error: SystemError) -> TargetAnswer.Refusal {
        switch error.code {
        case ENOENT: .missing
        case EACCES, EPERM: .denied
        case EEXIST: .exists
        case ENOSPC, EDQUOT: .full
        case EROFS: .readOnly
        case let code: .other(SystemError.text(code))
        }
    }

    private func carryOut(_ call: TargetCall) throws(SystemError) -> TargetAnswer {
        switch call {
        case .open(let name, let mode, _):
            let flags =
                switch mode {
                case .new: O_WRONLY | O_CREAT | O_EXCL
                case .any: O_WRONLY | O_CREAT
                case .existing: O_WRONLY
                case .reading: O_RDONLY
                }
            nextFile += 1
            files[nextFile] = try directory.open(name, flags: flags | O_NONBLOCK).release()
            return .opened(TargetHandle(lane: number, number: nextFile))
        case .write: return .refused(.unsupported)
        case .sync(let handle):
            if fsync(try descriptor(handle)) == 0 { return .done }
            // What cannot be synced, and a file system that has become read-only.
            return .refused(errno == EINVAL || errno == EROFS ? .unsupported : Self.refusal(SystemError("fsync", code: errno)))
        case .size(let handle):
            var there = stat()
            let file = try descriptor(handle)
            try checked("fstat") { unsafe Int(fstat(file, &there)) }
            return .status(TargetStatus(size: Int64(there.st_size), modified: Int64(there.st_mtim.tv_sec), owner: UInt64(there.st_uid)))
        case .close(let handle):
            let file = try descriptor(handle)
            files[handle.number] = nil
            try checked("close") { Int(close(file)) }
            return .done
        case .rename(let from, let to, _):
            try directory.rename(from, to: to)
            try directory.sync()
            return .done
        case .look(let name, _):
            guard let there = try directory.status(name) else { return .refused(.missing) }
            return .status(TargetStatus(size: there.size, modified: there.modified.seconds, owner: UInt64(there.owner)))
        case .read(let handle, let offset, let count):
            var bytes = [UInt8](repeating: 0, count: count)
            let file = try descriptor(handle)
            let got = try checked("read") { unsafe pread(file, &bytes, count, Int(offset)) }
            bytes.removeLast(count - got)
            return .bytes(bytes)
        case .space:
            guard let free = DiskSpace(of: directory.number)?.free else { return .refused(.unsupported) }
            return .space(free)
        case .remove(let name, _): return try directory.remove(name) ? .done : .refused(.missing)
        }
    }
}
