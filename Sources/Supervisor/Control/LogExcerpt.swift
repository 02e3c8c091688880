import Glibc
import Linux

/// Parts of a log file, as the read and tail methods give them.
enum LogExcerpt {
    /// Nobody gets more at once; a client that wants all asks again.
    private static let most: Int64 = 16 << 20

    /// Where to read, out of what was asked: a negative offset counts from the end and goes with length 0; length 0
    /// means all that follows.
    static func range(offset: Int, length: Int, size: Int64) throws(ControlFault) -> Range<Int64> {
        let size = max(0, size)
        if offset < 0 {
            guard length == 0 else { throw .badArguments }
            let wanted = min(Int64(clamping: offset.magnitude), most)
            return max(0, size - wanted)..<size
        }
        guard length >= 0 else { throw .badArguments }
        let from = min(Int64(offset), size)
        let wanted = length == 0 ? most : min(Int64(length), most)
        return from..<min(size, from.addingReportingOverflow(wanted).overflow ? size : from + wanted)
    }

    /// The last `length` bytes, unless `offset` is at the end: what to read, the offset to ask with next, and
    /// whether something lies between `offset` and what is given.
    static func tail(offset: Int, length: Int, size: Int64) -> (range: Range<Int64>, next: Int, overflow: Bool) {
        let size = max(0, size)
        let wanted = min(max(0, Int64(length)), most)
        let (reach, isHuge) = Int64(offset).addingReportingOverflow(Int64(length))
        let overflow = !isHuge && size > reach
        let isAtEnd = !overflow && Int64(offset) > size - 1
        let range = isAtEnd ? size..<size : max(0, size - wanted)..<size
        return (range, Int(size), overflow)
    }

    private static func open(_ path: String) throws(ControlFault) -> Descriptor {
        do { return try Descriptor.open(path, flags: O_RDONLY | O_NONBLOCK | O_NOCTTY) } catch {
            throw error.code == ENOENT ? .noFile.about(path) : .failed
        }
    }

    static func read(_ path: String, _ range: (Int64) throws(ControlFault) -> Range<Int64>) throws(ControlFault) -> [UInt8] {
        let file = try open(path)
        let wanted = try range((try? file.status().size) ?? 0)
        var bytes = [UInt8](repeating: 0, count: wanted.count)
        var done = 0
        while done < bytes.count {
            let got = unsafe bytes.withUnsafeMutableBytes {
                unsafe pread(file.number, $0.baseAddress! + done, $0.count - done, off_t(wanted.lowerBound) + done)
            }
            if got < 0, errno == EINTR { continue }
            if got <= 0 { break }
            done += got
        }
        return Array(bytes[..<done])
    }
}
