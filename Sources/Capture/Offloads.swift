import CLinux

/// What the kernel and the card do to frames before capture sees them, or after (ethtool(8), -k).
public struct Offloads: Sendable, Equatable {
    /// The raw value is the name in a manifest.
    public enum Kind: String, Sendable, CaseIterable {
        case gro, lro, gso, tso
        case rxChecksum = "rx-checksum"
        case txChecksum = "tx-checksum"

        /// As `ethtool -K` takes it.
        var switchName: String {
            switch self {
            case .rxChecksum: return "rx"
            case .txChecksum: return "tx"
            default: return rawValue
            }
        }
    }

    /// Not in here: neither the kernel nor the driver says.
    private let states: [Kind: Bool]

    init(_ states: [Kind: Bool]) { self.states = states }

    /// Asks the kernel; for an interface that is not there nothing is known.
    public static func of(_ interface: String) -> Offloads {
        var answers = [Int32](repeating: -1, count: Int(SENSOR_OFFLOADS))
        unsafe sensor_offloads(interface, &answers)
        var states: [Kind: Bool] = [:]
        for (kind, answer) in zip(Kind.allCases, answers) where answer >= 0 { states[kind] = answer == 1 }
        return Offloads(states)
    }

    /// nil: unknown.
    public subscript(_ kind: Kind) -> Bool? { states[kind] }

    /// Those that are on, in a fixed order.
    public var names: [String] { on(Kind.allCases).map(\.rawValue) }

    private func on(_ kinds: [Kind]) -> [Kind] { kinds.filter { states[$0] == true } }

    /// One sentence: what it means for the record, and how to switch it off. nil where frames are recorded as on the wire, as far
    /// as is known. A checksum that is only checked on receipt changes nothing.
    public func advice(_ interface: String) -> String? {
        let merging = on([.gro, .lro, .gso, .tso])
        let unfilled = on([.txChecksum])
        var parts: [String] = []
        if !merging.isEmpty {
            parts.append(
                "with \(merging.map(\.rawValue).joined(separator: ", ")) on, merged frames (up to 64 KB or more) are recorded whole, as the host sees them and not as they were on the wire"
            )
        }
        if !unfilled.isEmpty { parts.append("with tx-checksum on, checksums of outgoing packets may not be filled in") }
        guard !parts.isEmpty else { return nil }
        let switches = (merging + unfilled).map { "\($0.switchName) off" }.joined(separator: " ")
        return "\(interface): \(parts.joined(separator: "; ")); to switch that off: `ethtool -K \(interface) \(switches)`"
    }
}
