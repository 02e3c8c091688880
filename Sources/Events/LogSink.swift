import Glibc
public import Linux

/// Writes log lines to a descriptor that may stall or vanish, and never waits for it.
///
/// The descriptor may be shared with other processes, so it stays in blocking mode; a terminal or a pipe is opened once
/// more for the purpose. Where that may not be, what poll(2) calls writable takes at least 4,096 bytes of a pipe without
/// blocking (pipe(7), PIPE_BUF).
public struct LogSink {
    private let descriptor: Int32
    /// Where it is our own: the terminal or pipe opened once more, so that not waiting there is nobody else's affair.
    private let own: Own?
    private let limit: Int
    private var waiting: [UInt8] = []
    private var dropped = 0
    private var isGone = false
    /// When the reader last took something.
    private var progress = MonotonicTime.now()
    /// So long without progress, and the reader counts as stalled.
    private static let patience = 1.0

    private final class Own: Sendable {
        let descriptor: Descriptor
        init(_ descriptor: consuming Descriptor) { self.descriptor = descriptor }

        /// A terminal takes less than poll(2) promises, and a pipe may be filled by others in between.
        static func open(_ number: Int32) -> Own? {
            var status = stat()
            guard unsafe fstat(number, &status) == 0, [S_IFCHR, S_IFIFO].contains(status.st_mode & S_IFMT) else { return nil }
            guard let opened = try? Descriptor.open("/proc/self/fd/\(number)", flags: O_WRONLY | O_NONBLOCK | O_NOCTTY | O_APPEND)
            else { return nil }
            return Own(opened)
        }
    }

    /// What is to be watched for being writable.
    public var number: Int32 { descriptor }

    public init(descriptor shared: Int32, limit: Int = 1 << 18) {
        own = Own.open(shared)
        descriptor = own?.descriptor.number ?? shared
        self.limit = limit
    }

    /// True while lines wait for the reader; then `flush` wants to be called when it is writable.
    public var isWaiting: Bool { !waiting.isEmpty && !isGone }

    /// More would soon be dropped: who can wait, should, as long as the reader is not stalled.
    public var isPressed: Bool { isWaiting && waiting.count > limit / 2 }
    /// From then on nobody should wait for the reader.
    public var stalledFrom: MonotonicTime { progress + Self.patience }

    public mutating func write(_ line: String) { write(Array(line.utf8)[...]) }

    public mutating func write(_ line: ArraySlice<UInt8>) {
        if isGone { return }
        if waiting.count + line.count > limit {
            dropped += line.count { $0 == 10 }
            flush()
            return
        }
        if dropped > 0, waiting.isEmpty {
            waiting += Array("[log] \(dropped) lines dropped: the reader of the log had stalled\n".utf8)
            dropped = 0
        }
        if waiting.isEmpty { progress = .now() }
        waiting += line
        flush()
    }

    /// As much as goes at once, up to the end of a line: what never gets further must not end within one.
    private static func piece(_ waiting: ArraySlice<UInt8>) -> Int {
        if waiting.count <= 4096 { return waiting.count }
        let first = waiting.prefix(4096)
        return first.lastIndex(of: 10).map { $0 - first.startIndex + 1 } ?? 4096
    }

    /// At the end: gives a reader that still reads so many seconds.
    public mutating func drain(_ seconds: Double) {
        let end = MonotonicTime.now() + seconds
        flush()
        while isWaiting, MonotonicTime.now() < end, MonotonicTime.now() < stalledFrom {
            var entry = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
            unsafe poll(&entry, 1, 20)
            flush()
        }
    }

    public mutating func flush() {
        var done = 0
        while done < waiting.count {
            var entry = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
            guard unsafe poll(&entry, 1, 0) > 0 else { break }
            let count = Self.piece(waiting[done...])
            let wrote = unsafe waiting.withUnsafeBytes { unsafe Glibc.write(descriptor, $0.baseAddress! + done, count) }
            if wrote < 0 {
                if errno == EINTR { continue }
                if errno == EAGAIN || errno == ENOSPC { break }
                isGone = true  // EPIPE, EIO: nobody will ever read this again
                break
            }
            done += wrote
            progress = .now()
        }
        waiting.removeFirst(done)
    }
}
