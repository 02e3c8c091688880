import Linux

/// What the spool may hold.
public struct SpoolBudget: Sendable, Equatable {
    /// Finished files at most; 0 = no limit.
    public var files: Int
    /// Bytes of finished files at most; nil = no limit.
    public var bytes: Int64?
    /// Bytes of the disk to leave free.
    public var free: Int64

    public init(files: Int, bytes: Int64?, free: Int64) {
        self.files = files
        self.bytes = bytes
        self.free = free
    }

    /// Whether nothing has to go; cheaper than to ask how many, which needs their order.
    public func holds(files count: Int, bytes total: Int64, freeOnDisk: Int64) -> Bool {
        (files == 0 || count <= files) && bytes.map { total <= $0 } ?? true && freeOnDisk >= free
    }

    /// How many of the finished files, oldest first, have to go. `sizes` are of all finished files in order of
    /// age. The newest always stays. Where others filled the disk, so that dropping everything would not
    /// give the wanted space, nothing is dropped for its sake.
    public func drops(sizes: [Int64], freeOnDisk: Int64) -> Int {
        let most = max(0, sizes.count - 1)
        var count = 0
        if files > 0 { count = max(count, min(most, sizes.count - files)) }
        if let bytes {
            var kept = sizes.last ?? 0
            var need = most
            while need > 0, kept.addingSaturated(sizes[need - 1]) <= bytes {
                kept = kept.addingSaturated(sizes[need - 1])
                need -= 1
            }
            count = max(count, need)
        }
        let shortfall = free - freeOnDisk
        if shortfall > 0, sizes.dropLast().reduce(0, { $0.addingSaturated($1) }) >= shortfall {
            var won: Int64 = 0
            var need = 0
            while need < most && won < shortfall {
                won = won.addingSaturated(sizes[need])
                need += 1
            }
            count = max(count, need)
        }
        return count
    }
}
