import CLinux
import Glibc
import Linux
import Spool

/// Room on the disk that the open file holds beyond its end: a full disk is known before packets depend on it, and
/// since the file's size stays what was written, a crash leaves no record that nobody wrote.
enum SpaceAhead {
    static let step: Int64 = 16 << 20
    /// Space that packets never take: facts, manifests and the shipper's journal need some, or a full spool could never
    /// be emptied again.
    static let reserve: Int64 = 1 << 20

    /// Bytes to take now for a file that needs `need` of them at once and may grow by `most`, on a disk with `free` bytes;
    /// nil where there is no room. On a small disk less is taken, so that others find some too.
    static func bytes(need: Int64, most: Int64, free: Int64) -> Int64? {
        free - reserve < need ? nil : max(need, min(step, most, free / 8))
    }
}

/// The file being written. Whole blocks go past the page cache (O_DIRECT, open(2)) where the file system takes that:
/// a tenth of the cost, and the host's cache stays what it was. What is less than a block goes the plain way.
struct OutputFile: ~Copyable {
    static let block = 4096

    private let descriptor: Descriptor
    /// Whole blocks that are down for good, in bytes.
    private(set) var offset: Int64 = 0
    /// Bytes of the file: the blocks, and a tail that the next write repeats.
    private(set) var size: Int64 = 0
    private(set) var isDirect: Bool
    private var taken: Int64 = 0
    private var takesSpace = true
    /// What the file may become.
    private let most: Int64

    /// Makes `part`, which must not be there. `direct`: tries to go past the page cache.
    init(_ part: String, in spool: borrowing Directory, most: Int64, direct: Bool) throws(SystemError) {
        let file = try spool.open(part, flags: O_WRONLY | O_CREAT | O_EXCL)
        let isDirect = direct && sensor_set_direct(file.number, 1) == 0
        self.descriptor = file
        self.isDirect = isDirect
        self.most = most
    }

    /// Writes the first `count` bytes of memory that begins on a block's boundary: the whole blocks among them, and the rest
    /// too where `tail` says so. Returns how many bytes are down for good (whole blocks) and need not be handed over again.
    mutating func write(_ memory: UnsafeRawPointer, count: Int, tail: Bool) -> (done: Int, refusal: SystemError?) {
        let blocks = count & ~(Self.block - 1)
        let wanted = tail ? count : blocks
        if wanted == 0 { return (0, nil) }
        if let refusal = takeSpace(Int64(wanted)) { return (0, refusal) }
        var done = 0
        if blocks > 0 {
            let (wrote, error) = unsafe put(memory, blocks)
            done = wrote & ~(Self.block - 1)
            offset += Int64(done)
            size = max(size, offset)
            if let error { return (done, error) }
        }
        if tail, count > blocks {
            let wasDirect = isDirect
            if wasDirect { sensor_set_direct(descriptor.number, 0) }
            defer { if wasDirect { sensor_set_direct(descriptor.number, 1) } }
            let (wrote, error) = unsafe put(memory + blocks, count - blocks)
            size = max(size, offset + Int64(wrote))
            if let error { return (done, error) }
        }
        return (done, nil)
    }

    private mutating func put(_ memory: UnsafeRawPointer, _ count: Int) -> (wrote: Int, error: SystemError?) {
        var wrote = 0
        while wrote < count {
            let result = unsafe pwrite(descriptor.number, memory + wrote, count - wrote, off_t(offset) + wrote)
            if result > 0 {
                wrote += result
                continue
            }
            let code = result < 0 ? errno : ENOSPC
            if code == EINTR { continue }
            // Some file systems say only now that they take no such write, or none of this alignment.
            if code == EINVAL, isDirect {
                isDirect = false
                sensor_set_direct(descriptor.number, 0)
                continue
            }
            return (wrote, SystemError("write", code: code))
        }
        return (wrote, nil)
    }

    private mutating func takeSpace(_ need: Int64) -> SystemError? {
        if offset + need <= taken { return nil }
        guard let disk = DiskSpace(of: descriptor.number) else { return nil }
        // What was taken and is not written yet is no longer counted as free.
        let missing = offset + need - max(taken, size)
        guard let more = SpaceAhead.bytes(need: missing, most: most - offset, free: disk.free) else {
            return SystemError("write", code: ENOSPC)
        }
        guard takesSpace else { return nil }
        let from = max(taken, size)
        if sensor_take_space(descriptor.number, from, more) == 0 {
            taken = from + more
        } else if errno == EOPNOTSUPP || errno == ENOSYS || errno == EINVAL {
            takesSpace = false
        } else if errno == ENOSPC || errno == EDQUOT {
            return SystemError("fallocate", code: errno)
        }
        return nil
    }

    /// Gives the descriptor away: the file is to be cut to `size`, which gives back the room beyond, synced, and named.
    consuming func release() -> Int32 { descriptor.release() }
}
