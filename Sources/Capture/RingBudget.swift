/// `PCAP_RING_BYTES` shared out over the interfaces of `PCAP_INTERFACE=any`, of which nobody knows how many will come.
///
/// A ring is never resized, since that would lose what is in it. So a quarter is kept back at the start, and who comes
/// later gets the smaller of an equal share and half of what is left. With very many the sum is more than the budget,
/// since nobody gets less than `least`.
public struct RingBudget: Sendable {
    public static let least: Int64 = 2 << 20

    private let total: Int64
    private var given: [String: Int64] = [:]

    /// Shares out three quarters over those that are there at the start.
    public init(_ total: Int64, among names: [String]) {
        self.total = total
        let share = Self.share(of: total, among: names.count)
        for name in names { given[name] = max(Self.least, share) }
    }

    private static func share(of total: Int64, among count: Int) -> Int64 { total / 4 * 3 / Int64(max(1, count)) }

    /// What nobody has.
    public var left: Int64 { max(0, total - given.values.reduce(0, +)) }

    /// The ring of one interface; who has one keeps it.
    public mutating func ring(for name: String) -> Int64 {
        if let had = given[name] { return had }
        let ring = max(Self.least, min(Self.share(of: total, among: given.count + 1), left / 2))
        given[name] = ring
        return ring
    }

    /// What it had comes back.
    public mutating func remove(_ name: String) { given[name] = nil }
}
