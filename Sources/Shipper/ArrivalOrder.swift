import Spool

/// Who may have its final name now: within a series the older goes first, whatever is ready earlier.
struct ArrivalOrder {
    private struct Place {
        let id: Int
        let file: SeriesPlace
        /// The lane over which it was given its turn.
        var turning: Int?
    }
    private var series: [String: [Place]] = [:]
    private var seriesOf: [Int: String] = [:]

    mutating func add(_ id: Int, _ file: SeriesPlace) {
        var places = series[file.series] ?? []
        // Almost always the newest.
        let at = places.lastIndex { $0.file < file }.map { $0 + 1 } ?? 0
        places.insert(Place(id: id, file: file), at: at)
        series[file.series] = places
        seriesOf[id] = file.series
    }

    /// It has its final name, or will not have it soon: its successors need not wait.
    mutating func pass(_ id: Int) {
        guard let name = seriesOf.removeValue(forKey: id) else { return }
        series[name]?.removeAll { $0.id == id }
        if series[name]?.isEmpty ?? false { series[name] = nil }
    }

    /// Those whose turn it is over `lane`, of those that are `ready`. Where the target keeps the order of a lane's
    /// requests a file may follow right behind one that has not been answered.
    /// `isTurning`: the answer is still on its way; one that was refused is no longer ahead of anybody.
    mutating func turns(over lane: Int, keepsOrder: Bool, ready: (Int) -> Bool, isTurning: (Int) -> Bool = { _ in true }) -> [Int] {
        var out: [Int] = []
        for name in series.keys {
            guard let count = series[name]?.count else { continue }
            for at in 0..<count {
                guard let place = series[name]?[at] else { break }
                if ready(place.id) {
                    series[name]?[at].turning = lane
                    out.append(place.id)
                } else if place.turning != lane || !isTurning(place.id) {
                    break
                }
                if !keepsOrder { break }
            }
        }
        return out
    }
}

/// Where a file stands: within an interface its number decides; files that others wrote are one series, by name.
struct SeriesPlace: Comparable {
    let series: String
    private let sequence: UInt64
    private let name: String

    init(_ file: String) {
        if let own = SpoolName(file) {
            series = "\(own.sensor)@\(own.interface)"
            sequence = own.sequence
            name = own.stamp
        } else {
            series = ""
            sequence = 0
            name = file
        }
    }
    static func < (a: SeriesPlace, b: SeriesPlace) -> Bool { (a.sequence, a.name) < (b.sequence, b.name) }
}
