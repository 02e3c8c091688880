import Spool

/// What goes next: the oldest. Within an interface the number decides, and between interfaces the stamp of
/// the next file of each; files that others wrote follow, by name.
enum DeliveryOrder {
    static func sorted(_ names: [String]) -> [String] {
        var series: [String: [SpoolName]] = [:]
        var foreign: [String] = []
        for name in names {
            if let own = SpoolName(name) { series["\(own.sensor)@\(own.interface)", default: []].append(own) } else { foreign.append(name) }
        }
        // Newest first, so that the head is the cheap end.
        var queues = series.values.map { $0.sorted { ($0.sequence, $0.stamp) > ($1.sequence, $1.stamp) } }
        var out: [String] = []
        out.reserveCapacity(names.count)
        while true {
            var best: Int?
            for index in queues.indices {
                guard let head = queues[index].last else { continue }
                if let now = best, let other = queues[now].last, (other.stamp, other.pcap) <= (head.stamp, head.pcap) { continue }
                best = index
            }
            guard let index = best, let next = queues[index].popLast() else { break }
            out.append(next.pcap)
        }
        return out + foreign.sorted()
    }
}
