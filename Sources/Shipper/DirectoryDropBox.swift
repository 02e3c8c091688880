import Evidence
import Glibc
import Linux

/// A local directory as target: a mounted disk, or one that says so by holding `.sensor-target`.
struct DirectoryDropBox: TrialDropBox, ~Copyable {
    static let marker = ".sensor-target"

    private let directory: Directory
    private var file: Int32 = -1
    private let stop: StopWatch

    init(_ path: String, stop: StopWatch) throws(ShipFault) {
        let directory = try Self.opened(path)
        let isMeant = (try? Self.isMeant(directory)) ?? false
        guard isMeant else {
            throw ShipFault(
                .operators,
                "target \(path) is neither a mount point nor holds a file \(Self.marker): is the disk mounted? (if it is right: touch \(path)/\(Self.marker), or sensor check --make-target)"
            )
        }
        self.directory = directory
        self.stop = stop
    }
    deinit { if file >= 0 { Glibc.close(file) } }

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

    mutating func status(of name: String) throws(ShipFault) -> TargetStatus? {
        do {
            return try directory.status(name).map { TargetStatus(size: $0.size, modified: $0.modified.seconds, owner: UInt64($0.owner)) }
        } catch { throw fault("look at \(name)", error) }
    }

    private func fault(_ what: String, _ error: SystemError) -> ShipFault {
        error.code == ENOSPC || error.code == EDQUOT
            ? ShipFault(.operators, "disk of \(directory.path) is full")
            : ShipFault(.operators, "target \(directory.path) cannot \(what): \(SystemError.text(error.code))")
    }

    private mutating func close() {
        if file >= 0 { Glibc.close(file) }
        file = -1
    }

    mutating func openTemporary(_ name: String, at offset: Int64) throws(ShipFault) -> Int64 {
        close()
        do {
            let open = try directory.open(name, flags: O_WRONLY | O_CREAT)
            let size = try open.status().size
            let start = size >= offset ? offset : 0
            try open.truncate(to: start)
            lseek(open.number, Int(start), SEEK_SET)
            file = open.release()
            return start
        } catch {
            if (try? directory.status(name)) ?? nil != nil { throw .temporaryGone }
            throw fault("make a file", error)
        }
    }

    mutating func write(_ source: borrowing UploadSource, count: Int) throws(ShipFault) -> Int {
        if stop.isOver { throw .stopped }
        let bytes = unsafe UnsafeRawBufferPointer(rebasing: source.bytes[..<count])
        do { return try checked("write") { unsafe Glibc.write(file, bytes.baseAddress!, bytes.count) } } catch {
            throw fault("write", error)
        }
    }

    mutating func sync() throws(ShipFault) -> Bool {
        do { try checked("fsync") { Int(fsync(file)) } } catch {
            if error.code == EINVAL || error.code == EROFS { return false }
            throw fault("fsync", error)
        }
        return true
    }

    mutating func closeTemporary(size: Int64) throws(ShipFault) {
        var there = stat()
        unsafe fstat(file, &there)
        close()
        if Int64(there.st_size) != size {
            throw ShipFault(.passing, "\(directory.path) holds \(there.st_size) bytes of \(size) after writing: sent again")
        }
    }

    mutating func rename(_ from: String, to: String) throws(ShipFault) -> Bool {
        do {
            try directory.rename(from, to: to)
            try directory.sync()
            return true
        } catch { return false }
    }

    mutating func touch(_ name: String) throws(ShipFault) {
        _ = try? directory.open(name, flags: O_WRONLY)
    }

    mutating func digest(of name: String) throws(ShipFault) -> [UInt8]? {
        do {
            let open = try directory.open(name, flags: O_RDONLY)
            var digest = FileDigest()
            while true {
                let bytes = try open.read(1 << 18)
                if bytes.isEmpty { return digest.finish() }
                digest.update(bytes[...])
            }
        } catch { return nil }
    }

    mutating func freeSpace() throws(ShipFault) -> Int64? { DiskSpace(of: directory.number)?.free }

    mutating func remove(_ name: String) throws(ShipFault) -> Bool { (try? directory.remove(name)) != nil }
}
