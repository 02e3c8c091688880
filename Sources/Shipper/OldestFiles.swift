/// The oldest of many names, whatever their number: what is kept is bounded, and names that would not be kept are never
/// made into strings.
struct OldestFiles {
    /// Of each series, and of all: with many series of each as many less, but some.
    private let most: Int
    private static let mostOfAll = 16_384, fewest = 16
    private struct Entry {
        let sequence: UInt64
        let name: String
    }
    private var series: [[UInt8]: [Entry]] = [:]
    private var share: Int { min(most, max(Self.fewest, Self.mostOfAll / max(1, series.count))) }
    /// Of all that were offered and taken.
    private(set) var count = 0
    /// Some did not fit.
    private(set) var isPartial = false

    init(most: Int) { self.most = most }

    /// Names that were kept, in the order of delivery.
    var names: [String] { DeliveryOrder.sorted(series.values.flatMap { $0.map(\.name) }) }

    /// Takes a name's bytes; `isWanted` is asked of those that would be kept. False where they are no text.
    @discardableResult
    mutating func offer(_ bytes: UnsafeBufferPointer<UInt8>, isWanted: (String) -> Bool) -> Bool {
        // `-yyyymmddTHHMMSSZ-<10 digits>.pcap` is how ours end; what only looks like it is sorted out by `SpoolName`.
        let tail = 33
        var key: [UInt8] = []
        var sequence: UInt64 = 0
        if let number = unsafe Self.number(bytes) {
            sequence = number
            key = unsafe Array(bytes[..<(bytes.count - tail)])
        }
        count += 1
        var entries = series[key] ?? []
        let most = share
        if entries.count >= most, let last = entries.last {
            isPartial = true
            if key.isEmpty ? unsafe !Self.isLess(bytes, last.name) : sequence >= last.sequence { return true }
        }
        guard let name = unsafe String(validating: bytes, as: UTF8.self) else { return false }
        guard isWanted(name) else {
            count -= 1
            return true
        }
        let entry = Entry(sequence: sequence, name: name)
        var (low, high) = (0, entries.count)
        while low < high {
            let middle = (low + high) / 2
            let other = entries[middle]
            if (other.sequence, other.name) < (sequence, name) { low = middle + 1 } else { high = middle }
        }
        series[key] = nil
        entries.insert(entry, at: low)
        let isFurther = entries.count == 1
        if entries.count > most {
            entries.removeLast(entries.count - most)
            isPartial = true
        }
        series[key] = entries
        if isFurther { trim() }
        return true
    }

    /// A further series: the others have less room.
    private mutating func trim() {
        let most = share
        for (key, entries) in series where entries.count > most {
            series[key] = Array(entries.prefix(most))
            isPartial = true
        }
    }

    private static func isLess(_ bytes: UnsafeBufferPointer<UInt8>, _ name: String) -> Bool {
        unsafe bytes.lexicographicallyPrecedes(name.utf8)
    }

    private static func number(_ bytes: UnsafeBufferPointer<UInt8>) -> UInt64? {
        let count = bytes.count
        guard count > 33, unsafe bytes[..<(count - 33)].contains(UInt8(ascii: "@")), unsafe bytes[count - 33] == UInt8(ascii: "-"),
            unsafe bytes[count - 16] == UInt8(ascii: "-")
        else { return nil }
        var number: UInt64 = 0
        for at in (count - 15)..<(count - 5) {
            let digit = unsafe bytes[at] &- UInt8(ascii: "0")
            guard digit < 10 else { return nil }
            number = number * 10 + UInt64(digit)
        }
        return number
    }
}
