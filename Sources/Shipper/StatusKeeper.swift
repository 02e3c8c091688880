import Linux
import Spool

/// What `sensor status -v` tells of shipping: gathered here, written to `state/ship.status`.
final class StatusKeeper {
    /// Seconds between two writings while there is work.
    private static let period = 10.0
    private static let mostShown = 4

    private let options: ShipOptions
    private var forecast = Forecast()
    private var fault: ShipStatus.Fault?
    private var told = MonotonicTime(nanoseconds: 0)
    private var isSending = false
    private var period = period

    init(_ options: ShipOptions) { self.options = options }

    var due: MonotonicTime { told + period }
    func isDue(_ now: MonotonicTime) -> Bool { now >= due }

    func failed(_ fault: ShipFault, nextTry seconds: Double) {
        let now = WallTime.now()
        let since = self.fault?.text == fault.description ? self.fault?.since : nil
        self.fault = ShipStatus.Fault(
            kind: fault.kind.rawValue, text: fault.description, since: since ?? now.iso,
            nextTry: WallTime(microseconds: now.microseconds + Int64(seconds * 1e6)).iso)
        isSending = false
    }
    func succeeded() { fault = nil }

    /// `delivered` bytes that were acknowledged since the start.
    func tell(
        kept: Int, underWay: [ShipStatus.UnderWay], delivered: Int64, streams: Int, closedFor seconds: Int?
    ) {
        let now = MonotonicTime.now()
        told = now
        let spool = try? Directory(options.spool)
        var (files, bytes) = (try? spool?.sizes(endingIn: ".pcap")) ?? (0, 0)
        // A spool of many thousands is looked at less often.
        period = max(Self.period, 50 * (.now() - now))
        bytes = max(0, bytes - underWay.reduce(0) { $0 + $1.done })
        forecast.note(
            at: Double(now.nanoseconds) / 1e9, waitingBytes: bytes, deliveredBytes: delivered, isSending: isSending && streams > 0)
        isSending = streams > 0
        let wall = WallTime.now()
        var out = ShipStatus(
            target: options.label, updatedAt: wall.iso, nextWithin: Int(streams > 0 && files > 0 ? period : max(60, options.interval)))
        out.waitingFiles = files
        out.waitingBytes = bytes
        out.keptFiles = kept
        out.deliveredPerSecond = forecast.deliveredPerSecond.map { Int64($0) }
        out.arrivingPerSecond = forecast.arrivingPerSecond.map { Int64($0) }
        switch forecast.outlook {
        case .clears(let seconds): out.secondsToClear = seconds
        case .outrun: out.outrunsUplink = true
        case .clear, .unknown: break
        }
        out.underWay = Array(underWay.prefix(Self.mostShown))
        out.streams = streams
        out.fault = fault
        out.closedUntil = seconds.map { WallTime(microseconds: wall.microseconds + Int64($0) * 1_000_000).iso }
        // Nobody misses it where it cannot be written.
        if let state = try? Directory(options.state) { try? out.write(in: state) }
    }
}
