import Glibc
import Synchronization

/// The standard descriptors of a command that a person or a script runs: nothing is buffered, nobody is told of failures.
public enum Console {
    /// Descriptors whose reader has been given up.
    private static let stalled = Mutex<Set<Int32>>([])
    /// A pipe that says it takes something takes so much without waiting (PIPE_BUF, pipe(7)).
    private static let portion = 4096

    /// `patience`: seconds after which a reader that takes nothing is given up, for this text and what follows; nil: it is waited for
    /// as long as it takes.
    public static func write(_ bytes: [UInt8], to descriptor: Int32, patience: Double? = nil) {
        var done = 0
        while done < bytes.count {
            if let patience, !takes(descriptor, within: patience) { return }
            let size = patience == nil ? bytes.count - done : min(bytes.count - done, portion)
            let wrote = unsafe bytes.withUnsafeBytes { unsafe Glibc.write(descriptor, $0.baseAddress! + done, size) }
            if wrote < 0, errno == EINTR { continue }
            if wrote <= 0 { return }
            done += wrote
        }
    }
    public static func write(_ text: String, to descriptor: Int32, patience: Double? = nil) {
        write(Array(text.utf8), to: descriptor, patience: patience)
    }

    private static func takes(_ descriptor: Int32, within seconds: Double) -> Bool {
        let end = MonotonicTime.now() + (stalled.withLock { $0.contains(descriptor) } ? 0 : seconds)
        while true {
            var entry = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
            if unsafe poll(&entry, 1, Int32(max(0, (end - .now()) * 1000).rounded(.up))) > 0 { return true }
            if MonotonicTime.now() >= end {
                stalled.withLock { _ = $0.insert(descriptor) }
                return false
            }
        }
    }

    /// A line of standard input without its LF; nil at the end. Not a byte more is taken than it has.
    public static func line() -> String? {
        var line: [UInt8] = []
        var byte: UInt8 = 0
        while true {
            let got = unsafe read(0, &byte, 1)
            if got < 0, errno == EINTR { continue }
            if got <= 0 { return line.isEmpty ? nil : String(decoding: line, as: UTF8.self) }
            if byte == 10 { return String(decoding: line, as: UTF8.self) }
            line.append(byte)
        }
    }
}
