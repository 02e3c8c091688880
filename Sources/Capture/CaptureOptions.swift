public import Events

public struct CaptureOptions: Sendable {
    public var interface: String
    public var spool: String
    public var state: String
    public var sensor: String
    public var series: String
    public var snaplen = 0
    public var ring: Int64 = 64 << 20
    public var promiscuous = true
    public var seconds = 60
    public var bytes: Int64 = 256 << 20
    public var filter: String?
    /// The shipper's source ports; nil: its upload is recorded too.
    public var excludedSources: ClosedRange<UInt16>?
    public var budget = BudgetSettings(files: 0, bytes: nil, free: .automatic)
    /// Ends after so many packets; nil: never.
    public var count: UInt64?
    /// Descriptor 0 is a pipe from the supervisor, whose end ends this program.
    public var isSupervised = false
    /// A line on stderr with rate, bytes and drops.
    public var showsProgress = false
    public var face = LogFace.text

    public init(interface: String, spool: String, state: String, sensor: String, series: String) {
        self.interface = interface
        self.spool = spool
        self.state = state
        self.sensor = sensor
        self.series = series
    }
}

/// What stands at the end: tcpdump's three numbers, and what it does not tell.
public struct CaptureSummary: Sendable {
    public var captured: UInt64 = 0
    public var received: UInt64 = 0
    public var dropped: UInt64 = 0
    public var droppedByInterface: UInt64 = 0
    public var lostToDisk: UInt64 = 0
    public var exitCode: Int32 = 0
}
