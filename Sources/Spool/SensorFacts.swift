public import Linux

/// What a data directory tells of a sensor, from outside: of its shipper, its capture programs and its spool. Reads only, and needs
/// nobody to answer.
public struct SensorFacts: Codable, Sendable, Equatable {
    public struct Capture: Codable, Sendable, Equatable {
        public var interface: String
        /// What its program was last heard to do, and since when (`InterfaceState`); a killed one has said nothing of its end.
        public var activity: String?
        public var since: String?
        /// Packets lost, in those of the newest waiting files that counted them.
        public var lost: UInt64
        /// Gaps that no manifest carries yet.
        public var gaps: Int
    }
    public struct Spool: Codable, Sendable, Equatable {
        public var files: Int
        public var bytes: Int64
        public var diskFree: Int64?
        public var diskTotal: Int64?
    }
    public var shipping: ShipStatus?
    /// Why `shipping` need not be so, or is not there; nil where it can be relied on.
    public var shippingDoubt: String?
    public var capture: [Capture] = []
    public var spool: Spool?

    /// So many facts of files are read at most: a long backlog has hundreds of thousands.
    private static let newest = 64

    public static func read(dataDirectory path: String, at now: WallTime) -> SensorFacts {
        var facts = SensorFacts()
        let lost = (try? facts.readSpool(Directory(path + "/spool"))) ?? [:]
        do throws(SystemError) {
            let state = try Directory(path + "/state")
            facts.readShipping(state, now)
            facts.capture = try captures(state, lost)
        } catch { facts.shippingDoubt = "\(error)" }
        return facts
    }

    /// Returns the packets lost by interface, as far as the facts of waiting files tell.
    private mutating func readSpool(_ spool: borrowing Directory) throws(SystemError) -> [String: UInt64] {
        let names = try spool.names(endingIn: ".pcap").filter { !$0.hasPrefix(".") }
        var bytes: Int64 = 0
        for name in names { bytes += try spool.status(name)?.size ?? 0 }
        let disk = DiskSpace(of: spool.number)
        self.spool = Spool(files: names.count, bytes: bytes, diskFree: disk?.free, diskTotal: disk?.total)
        return Self.lost(names, spool)
    }

    private mutating func readShipping(_ state: borrowing Directory, _ now: WallTime) {
        let bytes = (try? state.read(ShipStatus.file)) ?? nil
        guard let bytes else {
            shippingDoubt = "the shipper has not said anything yet"
            return
        }
        shipping = JSONFile.decode(ShipStatus.self, from: bytes)
        shippingDoubt = shipping.map { $0.doubt(at: now) } ?? "\(ShipStatus.file) is of another version, or damaged"
    }

    private static func captures(_ state: borrowing Directory, _ lost: [String: UInt64]) throws(SystemError) -> [Capture] {
        let names = try state.names(endingIn: ".json").sorted()
        return names.filter { $0.hasPrefix("capture-") }.compactMap { name in
            let interface = String(name.dropFirst(8).dropLast(5))
            guard let known = JSONFile.read(InterfaceState.self, name, in: state) else { return nil }
            return Capture(
                interface: SpoolName.unescape(interface), activity: known.activity?.rawValue, since: known.at, lost: lost[interface] ?? 0,
                gaps: names.count { $0.hasPrefix("gap-\(interface)@") })
        }
    }

    private static func lost(_ names: [String], _ spool: borrowing Directory) -> [String: UInt64] {
        let own = names.compactMap(SpoolName.init).sorted { ($0.sequence, $0.stamp) > ($1.sequence, $1.stamp) }
        var sums: [String: UInt64] = [:]
        for name in own.prefix(newest) {
            guard let facts = JSONFile.read(CaptureFacts.self, name.meta, in: spool) else { continue }
            let lost = [facts.droppedByKernel, facts.droppedByInterface, facts.lostToDisk].compactMap { $0 }
            sums[name.interface] = lost.reduce(sums[name.interface] ?? 0) { $0.addingReportingOverflow($1).partialValue }
        }
        return sums
    }

    /// For people: a subject before each line.
    public func lines(at now: WallTime) -> [String] {
        var out: [String] = []
        if let shipping {
            out += shipping.lines(at: now).map { "shipping: \($0)" }
        } else {
            out.append("shipping: unknown: \(shippingDoubt ?? "there is no word of it")")
        }
        for one in capture {
            var line = "capture \(one.interface): \(Self.words(one.activity))"
            if one.activity != InterfaceState.Activity.capturing.rawValue, let since = one.since.flatMap({ WallTime(iso: $0) }) {
                line += " for \(readable(seconds: now.seconds - since.seconds))"
            }
            if one.lost > 0 { line += ", \(one.lost) packets lost in the newest files that wait" }
            if one.gaps > 0 { line += ", \(one.gaps == 1 ? "1 gap" : "\(one.gaps) gaps") for the next manifest" }
            out.append(line)
        }
        if let spool {
            let disk = spool.diskFree.map { "; \(readable($0)) free of \(readable(spool.diskTotal ?? 0))" } ?? ""
            out.append("spool: \(spool.files == 1 ? "1 file" : "\(spool.files) files"), \(readable(spool.bytes))\(disk)")
        } else {
            out.append("spool: cannot be read")
        }
        return out
    }

    private static func words(_ activity: String?) -> String {
        switch activity {
        case InterfaceState.Activity.capturing.rawValue: "recording"
        case InterfaceState.Activity.interfaceGone.rawValue: "the interface is gone"
        case let other?: other
        case nil: "has recorded nothing yet"
        }
    }
}
