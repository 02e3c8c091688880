import CLinux
public import Glibc

/// Owns one file descriptor and closes it when it goes out of scope.
@safe
public struct Descriptor: ~Copyable, Sendable {
    public let number: Int32

    public init(owning number: Int32) { self.number = number }
    deinit { Glibc.close(number) }

    /// Gives the number away without closing it.
    public consuming func release() -> Int32 {
        let number = number
        discard self
        return number
    }

    /// Opens `path` relative to `directory` (or AT_FDCWD), close-on-exec always.
    public static func open(
        _ path: String, in directory: Int32 = AT_FDCWD, flags: Int32, mode: UInt32 = 0
    ) throws(SystemError) -> Descriptor {
        Descriptor(
            owning: Int32(
                try checked("open \(path)") { unsafe Int(openat(directory, path, flags | O_CLOEXEC, mode)) }))
    }

    /// A socket of the file system's family (unix(7)); close-on-exec always.
    public static func unixSocket(_ type: __socket_type, isBlocking: Bool = true) throws(SystemError) -> Descriptor {
        let kind = Int32(type.rawValue) | Int32(SOCK_CLOEXEC.rawValue) | (isBlocking ? 0 : Int32(SOCK_NONBLOCK.rawValue))
        return Descriptor(owning: Int32(try checked("socket") { Int(socket(AF_UNIX, kind, 0)) }))
    }

    /// Writes all bytes, over partial writes and signals.
    public func writeAll(_ bytes: [UInt8]) throws(SystemError) {
        var done = 0
        while done < bytes.count {
            done += try checked("write") {
                unsafe bytes.withUnsafeBytes { unsafe Glibc.write(number, $0.baseAddress! + done, $0.count - done) }
            }
        }
    }

    /// At most `count` bytes; empty at the end of the file.
    public func read(_ count: Int) throws(SystemError) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        let got = try checked("read") { unsafe Glibc.read(number, &bytes, count) }
        bytes.removeLast(count - got)
        return bytes
    }

    public func sync() throws(SystemError) { try checked("fsync") { Int(fsync(number)) } }
    public func status() throws(SystemError) -> FileStatus {
        var s = stat()
        try checked("fstat") { unsafe Int(fstat(number, &s)) }
        return FileStatus(s)
    }
    public func truncate(to size: Int64) throws(SystemError) {
        try checked("ftruncate") { Int(ftruncate(number, Int(size))) }
    }
}

/// Both ends of a pipe, close-on-exec.
public struct Pipe: ~Copyable, Sendable {
    public let read: Descriptor
    public let write: Descriptor

    public static func make() throws(SystemError) -> Pipe {
        var ends: [Int32] = [-1, -1]
        try checked("pipe") { unsafe Int(sensor_pipe(&ends)) }
        return Pipe(read: Descriptor(owning: ends[0]), write: Descriptor(owning: ends[1]))
    }
    private init(read: consuming Descriptor, write: consuming Descriptor) {
        self.read = read
        self.write = write
    }
    public consuming func keepBoth() -> (read: Int32, write: Int32) { (read.release(), write.release()) }
    /// Closes the reading end and gives the other away.
    public consuming func keepWrite() -> Descriptor { write }
    /// Closes the writing end and gives the other away.
    public consuming func keepRead() -> Descriptor { read }
}

/// The parts of stat(2) that are used here.
public struct FileStatus: Sendable, Equatable {
    public let device: UInt64, inode: UInt64
    public let mode: UInt32, owner: UInt32, group: UInt32
    public let size: Int64
    public let links: UInt64
    public let modified: WallTime
    /// Of the content or the inode: nobody can set it back.
    public let changed: WallTime
    init(_ s: stat) {
        device = UInt64(s.st_dev)
        inode = UInt64(s.st_ino)
        mode = s.st_mode
        owner = s.st_uid
        group = s.st_gid
        size = Int64(s.st_size)
        links = UInt64(s.st_nlink)
        modified = Self.time(s.st_mtim)
        changed = Self.time(s.st_ctim)
    }
    /// Some file systems keep any 64 bits: what no calendar has becomes a time that can still be counted with.
    private static func time(_ time: timespec) -> WallTime {
        let most: Int64 = 1 << 41
        return WallTime(microseconds: min(max(Int64(time.tv_sec), -most), most) * 1_000_000 + Int64(time.tv_nsec) / 1000)
    }
    public var isRegular: Bool { mode & S_IFMT == S_IFREG }
    public var isDirectory: Bool { mode & S_IFMT == S_IFDIR }
}

/// An open directory: every name below is one path component, so no link on the way can be swapped in.
public struct Directory: ~Copyable, Sendable {
    public let path: String
    private let descriptor: Descriptor
    public var number: Int32 { descriptor.number }

    /// Opens the directory, making it and its parents (0750) when asked.
    public init(_ path: String, create: Bool = false) throws(SystemError) {
        if create { try Self.make(path) }
        self.descriptor = try Descriptor.open(path, flags: O_RDONLY | O_DIRECTORY)
        self.path = path
    }

    private static func make(_ path: String) throws(SystemError) {
        if unsafe mkdir(path, 0o750) == 0 { return }
        switch errno {
        case EEXIST: return
        case ENOENT:
            guard let slash = path.lastIndex(of: "/"), slash != path.startIndex else {
                throw SystemError("mkdir \(path)", code: ENOENT)
            }
            try make(String(path[..<slash]))
            // There already when the path ends in a slash, or another process makes it too.
            if unsafe mkdir(path, 0o750) < 0, errno != EEXIST { throw SystemError("mkdir \(path)", code: errno) }
        case let code: throw SystemError("mkdir \(path)", code: code)
        }
    }

    public func open(_ name: String, flags: Int32, mode: UInt32 = 0o640) throws(SystemError) -> Descriptor {
        try Descriptor.open(name, in: number, flags: flags | O_NOFOLLOW, mode: mode)
    }
    /// nil where there is no such name.
    public func status(_ name: String) throws(SystemError) -> FileStatus? {
        var s = stat()
        if unsafe fstatat(number, name, &s, AT_SYMLINK_NOFOLLOW) == 0 { return FileStatus(s) }
        if errno == ENOENT { return nil }
        throw SystemError("stat \(path)/\(name)", code: errno)
    }
    /// Fails with EEXIST rather than replace.
    public func rename(_ from: String, to: String) throws(SystemError) {
        try checked("rename \(path)/\(from) to \(to)") { unsafe Int(sensor_rename_noreplace(number, from, number, to)) }
    }
    /// Returns false where there was nothing to remove.
    @discardableResult
    public func remove(_ name: String) throws(SystemError) -> Bool {
        if unsafe unlinkat(number, name, 0) == 0 { return true }
        if errno == ENOENT { return false }
        throw SystemError("unlink \(path)/\(name)", code: errno)
    }
    public func sync() throws(SystemError) { try descriptor.sync() }

    /// A disk, or a directory bound here, is mounted on it.
    public var isMountRoot: Bool { sensor_is_mount_root(number) != 0 }

    /// Whether this is `other`, or lies below it, by whatever names and mounts.
    public func isWithin(_ other: borrowing Directory) throws(SystemError) -> Bool {
        let wanted = try other.status(".")
        var here = try Descriptor.open(path, flags: O_RDONLY | O_DIRECTORY)
        while true {
            let status = try here.status()
            if status.device == wanted?.device, status.inode == wanted?.inode { return true }
            let above = try Descriptor.open("..", in: here.number, flags: O_RDONLY | O_DIRECTORY)
            let next = try above.status()
            if next.device == status.device, next.inode == status.inode { return false }
            here = above
        }
    }

    /// All names but `.` and `..` that end in `ending`, in no order.
    public func names(endingIn ending: StaticString = "") throws(SystemError) -> [String] {
        var names: [String] = []
        unsafe try visit(endingIn: ending) { unsafe names.append(String(decoding: $0, as: UTF8.self)) }
        return names
    }

    /// The bytes of the same names, one after the other: what is not wanted never becomes a string.
    public func visit(endingIn ending: StaticString, _ body: (UnsafeBufferPointer<UInt8>) -> Void) throws(SystemError) {
        // A descriptor of its own: fdopendir takes it over, and its position is not shared with ours.
        let copy = try Descriptor.open(path, flags: O_RDONLY | O_DIRECTORY).release()
        guard let stream = unsafe fdopendir(copy) else { throw SystemError("opendir \(path)", code: errno) }
        defer { unsafe closedir(stream) }
        let size = ending.utf8CodeUnitCount
        while let entry = unsafe readdir(stream) {
            unsafe withUnsafePointer(to: &entry.pointee.d_name) {
                unsafe $0.withMemoryRebound(to: UInt8.self, capacity: 256) { bytes in
                    let length = unsafe strnlen(UnsafeRawPointer(bytes).assumingMemoryBound(to: CChar.self), 256)
                    let name = unsafe UnsafeBufferPointer(start: bytes, count: length)
                    guard length >= size, unsafe memcmp(bytes + length - size, ending.utf8Start, size) == 0 else { return }
                    if unsafe name.elementsEqual(".".utf8) || name.elementsEqual("..".utf8) { return }
                    unsafe body(name)
                }
            }
        }
    }

    /// Bytes of the regular files whose names end so and do not begin with a dot, and their number.
    public func sizes(endingIn ending: StaticString) throws(SystemError) -> (files: Int, bytes: Int64) {
        var (files, bytes) = (0, Int64(0))
        unsafe try visit(endingIn: ending) { name in
            var s = stat()
            // The name lies in a dirent, which ends it with a NUL.
            guard unsafe name.first != UInt8(ascii: "."),
                unsafe fstatat(
                    number, UnsafeRawPointer(name.baseAddress!).assumingMemoryBound(to: CChar.self), &s, AT_SYMLINK_NOFOLLOW) == 0,
                s.st_mode & S_IFMT == S_IFREG
            else { return }
            files += 1
            bytes = bytes.addingSaturated(Int64(s.st_size))
        }
        return (files, bytes)
    }

    /// The whole content, up to `limit` bytes; nil where there is no such file.
    public func read(_ name: String, limit: Int = 1 << 20) throws(SystemError) -> [UInt8]? {
        do {
            // A FIFO of that name must not hold up everything.
            let file = try open(name, flags: O_RDONLY | O_NONBLOCK)
            var all: [UInt8] = []
            while all.count < limit {
                let part = try file.read(min(65_536, limit - all.count))
                if part.isEmpty { break }
                all += part
            }
            return all
        } catch { if error.code == ENOENT { return nil } else { throw error } }
    }

    /// Replaces `name` by `bytes` so that after any crash it holds the old or the new content, never a part. Whoever reads it
    /// meanwhile gets one of them; `isDurable: false`, for what only they want, costs the disk nothing and may be lost in a crash.
    public func replace(_ name: String, with bytes: [UInt8], mode: UInt32 = 0o640, isDurable: Bool = true) throws(SystemError) {
        // Always the same: what a crash leaves is taken away by the next attempt. One writer for each name.
        let temporary = ".\(name).new"
        try remove(temporary)
        do {
            let file = try open(temporary, flags: O_WRONLY | O_CREAT | O_EXCL, mode: mode)
            try file.writeAll(bytes)
            if isDurable { try file.sync() }
            try checked("rename \(path)/\(temporary)") { unsafe Int(renameat(number, temporary, number, name)) }
        } catch {
            unsafe unlinkat(number, temporary, 0)
            throw error
        }
        if isDurable { try sync() }
    }
}

extension Int64 {
    /// For sums of file sizes, of which neither is negative: sparse files can be of any size. At most `Int64.max`.
    public func addingSaturated(_ other: Int64) -> Int64 {
        let sum = addingReportingOverflow(other)
        return sum.overflow ? .max : sum.partialValue
    }
}
