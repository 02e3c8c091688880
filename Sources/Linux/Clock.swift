import Glibc

/// CLOCK_MONOTONIC in nanoseconds: what every interval here is measured with, because wall clocks jump.
public struct MonotonicTime: Comparable, Hashable, Sendable {
    public var nanoseconds: Int64
    public init(nanoseconds: Int64) { self.nanoseconds = nanoseconds }
    public static func now() -> MonotonicTime { MonotonicTime(nanoseconds: read(CLOCK_MONOTONIC)) }
    public static func < (a: Self, b: Self) -> Bool { a.nanoseconds < b.nanoseconds }
    public static func + (a: Self, seconds: Double) -> Self { Self(nanoseconds: a.nanoseconds + Int64(seconds * 1e9)) }
    public static func - (a: Self, b: Self) -> Double { Double(a.nanoseconds - b.nanoseconds) / 1e9 }
}

/// CLOCK_REALTIME in microseconds since the epoch: for stamps, never for intervals.
public struct WallTime: Comparable, Hashable, Sendable {
    public var microseconds: Int64
    public init(microseconds: Int64) { self.microseconds = microseconds }
    public static func now() -> WallTime { WallTime(microseconds: read(CLOCK_REALTIME) / 1000) }
    public static func < (a: Self, b: Self) -> Bool { a.microseconds < b.microseconds }
    public var seconds: Int64 { microseconds.quotientFlooring(1_000_000) }

    /// `yyyymmddTHHMMSSZ`, UTC.
    public var stamp: String {
        let t = fields(utc: true)
        return "\(pad(t.year, 4))\(pad(t.month, 2))\(pad(t.day, 2))T\(pad(t.hour, 2))\(pad(t.minute, 2))\(pad(t.second, 2))Z"
    }
    /// RFC 3339, UTC, microseconds: `2026-11-25T05:11:47.000123Z`.
    public var iso: String {
        let t = fields(utc: true)
        let micro = microseconds - seconds * 1_000_000
        return
            "\(pad(t.year, 4))-\(pad(t.month, 2))-\(pad(t.day, 2))T\(pad(t.hour, 2)):\(pad(t.minute, 2)):\(pad(t.second, 2)).\(pad(Int(micro), 6))Z"
    }
    /// supervisord's stamp: local time, milliseconds truncated.
    public var local: String {
        let t = fields(utc: false)
        let milli = (microseconds - seconds * 1_000_000) / 1000
        return
            "\(pad(t.year, 4))-\(pad(t.month, 2))-\(pad(t.day, 2)) \(pad(t.hour, 2)):\(pad(t.minute, 2)):\(pad(t.second, 2)),\(pad(Int(milli), 3))"
    }
    /// What the clock on the wall shows (TZ): minutes since midnight, and the second.
    public var localTimeOfDay: (minute: Int, second: Int) {
        let t = fields(utc: false)
        return (t.hour * 60 + t.minute, t.second)
    }
    /// What `iso` writes; nil for anything else.
    public init?(iso text: String) {
        let bytes = Array(text.utf8)
        guard bytes.count == 27 else { return nil }
        func number(_ from: Int, _ count: Int) -> Int? {
            bytes[from..<from + count].reduce(Int?.some(0)) { sum, byte in
                (0x30...0x39).contains(byte) ? sum.map { $0 * 10 + Int(byte) - 0x30 } : nil
            }
        }
        guard let year = number(0, 4), let month = number(5, 2), let day = number(8, 2), let hour = number(11, 2),
            let minute = number(14, 2),
            let second = number(17, 2), let micro = number(20, 6), (1...12).contains(month), (1...31).contains(day)
        else { return nil }
        var parts = unsafe tm()
        unsafe (parts.tm_year, parts.tm_mon, parts.tm_mday) = (Int32(year - 1900), Int32(month - 1), Int32(day))
        unsafe (parts.tm_hour, parts.tm_min, parts.tm_sec) = (Int32(hour), Int32(minute), Int32(second))
        self.microseconds = Int64(unsafe timegm(&parts)) * 1_000_000 + Int64(micro)
        if iso != text { return nil }
    }
    private func fields(utc: Bool) -> (year: Int, month: Int, day: Int, hour: Int, minute: Int, second: Int) {
        var seconds = time_t(self.seconds)
        var parts = unsafe tm()
        if utc { unsafe gmtime_r(&seconds, &parts) } else { unsafe localtime_r(&seconds, &parts) }
        return unsafe (
            Int(parts.tm_year) + 1900, Int(parts.tm_mon) + 1, Int(parts.tm_mday), Int(parts.tm_hour),
            Int(parts.tm_min), Int(parts.tm_sec)
        )
    }
}

private func read(_ clock: clockid_t) -> Int64 {
    var time = timespec()
    unsafe clock_gettime(clock, &time)
    return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
}

/// A number with leading zeros.
public func pad(_ value: Int, _ width: Int) -> String {
    let digits = String(value)
    return digits.count >= width ? digits : String(repeating: "0", count: width - digits.count) + digits
}

extension Int64 {
    /// Division that rounds towards minus infinity, so that times before 1970 fall into the right window.
    public func quotientFlooring(_ divisor: Int64) -> Int64 {
        let q = self / divisor
        return (self % divisor != 0 && (self < 0) != (divisor < 0)) ? q - 1 : q
    }
}
