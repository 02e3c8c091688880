import Linux

/// How long to wait after a fault. Doubling, with ± 20 % handed in as `dice` (0 to 1) so that many sensors do
/// not knock together.
///
///     passing        1 2 4 8 16 32 60 60 …
///     login refused  every 5 s for ten minutes, then 10 20 40 60 60 …
///     operator's     5 10 20 40 60 60 …
struct RetrySchedule {
    private var kind: ShipFault.Kind?
    private var failures = 0
    private var since = MonotonicTime(nanoseconds: 0)
    private(set) var tries = 0

    private static let pasting = 600.0

    /// Seconds to wait before the next try.
    mutating func delay(after fault: ShipFault.Kind, at now: MonotonicTime, dice: Double) -> Double {
        tries += 1
        if kind != fault {
            kind = fault
            failures = 0
            since = now
        }
        let base: Double
        switch fault {
        case .passing, .stopped:
            base = doubled(from: 1)
        case .loginRefused:
            if now - since < Self.pasting { return 5 * spread(dice) }
            base = doubled(from: 10)
        case .operators, .file:
            base = doubled(from: 5)
        }
        failures += 1
        return base * spread(dice)
    }

    mutating func succeeded() { self = RetrySchedule() }

    private func doubled(from first: Double) -> Double {
        var delay = first
        for _ in 0..<min(failures, 8) { delay *= 2 }
        return min(delay, 60)
    }
    private func spread(_ dice: Double) -> Double { 0.8 + 0.4 * dice }
}

/// A limit in bytes per second. At most a tenth of a second's bytes are let go at once.
struct RateLimit {
    let bytesPerSecond: Int64
    private var credit: Double
    private var last: MonotonicTime?

    init(bytesPerSecond: Int64) {
        self.bytesPerSecond = bytesPerSecond
        self.credit = 0
    }
    private var burst: Double { max(Double(bytesPerSecond) / 10, 1) }

    /// Crumbs would become tiny packets.
    private var worth: Double { max(1, min(burst / 2, 32_768)) }

    /// Bytes that may go now; 0 until they are worth a packet.
    mutating func allowance(at now: MonotonicTime) -> Int {
        let elapsed = last.map { max(0, now - $0) } ?? 1
        last = now
        credit = min(burst, credit + elapsed * Double(bytesPerSecond))
        return credit >= worth ? Int(credit) : 0
    }
    /// It is the limit, not the link, that holds bytes back.
    var isSpent: Bool { credit < worth }
    mutating func spend(_ bytes: Int) { credit -= Double(bytes) }
    /// When something may go again; nil where nothing waits for it.
    func due(_ now: MonotonicTime, isWaiting: Bool) -> MonotonicTime? {
        isWaiting ? now + max(0.005, (worth - credit) / Double(bytesPerSecond)) : nil
    }
}
