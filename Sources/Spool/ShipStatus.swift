public import Linux

/// What the shipper knows at this moment (`state/ship.status`), for `sensor status -v`.
///
/// Written by the shipper alone: at each change that somebody would want to see, and at the latest when `nextWithin` seconds are
/// over. It may be lost in a crash, and stays as it was when the shipper ends: `doubt` tells a reader whether to rely on it.
/// Times are RFC 3339, UTC.
public struct ShipStatus: Codable, Sendable, Equatable {
    public static let file = "ship.status"

    public struct Fault: Codable, Sendable, Equatable {
        /// `ShipFault.Kind`: passing, loginRefused, operators, file.
        public var kind: String
        /// The words of the log line, which name the remedy.
        public var text: String
        public var since: String
        /// nil while it is being tried.
        public var nextTry: String?
        public init(kind: String, text: String, since: String, nextTry: String?) {
            self.kind = kind
            self.text = text
            self.since = since
            self.nextTry = nextTry
        }
    }
    public struct UnderWay: Codable, Sendable, Equatable {
        public var file: String
        public var done: Int64
        public var size: Int64
        public init(file: String, done: Int64, size: Int64) {
            self.file = file
            self.done = done
            self.size = size
        }
    }

    public var target: String
    /// Finished files in the spool, and of their bytes those that the target has not acknowledged.
    public var waitingFiles = 0
    public var waitingBytes: Int64 = 0
    /// Files that are postponed, each for a fault of its own (`file_kept`).
    public var keptFiles = 0
    /// What the uplink carries while there is something to send, and what capture finishes; nil as long as nobody can say.
    public var deliveredPerSecond: Int64?
    public var arrivingPerSecond: Int64?
    /// Until nothing waits, if all goes on like this; nil where nobody can say.
    public var secondsToClear: Int64?
    /// More arrives than is delivered, and something waits.
    public var outrunsUplink = false
    /// A few of the files that are being sent.
    public var underWay: [UnderWay] = []
    /// Connections or channels that are open.
    public var streams = 0
    public var fault: Fault?
    /// Outside of SCP_HOURS: until then.
    public var closedUntil: String?
    public var updatedAt: String
    /// Seconds after which it is written again at the latest.
    public var nextWithin: Int

    public init(target: String, updatedAt: String, nextWithin: Int) {
        self.target = target
        self.updatedAt = updatedAt
        self.nextWithin = nextWithin
    }

    public func write(in state: borrowing Directory) throws(SystemError) {
        try state.replace(Self.file, with: JSONFile.encode(self), isDurable: false)
    }

    /// A disk or a machine may be slow for so long before anything is said.
    private static let slack: Int64 = 30

    /// Why this need not be so any more; nil where it is.
    public func doubt(at now: WallTime) -> String? {
        guard let then = WallTime(iso: updatedAt) else { return "its time '\(updatedAt)' makes no sense" }
        let age = now.seconds - then.seconds
        if age < -Self.slack { return "it was written \(readable(seconds: -age)) in the future: the clock was set back" }
        if age <= Int64(nextWithin) + Self.slack { return nil }
        return "it is \(readable(seconds: age)) old: the shipper does not run, or hangs"
    }

    /// What `sensor status -v` says of it; the first line is the whole in short.
    public func lines(at now: WallTime) -> [String] {
        func from(_ iso: String) -> Int64? { WallTime(iso: iso).map { $0.seconds - now.seconds } }
        var out: [String] = []
        if let doubt = doubt(at: now) { out.append("ship.status cannot be relied on: \(doubt)") }
        var summary = "nothing waits"
        if waitingFiles > 0 {
            summary = "\(Self.files(waitingFiles)), \(readable(waitingBytes)) waiting"
            if let closedUntil {
                summary += ", closed for another \(from(closedUntil).map { readable(seconds: $0) } ?? "while") (SCP_HOURS)"
            } else if fault != nil {
                summary += ", nothing gets through"
            } else if outrunsUplink {
                summary += ", traffic outruns the uplink"
            } else if let secondsToClear {
                summary += ", clears in \(readable(seconds: secondsToClear))"
            }
        } else if closedUntil != nil {
            summary += ", closed for now (SCP_HOURS)"
        }
        out.append(summary)
        out.append("target \(target)\(streams > 0 ? ", \(streams == 1 ? "1 stream" : "\(streams) streams")" : "")")
        if deliveredPerSecond != nil || arrivingPerSecond != nil {
            func rate(_ bytes: Int64?) -> String { bytes.map { "\(readable($0))/s" } ?? "unknown" }
            out.append("delivers \(rate(deliveredPerSecond)), arriving \(rate(arrivingPerSecond))")
        }
        for one in underWay { out.append("\(one.file) \(one.size > 0 ? one.done * 100 / one.size : 0)% of \(readable(one.size))") }
        if keptFiles > 0 { out.append("\(Self.files(keptFiles)) kept back, each for a reason of its own: see file_kept in the log") }
        if let fault {
            let since = from(fault.since).map { " for \(readable(seconds: -$0))" } ?? ""
            let next = fault.nextTry.flatMap(from).map { "; next try in \(readable(seconds: $0))" } ?? ""
            out.append("\(Self.words(fault.kind))\(since): \(fault.text)\(next)")
        }
        return out
    }

    private static func files(_ count: Int) -> String { count == 1 ? "1 file" : "\(count) files" }
    /// Who can make it right.
    private static func words(_ kind: String) -> String {
        switch kind {
        case "passing": "fault that may pass"
        case "loginRefused": "login refused"
        case "operators": "needs you"
        default: "fault"
        }
    }
}
