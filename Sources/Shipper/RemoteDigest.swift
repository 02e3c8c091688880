import Evidence

/// Reads a file at the target from its begin to its end, with many requests under way, and hashes it.
struct RemoteDigest {
    private static let underWay = 32
    private let handle: TargetHandle
    private let size: Int64
    private var digest = FileDigest()
    private var asked: Int64 = 0
    private var hashed: Int64 = 0
    private var early: [Int64: [UInt8]] = [:]

    enum Outcome: Equatable {
        case going
        case hashed([UInt8])
        /// Reading is refused, or there is less than was said.
        case unreadable
    }

    init(_ handle: TargetHandle, size: Int64) {
        self.handle = handle
        self.size = size
    }

    mutating func calls() -> [TargetCall] {
        var calls: [TargetCall] = []
        while asked < size, asked - hashed < Int64(Self.underWay * SFTP.mostRead) {
            let count = Int(min(Int64(SFTP.mostRead), size - asked))
            calls.append(.read(handle, offset: asked, count: count))
            asked += Int64(count)
        }
        return calls
    }

    mutating func answered(_ offset: Int64, _ count: Int, _ answer: TargetAnswer) -> (calls: [TargetCall], outcome: Outcome) {
        guard case .bytes(let bytes) = answer, !bytes.isEmpty, bytes.count <= count else { return ([], .unreadable) }
        early[offset] = bytes
        while let bytes = early.removeValue(forKey: hashed) {
            digest.update(bytes[...])
            hashed += Int64(bytes.count)
        }
        if hashed == size { return ([], .hashed(digest.finish())) }
        // A server may give less than it was asked for.
        let rest: [TargetCall] =
            bytes.count < count ? [.read(handle, offset: offset + Int64(bytes.count), count: count - bytes.count)] : []
        return (rest + calls(), .going)
    }
}
