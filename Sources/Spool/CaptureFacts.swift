import Linux

/// A time in which packets may be missing.
public struct Gap: Codable, Sendable, Equatable {
    public var from: String
    public var to: String
    public var reason: String
    /// Packets known to be missing; nil where nobody could count.
    public var lost: UInt64?

    public static let budgetReason = "dropped to keep the spool's budget"
    public static let diskReason = "the disk took nothing"

    /// Seconds in which nothing was recorded; nil where something was, and was lost later.
    public var secondsBlind: Double? {
        guard reason != Self.budgetReason, reason != Self.diskReason, let from = WallTime(iso: from), let to = WallTime(iso: to) else {
            return nil
        }
        return max(0, Double(to.microseconds - from.microseconds) / 1e6)
    }

    /// One that covers both; a long outage with a budget drops thousands of files and is still one gap.
    public func joined(_ other: Gap) -> Gap {
        Gap(from: min(from, other.from), to: max(to, other.to), reason: reason, lost: lost.flatMap { mine in other.lost.map { mine + $0 } })
    }
    // What nobody knows is written as null, so that it cannot be taken for something this version does not tell.
    public func encode(to encoder: any Encoder) throws {
        var out = encoder.container(keyedBy: CodingKeys.self)
        try out.encode(from, forKey: .from)
        try out.encode(to, forKey: .to)
        try out.encode(reason, forKey: .reason)
        try out.encode(lost, forKey: .lost)
    }

    public init(from: String, to: String, reason: String, lost: UInt64?) {
        self.from = from
        self.to = to
        self.reason = reason
        self.lost = lost
    }
}

/// What capture knows of a file (`.meta`), and the shipper passes on in the manifest. Times are RFC 3339, UTC.
/// Counts are of packets; nil where nobody counted (a file recovered after a crash).
public struct CaptureFacts: Codable, Sendable, Equatable {
    public var sensor: String
    public var interface: String
    public var series: String
    public var sequence: UInt64
    public var linktype: Int32
    public var snaplen: Int32
    public var filter: String?
    public var excluded: String?
    public var opened: String
    public var finished: String?
    public var first: String?
    public var last: String?
    public var written: UInt64?
    public var received: UInt64?
    public var droppedByKernel: UInt64?
    public var droppedByInterface: UInt64?
    public var lostToDisk: UInt64?
    /// Packets of files that were finished and had to go; nil where some had not been counted. Of the gaps below.
    public var droppedByBudget: UInt64?
    /// In which nothing was recorded before this file; of the gaps below.
    public var secondsBlind: Double?
    /// Longer on the wire than recorded.
    public var cut: UInt64?
    /// What the host did to the packets before they were recorded (ethtool(8)); nil where nobody asked.
    public var offloads: [String]?
    public var recovered: Bool
    public private(set) var gaps: [Gap]

    public func encode(to encoder: any Encoder) throws {
        var out = encoder.container(keyedBy: CodingKeys.self)
        try out.encode(sensor, forKey: .sensor)
        try out.encode(interface, forKey: .interface)
        try out.encode(series, forKey: .series)
        try out.encode(sequence, forKey: .sequence)
        try out.encode(linktype, forKey: .linktype)
        try out.encode(snaplen, forKey: .snaplen)
        try out.encode(filter, forKey: .filter)
        try out.encode(excluded, forKey: .excluded)
        try out.encode(opened, forKey: .opened)
        try out.encode(finished, forKey: .finished)
        try out.encode(first, forKey: .first)
        try out.encode(last, forKey: .last)
        try out.encode(written, forKey: .written)
        try out.encode(received, forKey: .received)
        try out.encode(droppedByKernel, forKey: .droppedByKernel)
        try out.encode(droppedByInterface, forKey: .droppedByInterface)
        try out.encode(lostToDisk, forKey: .lostToDisk)
        try out.encode(droppedByBudget, forKey: .droppedByBudget)
        try out.encode(secondsBlind, forKey: .secondsBlind)
        try out.encode(cut, forKey: .cut)
        try out.encode(offloads, forKey: .offloads)
        try out.encode(recovered, forKey: .recovered)
        try out.encode(gaps, forKey: .gaps)
    }

    public init(sensor: String, interface: String, series: String, sequence: UInt64, linktype: Int32, snaplen: Int32, opened: String) {
        self.sensor = sensor
        self.interface = interface
        self.series = series
        self.sequence = sequence
        self.linktype = linktype
        self.snaplen = snaplen
        self.opened = opened
        self.recovered = false
        self.gaps = []
    }
}

extension CaptureFacts {
    /// Takes these gaps, and their sums.
    public mutating func tell(_ gaps: [Gap]) {
        self.gaps = gaps
        secondsBlind = gaps.compactMap(\.secondsBlind).reduce(0, +)
        let dropped = gaps.filter { $0.reason == Gap.budgetReason }.map(\.lost)
        droppedByBudget = dropped.contains(nil) ? nil : dropped.reduce(0) { $0 + ($1 ?? 0) }
    }

    /// Packets recorded and lost while this file was the open one; nil where nobody counted.
    public var allPackets: UInt64? {
        written.map { $0 + (droppedByKernel ?? 0) + (droppedByInterface ?? 0) + (lostToDisk ?? 0) }
    }
}

/// What goes to the target beside each pcap. `capture` is nil for a file somebody else wrote.
public struct Manifest: Codable, Sendable, Equatable {
    public var format = 1
    public var file: String
    public var size: Int64
    public var sha256: String
    public var capture: CaptureFacts?
    public func encode(to encoder: any Encoder) throws {
        var out = encoder.container(keyedBy: CodingKeys.self)
        try out.encode(format, forKey: .format)
        try out.encode(file, forKey: .file)
        try out.encode(size, forKey: .size)
        try out.encode(sha256, forKey: .sha256)
        try out.encode(capture, forKey: .capture)
    }

    public init(file: String, size: Int64, sha256: String, capture: CaptureFacts?) {
        self.file = file
        self.size = size
        self.sha256 = sha256
        self.capture = capture
    }
}

/// The addresses the shipper connects to, for capture's filter (`state/target`).
public struct TargetAddresses: Codable, Sendable, Equatable {
    public var addresses: [String]
    public var port: UInt16
    public static let file = "target"
    public init(addresses: [String], port: UInt16) {
        self.addresses = addresses
        self.port = port
    }
}
