import Evidence
import Glibc
import Linux

/// A local file on its way, held with flock(2) so that the disk budget keeps off: read as it is sent, and hashed in
/// the same pass.
@safe
final class FileSource {
    let name: String
    let status: FileStatus
    private let file: Descriptor
    private var digest = FileDigest()
    /// Everything before it is hashed.
    private(set) var hashed: Int64 = 0
    private var forgotten: Int64 = 0

    /// Pages that were read are given back to the kernel after so many bytes: the spool is read once.
    private static let forgetting: Int64 = 8 << 20

    /// nil where the file is gone, is none, or somebody else holds it.
    init?(_ name: String, in spool: borrowing Directory) throws(ShipFault) {
        do {
            // A FIFO of that name must not hold up everything.
            let file = try spool.open(name, flags: O_RDONLY | O_NONBLOCK)
            guard flock(file.number, LOCK_EX | LOCK_NB) == 0 else { return nil }
            let status = try file.status()
            // Between the listing and the lock the budget may have taken it.
            guard status.isRegular, let named = try spool.status(name), named.inode == status.inode else { return nil }
            self.name = name
            self.status = status
            self.file = file
        } catch {
            if error.code == ENOENT || error.code == ELOOP { return nil }
            throw .file(error)
        }
    }

    var isHashed: Bool { hashed == status.size }

    /// Reads `range` into `bytes`, which is as long, and hashes what continues what was hashed before.
    func read(_ range: Range<Int64>, into bytes: UnsafeMutableRawBufferPointer) throws(ShipFault) {
        var done = 0
        while done < bytes.count {
            let got: Int
            do {
                got = try checked("read") {
                    unsafe pread(file.number, bytes.baseAddress! + done, bytes.count - done, Int(range.lowerBound) + done)
                }
            } catch { throw ShipFault(.file, "here: \(name): \(error)") }
            if got == 0 { throw ShipFault(.file, "\(name) became shorter while it was being sent") }
            done += got
        }
        if range.lowerBound <= hashed, range.upperBound > hashed {
            unsafe digest.update(UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(bytes)[Int(hashed - range.lowerBound)...]))
            hashed = range.upperBound
        }
        if hashed - forgotten >= Self.forgetting || (isHashed && hashed > forgotten) {
            posix_fadvise(file.number, Int(forgotten), Int(hashed - forgotten), POSIX_FADV_DONTNEED)
            forgotten = hashed
        }
    }

    /// Hashes up to `offset` without sending, at most `most` bytes of it. True when it is there.
    func hash(upTo offset: Int64, most: Int) throws(ShipFault) -> Bool {
        let end = min(offset, hashed + Int64(most))
        if hashed < end {
            let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 16)
            defer { unsafe buffer.deallocate() }
            while hashed < end {
                let count = Int(min(Int64(buffer.count), end - hashed))
                unsafe try read(hashed..<(hashed + Int64(count)), into: unsafe UnsafeMutableRawBufferPointer(rebasing: buffer[..<count]))
            }
        }
        return hashed >= offset
    }

    /// SHA-256 of the whole file. Throws where it is not what it was when its delivery began.
    func finish() throws(ShipFault) -> [UInt8] {
        guard let after = try? file.status(), after.size == status.size, after.modified == status.modified else {
            throw ShipFault(.file, "\(name) changed while it was being sent; it is sent again when it rests")
        }
        return digest.finish()
    }
}
