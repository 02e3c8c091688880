/// One temporary file at the target being filled: which bytes go next, which are there, which would survive a
/// crash of the target. Decides; sends nothing.
///
///     idle -> opening -> [measuring] -> writing -> finishing -> whole
///
/// `measuring` only where writing goes on at an offset: the file must still hold what is relied on. Sync, size
/// and close follow the last write at once where one lane does it all, since a server answers for one file in
/// order; with several lanes they wait until every write is acknowledged.
struct Upload {
    enum Step: Equatable { case idle, opening, measuring, writing, finishing, whole }
    enum Outcome: Equatable {
        case going
        /// Bytes up to this offset are on the target's disk.
        case safe(Int64)
        case whole
        /// No lane has it open any more.
        case adrift
        /// The temporary name does not hold what it should: other names, from the start.
        case gone
        case refused(String, TargetAnswer.Refusal)
    }
    /// A checkpoint costs a round trip and an fsync at the target.
    static let checkpoint: Int64 = 32 << 20

    let temporary: String
    let size: Int64
    /// What an fsync at the target covered.
    private(set) var safe: Int64
    private(set) var step = Step.idle
    /// Nobody has used the temporary name yet.
    private var isNew: Bool
    private var canSync: Bool
    /// The server was seen to mix up the order of requests: each waits for the answer to the one before.
    private var isStrict = false

    private var handles: [Int: TargetHandle] = [:]
    private var joining: Set<Int> = []
    private var home = -1
    /// Never handed out yet.
    private var next: Int64
    /// Handed out to lanes that were lost.
    private var again: [Range<Int64>] = []
    private var underWay: [Int: [Range<Int64>]] = [:]
    /// Everything before it is acknowledged.
    private(set) var acknowledged: Int64
    /// Acknowledged beyond it, in order.
    private var ahead: [Range<Int64>] = []
    private var syncing: Int64?
    private var unanswered: Set<TargetCall> = []
    private var sizeThere: Int64?

    init(_ temporary: String, size: Int64, safe: Int64, isNew: Bool, canSync: Bool) {
        self.temporary = temporary
        self.size = size
        self.safe = min(safe, size)
        self.isNew = isNew
        self.canSync = canSync
        self.next = self.safe
        self.acknowledged = self.safe
    }

    /// Bytes that no lane has been given.
    var waiting: Int64 { step == .whole || step == .finishing ? 0 : size - next + again.reduce(0) { $0 + Int64($1.count) } }
    /// Those that nobody has asked to close yet.
    var open: [TargetHandle] { handles.values.filter { !unanswered.contains(.close($0)) } }
    func isOpen(on lane: Int) -> Bool { handles[lane] != nil || joining.contains(lane) }

    mutating func begin(on lane: Int) -> [TargetCall] {
        home = lane
        step = .opening
        handles = [:]
        joining = []
        underWay = [:]
        again = []
        ahead = []
        next = safe
        acknowledged = safe
        syncing = nil
        unanswered = []
        sizeThere = nil
        let mode: TargetCall.OpenMode = safe > 0 ? .existing : isNew ? .new : .any
        isNew = false
        return [.open(temporary, mode, lane: lane)]
    }

    /// A further lane takes part.
    mutating func join(_ lane: Int) -> [TargetCall] {
        guard step == .writing, waiting > 0, !isOpen(on: lane) else { return [] }
        joining.insert(lane)
        return [.open(temporary, .existing, lane: lane)]
    }

    /// What `lane` should write next, at most so many bytes.
    mutating func chunk(on lane: Int, most: Int) -> (handle: TargetHandle, range: Range<Int64>)? {
        guard step == .writing, let handle = handles[lane], most > 0 else { return nil }
        let range: Range<Int64>
        if let first = again.first {
            range = first.lowerBound..<min(first.upperBound, first.lowerBound + Int64(most))
            if range.upperBound == first.upperBound { again.removeFirst() } else { again[0] = range.upperBound..<first.upperBound }
        } else {
            guard next < size else { return nil }
            range = next..<min(size, next + Int64(most))
            next = range.upperBound
        }
        underWay[lane, default: []].append(range)
        return (handle, range)
    }

    /// To be asked after each chunk: what follows the last one.
    mutating func tail() -> [TargetCall] {
        // Two syncs under way could not be told apart by their answers.
        guard step == .writing, waiting == 0, syncing == nil, joining.isEmpty, let handle = handles[home] ?? handles.values.first else {
            return []
        }
        guard (handles.count == 1 && !isStrict) || underWay.values.allSatisfy(\.isEmpty) else { return [] }
        step = .finishing
        syncing = nil
        var calls: [TargetCall] = canSync ? [.sync(handle)] : []
        calls.append(.size(handle))
        calls += handles.values.map { .close($0) }
        unanswered.formUnion(calls)
        return calls
    }

    mutating func answered(_ call: TargetCall, _ answer: TargetAnswer) -> (calls: [TargetCall], outcome: Outcome) {
        unanswered.remove(call)
        // Of an earlier attempt.
        if case .close(let handle) = call, handles[handle.lane] != handle { return ([], .going) }
        switch (call, answer) {
        case (.open(_, _, let lane), .opened(let handle)):
            if lane != home { return opened(beside: handle) }
            guard step == .opening else { return ([.close(handle)], .going) }
            handles[lane] = handle
            if safe > 0 {
                step = .measuring
                return ([.size(handle)], .going)
            }
            step = .writing
            return (tail(), .going)
        case (.open(_, let mode, let lane), .refused(let refusal)):
            if lane != home || step != .opening {
                joining.remove(lane)
                return (tail(), .going)
            }
            if mode == .existing, refusal == .missing { return ([], .gone) }
            return ([], .refused("make a file", refusal))
        case (.write(let handle, let offset, let count), .done):
            acknowledge(offset..<(offset + Int64(count)), handle.lane)
            return settle(checkpoint())
        case (.write, .refused(let refusal)): return ([], .refused("write", refusal))
        case (.sync(let handle), .done):
            if step == .writing, handle.lane == home, let at = syncing {
                syncing = nil
                safe = at
                return (checkpoint() + tail(), .safe(at))
            }
            return settle([])
        case (.sync, .refused(let refusal)):
            syncing = nil
            // Servers without the extension, and accounts whose list of requests lacks it.
            if refusal == .unsupported || refusal == .denied {
                canSync = false
                return settle([])
            }
            return ([], .refused("fsync", refusal))
        case (.size, .status(let there)):
            if step == .measuring {
                guard there.size >= safe, there.size <= size else { return ([], .gone) }
                step = .writing
                return (tail(), .going)
            }
            sizeThere = there.size
            return settle([])
        case (.size, .refused(let refusal)): return ([], .refused("tell the size of an open file", refusal))
        case (.close(let handle), .done):
            handles[handle.lane] = nil
            return settle([])
        case (.close(let handle), .refused(let refusal)):
            handles[handle.lane] = nil
            return ([], .refused("close a file", refusal))
        default: return ([], .refused("answer as it should", .other("an answer of another kind")))
        }
    }

    var syncs: Bool { canSync }

    private mutating func opened(beside handle: TargetHandle) -> (calls: [TargetCall], outcome: Outcome) {
        guard joining.remove(handle.lane) != nil, step == .writing, waiting > 0 else { return ([.close(handle)] + tail(), .going) }
        handles[handle.lane] = handle
        return ([], .going)
    }

    private mutating func acknowledge(_ range: Range<Int64>, _ lane: Int) {
        if let at = underWay[lane]?.firstIndex(of: range) { underWay[lane]?.remove(at: at) }
        let place = ahead.firstIndex { $0.lowerBound > range.lowerBound } ?? ahead.count
        ahead.insert(range, at: place)
        while let first = ahead.first, first.lowerBound <= acknowledged {
            acknowledged = max(acknowledged, first.upperBound)
            ahead.removeFirst()
        }
    }

    private mutating func checkpoint() -> [TargetCall] { acknowledged >= safe + Self.checkpoint ? secure() : [] }

    /// Has the target make safe what it has.
    mutating func secure() -> [TargetCall] {
        guard step == .writing, canSync, syncing == nil, acknowledged > safe, acknowledged < size, let handle = handles[home] else {
            return []
        }
        syncing = acknowledged
        return [.sync(handle)]
    }

    /// Whether everything has been answered, and what it amounts to.
    private mutating func settle(_ calls: [TargetCall]) -> (calls: [TargetCall], outcome: Outcome) {
        if step == .writing { return (calls + tail(), .going) }
        guard step == .finishing, unanswered.isEmpty, underWay.values.allSatisfy(\.isEmpty) else { return (calls, .going) }
        guard sizeThere == size else {
            if isStrict { return (calls, .gone) }
            isStrict = true
            return (calls + begin(on: home), .going)
        }
        if canSync { safe = size }
        step = .whole
        return (calls, .whole)
    }

    /// What was under way on `lane` may or may not have arrived: it goes again, over another.
    mutating func lost(_ lane: Int) -> Outcome {
        joining.remove(lane)
        handles[lane] = nil
        let open = underWay.removeValue(forKey: lane) ?? []
        let hasTail = unanswered.contains { $0.lane == lane }
        unanswered = unanswered.filter { $0.lane != lane }
        switch step {
        case .idle, .whole: return .going
        case .opening, .measuring: return lane == home ? .adrift : .going
        case .finishing:
            // Whether it was synced and how long it is, nobody knows now.
            return hasTail || !open.isEmpty ? .adrift : .going
        case .writing:
            guard let other = handles.keys.min() else { return .adrift }
            again = (open + again).sorted { $0.lowerBound < $1.lowerBound }
            if lane == home {
                home = other
                syncing = nil
            }
            return .going
        }
    }
}
