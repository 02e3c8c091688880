/// How many connections carry the files: starts with one, adds while throughput grows, gives back what brought
/// nothing. A server's limit (MaxStartups, MaxSessions, or one that takes no second connection) is found out and
/// kept in mind.
struct StreamPlan {
    private static let most = 4
    /// Below this round trip the processor is the limit, not the window of a stream.
    private static let shortTrip = 0.003
    /// A further connection costs about ten round trips until it carries anything.
    private static let worthwhile: Int64 = 4 << 20
    /// So much is worth all of them at once: over a long line each step of growth takes a second.
    private static let plenty: Int64 = 64 << 20
    private static let growth = 1.1
    /// Seconds without work until only one is kept, until growth is tried again, until a limit may have changed.
    private static let idle = 5.0, settled = 60.0, forgetting = 600.0

    private(set) var wanted = 1
    private var limit = most
    private var limitSince = 0.0
    private var best = 0.0
    private var sample: (at: Double, bytes: Int64)?
    private var before = 1
    /// Those that were asked for are not all there yet.
    private var isGrowing = false
    private var settledAt: Double?
    private var idleSince: Double?

    /// Seconds are of a monotonic clock; `streams` are ready, `waiting` bytes have not been handed out, `done` is the sum
    /// of bytes that were acknowledged, `isHeld` says that the rate limit, not the link, holds them back.
    mutating func look(at now: Double, streams: Int, waiting: Int64, done: Int64, roundTrip: Double, isHeld: Bool) {
        if limit < Self.most, now - limitSince >= Self.forgetting { limit = Self.most }
        if waiting == 0 {
            let since = idleSince ?? now
            idleSince = since
            if now - since >= Self.idle { self = StreamPlan(limit: limit, since: limitSince) }
            return
        }
        idleSince = nil
        guard roundTrip >= Self.shortTrip, waiting >= Self.worthwhile, !isHeld, streams > 0 else { return }
        guard let sample else {
            self.sample = (now, done)
            return grow(to: waiting >= Self.plenty ? Self.most : 2, at: now)
        }
        guard streams >= wanted else { return }
        let rate = Double(done - sample.bytes) / max(now - sample.at, 0.001)
        if isGrowing {
            // What was carried without them is what they have to exceed.
            isGrowing = false
            best = rate
            self.sample = (now, done)
            return
        }
        guard now - sample.at >= max(0.25, 4 * roundTrip) else { return }
        self.sample = (now, done)
        if let settledAt {
            // Links change: now and then it is tried again.
            if now - settledAt < Self.settled { return }
            grow(to: wanted * 2, at: now)
        } else if rate >= best * Self.growth {
            grow(to: wanted * 2, at: now)
        } else {
            wanted = before
            settledAt = now
        }
    }

    /// The server took no more than so many.
    mutating func refused(beyond streams: Int, at now: Double) {
        limit = max(1, streams)
        limitSince = now
        wanted = min(wanted, limit)
        before = min(before, limit)
    }

    init() {}
    private init(limit: Int, since: Double) {
        self.limit = limit
        self.limitSince = since
    }

    private mutating func grow(to count: Int, at now: Double) {
        before = wanted
        wanted = min(limit, count)
        isGrowing = wanted > before
        settledAt = isGrowing ? nil : now
    }
}
