import Glibc

/// One line on a terminal (stderr), redrawn at most four times a second.
public struct ProgressLine {
    private var drawn = MonotonicTime(nanoseconds: 0)
    private var amount: Int64 = 0

    public init() {}

    /// Shows `text(rate)`, the rate being `amount`'s per second since the last time; `isLast` wipes it.
    public mutating func show(_ amount: Int64, isLast: Bool = false, _ text: (_ rate: Int64) -> String) {
        let now = MonotonicTime.now()
        let elapsed = now - drawn
        guard elapsed >= 0.25 || isLast else { return }
        let rate = elapsed < 10 && amount > self.amount ? Int64(Double(amount - self.amount) / elapsed) : 0
        drawn = now
        self.amount = isLast ? 0 : amount
        let line = Array((isLast ? "\r\u{1b}[K" : "\r\(text(rate))\u{1b}[K").utf8)
        _ = unsafe write(2, line, line.count)
    }
}
