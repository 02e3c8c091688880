/// The times of day at which data may be shipped (`SCP_HOURS`): `22-06`, `22:30-06:15`, several by comma.
///
/// Counts in minutes of the local day, 0 to 1439 (`WallTime.localTimeOfDay`), whatever the day is: on the days when the clock is put forward or back a
/// closing time is the one on the wall. The end of a span does not belong to it. No span at all means always.
public struct ShippingHours: Sendable, Equatable {
    public static let minutesOfDay = 1440

    /// From `start` (it belongs) to `end` (it does not); over midnight where `end` is not above `start`, and the whole day where
    /// both are equal.
    public struct Span: Sendable, Equatable {
        public let start: Int
        public let end: Int
        public init(start: Int, end: Int) {
            self.start = start
            self.end = end
        }
        func holds(_ minute: Int) -> Bool { start < end ? minute >= start && minute < end : minute >= start || minute < end }
    }
    public let spans: [Span]

    public static let always = ShippingHours(spans: [])
    public init(spans: [Span]) { self.spans = spans }

    public func isOpen(minuteOfDay minute: Int) -> Bool { spans.isEmpty || spans.contains { $0.holds(minute) } }

    /// Seconds from this moment of the day until `isOpen` gives another answer; nil where it never does. Spans that touch or
    /// overlap are one.
    public func secondsUntilChange(minuteOfDay minute: Int, second: Int = 0) -> Int? {
        let now = isOpen(minuteOfDay: minute)
        for ahead in 1..<Self.minutesOfDay where isOpen(minuteOfDay: (minute + ahead) % Self.minutesOfDay) != now {
            return ahead * 60 - min(max(second, 0), 59)
        }
        return nil
    }

    /// As it may be written; nil for anything else.
    public init?(_ text: String) {
        var spans: [Span] = []
        for part in text.split(separator: ",", omittingEmptySubsequences: false) {
            let ends = part.split(separator: "-", omittingEmptySubsequences: false)
            guard ends.count == 2, let start = Self.minute(ends[0]), start < Self.minutesOfDay, let end = Self.minute(ends[1]) else {
                return nil
            }
            spans.append(Span(start: start, end: end % Self.minutesOfDay))
        }
        self.spans = spans
    }

    /// `6`, `06`, `06:15`; `24` and `24:00` are the end of the day.
    private static func minute(_ text: Substring) -> Int? {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        let isPlain = parts.allSatisfy { (1...2).contains($0.utf8.count) && $0.utf8.allSatisfy { (48...57).contains($0) } }
        guard isPlain, parts.count <= 2, let hour = Int(parts[0]) else { return nil }
        var minute = 0
        if parts.count == 2 {
            guard parts[1].utf8.count == 2, let number = Int(parts[1]), number < 60 else { return nil }
            minute = number
        }
        guard hour < 24 || (hour == 24 && minute == 0) else { return nil }
        return hour * 60 + minute
    }

    /// `06:15`, for people.
    public static func clock(_ minute: Int) -> String {
        func two(_ number: Int) -> String { number < 10 ? "0\(number)" : String(number) }
        return "\(two(minute / 60 % 24)):\(two(minute % 60))"
    }
}
