public import Linux

/// What must outlive a capture program (`state/capture-<interface>.json`): the next sequence number, and what it
/// was doing when it ended.
public struct InterfaceState: Codable, Sendable, Equatable {
    public enum Activity: String, Codable, Sendable {
        /// Said from the first packet on until the last file is finished.
        case capturing
        case stopped, killed
        case interfaceGone = "interface gone"
    }
    public var next: UInt64
    public var activity: Activity?
    /// How the open file is recorded, for who has to finish it after a crash.
    public struct Recording: Codable, Sendable, Equatable {
        public var filter: String?
        public var excluded: String?
        public var offloads: [String]?
        public init(filter: String?, excluded: String?, offloads: [String]?) {
            self.filter = filter
            self.excluded = excluded
            self.offloads = offloads
        }
    }
    public var recording: Recording?
    /// Since when nothing has been recorded, or the last moment known to be recorded.
    public var at: String?

    public init(next: UInt64, activity: Activity? = nil, at: String? = nil) {
        self.next = next
        self.activity = activity
        self.at = at
    }

    /// `escaped` as in file names.
    public static func file(of escaped: String) -> String { "capture-\(escaped).json" }

    /// Escaped names of the interfaces whose programs have not said that they ended; a killed one has not.
    public static func capturing(in state: borrowing Directory) throws(SystemError) -> [String] {
        try state.names().filter { $0.hasPrefix("capture-") && $0.hasSuffix(".json") }
            .filter { JSONFile.read(InterfaceState.self, $0, in: state)?.activity == .capturing }
            .map { String($0.dropFirst(8).dropLast(5)) }
    }
}
