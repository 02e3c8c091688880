import Evidence
import Glibc
import Linux

/// A local file on its way: read once, hashed as it is read, held until the target has acknowledged it.
@safe
struct UploadSource: ~Copyable {
    /// What is offered at once, at most: OpenSSH's window of a channel (SHIPPING figures: a smaller one costs
    /// speed on long links, a larger one processor time).
    static let window = 2 << 20
    private static let capacity = 2 * window

    private let file: Int32
    private let buffer: UnsafeMutableRawPointer
    private var start = 0
    private var end = 0
    private(set) var digest = FileDigest()
    let size: Int64
    /// Everything before it is at the target.
    private(set) var acknowledged: Int64 = 0
    private var readTo: Int64 = 0

    /// Borrows the descriptor.
    init(_ file: Int32, size: Int64) {
        self.file = file
        self.size = size
        unsafe self.buffer = UnsafeMutableRawPointer.allocate(byteCount: Self.capacity, alignment: 4096)
    }
    deinit { unsafe buffer.deallocate() }

    /// Bytes in hand that are not acknowledged.
    var available: Int { end - start }
    var bytes: UnsafeRawBufferPointer { unsafe UnsafeRawBufferPointer(start: buffer + start, count: end - start) }

    /// Reads and hashes what the target already has.
    mutating func skip(to offset: Int64) throws(ShipFault) {
        while readTo < offset {
            let got = try read(into: 0, count: Int(min(Int64(Self.capacity), offset - readTo)))
            acknowledged += Int64(got)
        }
    }

    /// Reads ahead until a window is in hand or the file ends.
    mutating func fill() throws(ShipFault) {
        if available >= Self.window || readTo >= size { return }
        if start > 0 {
            unsafe memmove(buffer, buffer + start, end - start)
            end -= start
            start = 0
        }
        while end < Self.capacity, readTo < size {
            end += try read(into: end, count: Int(min(Int64(Self.capacity - end), size - readTo)))
        }
    }

    private mutating func read(into at: Int, count: Int) throws(ShipFault) -> Int {
        let got: Int
        do { got = try checked("read") { unsafe pread(file, buffer + at, count, Int(readTo)) } } catch { throw .local(error) }
        if got == 0 { throw ShipFault(.file, "became shorter while it was being sent") }
        unsafe digest.update(UnsafeRawBufferPointer(start: buffer + at, count: got))
        readTo += Int64(got)
        return got
    }

    mutating func advance(_ count: Int) {
        start += count
        acknowledged += Int64(count)
        if start == end { (start, end) = (0, 0) }
    }
}
