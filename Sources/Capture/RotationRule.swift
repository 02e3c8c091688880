/// When a packet opens the next file. Windows are multiples of `seconds` on the epoch, and a packet belongs by
/// its own stamp. A stamp slightly older than the window (packets may leave the ring a little out of order)
/// stays in the file; a big step back is a clock that was set, and the file ends, so that rotation never
/// stops for as long as the step was.
public struct RotationRule: Sendable {
    public let seconds: Int64
    public let bytes: Int64
    private static let tolerance: Int64 = 2

    public init(seconds: Int64, bytes: Int64) {
        self.seconds = seconds
        self.bytes = bytes
    }

    /// The first second after the window that holds `second`.
    public func end(of second: Int64) -> Int64 { (second - remainder(second)) + seconds }
    private func remainder(_ second: Int64) -> Int64 {
        let r = second % seconds
        return r < 0 ? r + seconds : r
    }

    /// Stamps of packets that stay in a file whose window ends at `end`.
    public func stamps(until end: Int64) -> (first: Int64, count: UInt64) {
        (end - seconds - Self.tolerance, UInt64(seconds + Self.tolerance))
    }

    /// Whether a packet of `size` bytes stamped `second` ends a file of `fileBytes` whose window ends at `end`.
    @inline(__always)
    public func endsFile(second: Int64, size: Int, end: Int64, fileBytes: Int64) -> Bool {
        second >= end || second < end - seconds - Self.tolerance || fileBytes + Int64(size) > bytes
    }
}

/// 64-bit totals over libpcap's 32-bit counters, which wrap.
public struct WrappingCounter: Sendable {
    public private(set) var total: UInt64 = 0
    private var last: UInt32 = 0
    public init() {}
    public mutating func update(_ raw: UInt32) {
        total += UInt64(raw &- last)
        last = raw
    }
}
