import Glibc
import Linux

/// When the backlog will be gone, from what is waiting and what was delivered at some moments. Decides; keeps no clock.
///
/// Files arrive in lumps, one a minute or one an hour, and are sent in one go. So what the uplink carries counts only between two
/// moments in which it had something to send all the time, and what arrives is counted from one batch of arrivals to the next, never from the middle. Both fade within
/// some minutes.
struct Forecast: Sendable {
    enum Outlook: Sendable, Equatable {
        /// Nothing waits.
        case clear
        /// Too little was seen, or nothing moves.
        case unknown
        case clears(seconds: Int64)
        /// More arrives than is delivered.
        case outrun

        /// `clears in 2 h 10`; empty where there is nothing to say.
        var text: String {
            switch self {
            case .clear, .unknown: ""
            case .clears(let seconds): "clears in \(readable(seconds: seconds))"
            case .outrun: "traffic outruns the uplink"
            }
        }
    }

    /// What is so many seconds old counts for a third.
    private static let memory = 180.0
    /// Arrivals within so many seconds are one batch: interfaces end their files together.
    private static let batch = 5.0
    /// Nothing is said to outrun anything before so many seconds of sending and of arrivals.
    private static let evidence = 60.0
    /// Rates of less than this say nothing.
    private static let little = 3.0
    /// What takes longer does not clear.
    private static let farAway = 30.0 * 86_400

    private struct Moment {
        var at: Double
        var waiting: Int64
        var delivered: Int64
    }
    private var last: Moment?
    private var sentBytes = 0.0, sendingTime = 0.0
    private var arrivedBytes = 0.0, arrivalTime = 0.0
    /// When the last batch began, and how long after the one before.
    private var batchStart: Double?
    private var interval = 0.0

    /// To be called some times a minute and at every change, offline too. `waitingBytes`: of finished files, without those that the
    /// target has acknowledged; `deliveredBytes`: all that it has acknowledged since this value was made. `isSending`: since the
    /// call before there was a login and nothing held it up (a rate limit does not count: it is the uplink then).
    mutating func note(at seconds: Double, waitingBytes: Int64, deliveredBytes: Int64, isSending: Bool = true) {
        defer { last = Moment(at: seconds, waiting: waitingBytes, delivered: deliveredBytes) }
        guard let last, seconds > last.at else { return }
        let passed = seconds - last.at
        let sent = max(0, deliveredBytes - last.delivered)
        // Where all that had waited was sent, nobody knows for how much of the time the uplink then had nothing to do.
        if isSending, sent < last.waiting {
            let fade = exp(-passed / Self.memory)
            sentBytes = sentBytes * fade + Double(sent)
            sendingTime = sendingTime * fade + passed
        }
        // What the budget dropped makes less wait, and is no negative arrival.
        let arrived = waitingBytes - last.waiting + sent
        if arrived > 0 { arrive(Double(arrived), at: seconds) }
    }

    private mutating func arrive(_ bytes: Double, at seconds: Double) {
        // How long the first batch took to come about nobody saw.
        guard let start = batchStart else {
            batchStart = seconds
            return
        }
        if seconds - start < Self.batch {
            if arrivalTime > 0 { arrivedBytes += bytes }
            return
        }
        interval = seconds - start
        let fade = exp(-interval / Self.memory)
        arrivedBytes = arrivedBytes * fade + bytes
        arrivalTime = arrivalTime * fade + interval
        batchStart = seconds
    }

    /// Bytes per second that the uplink carries; nil as long as too little was seen.
    var deliveredPerSecond: Double? { sendingTime >= Self.little ? sentBytes / sendingTime : nil }

    /// Bytes per second that are finished for it; nil before the second batch.
    var arrivingPerSecond: Double? {
        guard let last, let batchStart, arrivalTime >= Self.little else { return nil }
        // A silence of twice the usual length says that there is less now.
        let silence = last.at - batchStart
        guard silence > 2 * interval else { return arrivedBytes / arrivalTime }
        let fade = exp(-silence / Self.memory)
        return arrivedBytes * fade / (arrivalTime * fade + silence)
    }

    var outlook: Outlook {
        guard let last, last.waiting > 0 else { return .clear }
        guard let out = deliveredPerSecond, out > 0 else { return .unknown }
        let arriving = arrivingPerSecond ?? 0
        let seconds = arriving < out ? Double(last.waiting) / (out - arriving) : .infinity
        if seconds < Self.farAway { return .clears(seconds: Int64(seconds.rounded(.up))) }
        return sendingTime >= Self.evidence && arrivalTime >= Self.evidence / 2 ? .outrun : .unknown
    }
}
