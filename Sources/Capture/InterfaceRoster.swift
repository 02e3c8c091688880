/// The interfaces of `PCAP_INTERFACE=any`, look by look.
///
/// One that is up and eligible joins. One that only went down stays: it may come up again, and its capture program
/// waits for it. One that is gone, or became a member of a bridge or bond, leaves; one that got another name leaves
/// under the old name and joins under the new one.
///
/// What is recorded now is known by whoever is told, not here: so a watcher may die and begin anew.
public struct InterfaceRoster {
    /// More are not followed.
    public static let most = 4096

    public struct Entry: Equatable, Sendable {
        public let name: String
        /// It joins. Else it stays where it is recorded already, and is none of ours where it is not.
        public let isUp: Bool
    }

    /// What a look has to say.
    struct Look: Equatable {
        /// Whole rosters, in this order: none where nothing has changed, two where interfaces have exchanged names and
        /// have to leave and to join. (Of one that was made anew its capture program knows: it has lost the old one.)
        var announcements: [[Entry]] = []
        /// How many eligible ones there are, once when they become more than `most`.
        var excess: Int?
    }

    private var announced: [Entry]?
    private var indexes: [String: UInt32] = [:]
    private var isOverfull = false

    init() {}

    mutating func look(_ links: [InterfaceChoice.Link]) -> Look {
        var out = Look()
        let eligible = links.filter(\.isEligible)
        if eligible.count > Self.most, !isOverfull { out.excess = eligible.count }
        isOverfull = eligible.count > Self.most
        let followed = isOverfull ? bounded(eligible) : eligible

        let roster = followed.map { Entry(name: $0.name, isUp: $0.isUp) }
        let there = Set(links.map(\.index))
        let exchanged = Set(
            followed.filter { link in
                guard let before = indexes[link.name], before != link.index else { return false }
                return there.contains(before)
            }.map(\.name))
        if !exchanged.isEmpty { out.announcements.append(roster.filter { !exchanged.contains($0.name) }) }
        if announced != roster || !exchanged.isEmpty { out.announcements.append(roster) }
        announced = roster
        indexes = Dictionary(followed.map { ($0.name, $0.index) }, uniquingKeysWith: { first, _ in first })
        return out
    }

    /// Who was there before is not put out by one that came later, nor who is up by one that is down.
    private func bounded(_ eligible: [InterfaceChoice.Link]) -> [InterfaceChoice.Link] {
        func rank(_ link: InterfaceChoice.Link) -> Int { (indexes[link.name] != nil ? 0 : 2) + (link.isUp ? 0 : 1) }
        let ranked = eligible.enumerated().sorted { (rank($0.element), $0.offset) < (rank($1.element), $1.offset) }
        return ranked.prefix(Self.most).sorted { $0.offset < $1.offset }.map(\.element)
    }
}
