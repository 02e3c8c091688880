import CLinux
import Evidence
import Glibc
import Linux
import Spool

/// The deliveries under way, over the lanes there are: routes answers to them and carries out what they ask for.
/// Lives as long as a connection; what must survive it is in the journal.
final class Dispatcher {
    struct Delivered {
        let file: String
        let bytes: Int64
        let packets: UInt64?
        let seconds: Double
        let isSynced: Bool
    }
    enum News {
        case delivered(Delivered)
        case postponed(String, ShipFault)
    }
    private final class Active {
        var delivery: FileDelivery
        let source: FileSource
        let number: Int
        let began: MonotonicTime
        var manifest: [UInt8] = []
        init(_ number: Int, _ delivery: FileDelivery, _ source: FileSource) {
            self.number = number
            self.delivery = delivery
            self.source = source
            self.began = .now()
        }
    }
    /// Small files wait for round trips, not for bytes: so many share them, where the target lets so many be open.
    private static let most = min(400, fitting(descriptors: Int(sensor_open_files_limit())))
    /// Each is open here, and where the target is a directory there, too.
    static func fitting(descriptors: Int) -> Int { max(1, (descriptors - 48) / 2) }
    /// With fewer bytes than this to be handed out the next file is begun, so that no lane runs dry.
    private static let ahead: Int64 = 8 << 20
    /// Of a file that several lanes share; less is not worth another open.
    private static let shared: Int64 = 1 << 20
    /// Seconds after which what a slow link has carried is made safe.
    private static let securing = 5.0
    /// Hashed in one go, of what the target already has.
    private static let hashing = 4 << 20

    private let spool: Directory
    private let journal: Journal
    private let target: String
    private var active: [Int: Active] = [:]
    /// Oldest first.
    private var queue: [Int] = []
    private(set) var names: Set<String> = []
    private var nextNumber = 1
    private var order = ArrivalOrder()
    private var lanes: [Int: any Lane] = [:]
    private var most: Int { min(Self.most, lanes.values.map(\.mostOpen).min() ?? 1) }
    private var saving: [Int] = []
    private var describing: [Int] = []
    private var removing: [Int] = []
    private var secured = MonotonicTime.now()
    private(set) var canSync = true
    /// Bytes of pcap files that the target has acknowledged.
    private(set) var acknowledged: Int64 = 0
    private(set) var news: [News] = []
    /// As OpenSSH's server and a directory are: the requests of a lane are carried out in their order, and a file that is opened
    /// to write keeps what it holds. rclone's empties it.
    var isPOSIX = false
    /// After a fault: one file at a time, so that on a link that breaks again and again something gets done.
    var isCautious = false
    /// At a stop: only what is under way goes on.
    var isEnding = false

    init(spool: consuming Directory, journal: Journal, target: String) {
        self.spool = spool
        self.journal = journal
        self.target = target
    }

    var count: Int { active.count }
    /// Bytes that no lane has been given.
    var waiting: Int64 { active.values.reduce(0) { $0.addingSaturated($1.delivery.waiting) } }
    var takesMore: Bool { isCautious ? active.isEmpty : active.count < most && waiting < Self.ahead }
    func has(_ file: String) -> Bool { names.contains(file) }
    /// The oldest, for a progress line.
    var oldest: (file: String, done: Int64, size: Int64)? {
        queue.first.flatMap { active[$0] }.map { ($0.source.name, $0.delivery.done, $0.delivery.size) }
    }
    /// All of them, the oldest first.
    var underWay: [ShipStatus.UnderWay] {
        queue.compactMap { active[$0] }.map { ShipStatus.UnderWay(file: $0.source.name, done: $0.delivery.done, size: $0.delivery.size) }
    }
    func takeNews() -> [News] {
        defer { news = [] }
        return news
    }

    // MARK: files

    /// False where the file is gone or somebody else holds it.
    func start(_ file: String) throws(ShipFault) -> Bool {
        guard let source = try FileSource(file, in: spool) else { return false }
        let status = source.status
        var entry: JournalEntry?
        if let kept = journal.entries[file], kept.target == target, kept.isOf(status) {
            entry = kept
        } else if let kept = journal.entries[file], !kept.isOf(status) {
            // A manifest of what was here before under this name would be a lie about this one.
            do { try spool.remove(SpoolName.manifest(of: file)) } catch { throw .file(error) }
        }
        let target = target
        let delivery = FileDelivery(
            file, size: status.size, entry: entry, target: target, canSync: canSync, isPOSIX: isPOSIX,
            mayBeCleared: entry?.mayBeCleared(at: WallTime.now().seconds) ?? false
        ) {
            JournalEntry(file: file, status: status, target: target, random: JournalEntry.randomLetters())
        }
        let id = nextNumber
        nextNumber += 1
        active[id] = Active(id, delivery, source)
        queue.append(id)
        names.insert(file)
        order.add(id, SeriesPlace(file))
        return true
    }

    private func end(_ id: Int) {
        guard let ended = active.removeValue(forKey: id) else { return }
        queue.removeAll { $0 == id }
        names.remove(ended.source.name)
        order.pass(id)
    }

    // MARK: a step

    /// Takes answers, goes on with every delivery, and hands out bytes as far as `limit` lets them. True where there is
    /// more to do at once.
    func step(_ present: [any Lane], _ limit: inout RateLimit?) throws(ShipFault) -> Bool {
        try take(present)
        var isBusy = false
        while true {
            for lane in present {
                for answer in lane.takeAnswers() { try route(answer, lane) }
            }
            try assign(present)
            isBusy = try describe()
            try save()
            try remove()
            try giveTurns(present)
            if saving.isEmpty, removing.isEmpty, !present.contains(where: { !($0.underWay == 0) && $0 is DirectoryLane }) { break }
        }
        if !isEnding, try hand(present, &limit) { isBusy = true }
        let now = MonotonicTime.now()
        if now - secured >= Self.securing {
            secured = now
            checkpoint()
        }
        return isBusy
    }

    /// Tells the deliveries about lanes that are gone.
    private func take(_ present: [any Lane]) throws(ShipFault) {
        let numbers = Set(present.map(\.number))
        let gone = lanes.keys.filter { !numbers.contains($0) }
        lanes = Dictionary(uniqueKeysWithValues: present.map { ($0.number, $0) })
        for lane in gone { for id in queue { try tell(id, .lost(lane: lane)) } }
    }

    private func route(_ answer: LaneAnswer, _ lane: any Lane) throws(ShipFault) {
        if active[answer.owner] == nil {
            // Nothing stays open there for somebody who has left.
            if case .opened(let handle) = answer.answer { lane.ask(.close(handle), for: 0) }
            return
        }
        if case .write(_, _, let count) = answer.call, answer.answer == .done { acknowledged += Int64(count) }
        try tell(answer.owner, .answered(answer.call, answer.answer))
    }

    private func tell(_ id: Int, _ event: FileDelivery.Event) throws(ShipFault) {
        guard let one = active[id] else { return }
        let actions = one.delivery.handle(event)
        if !one.delivery.canSync { canSync = false }
        for action in actions { try carryOut(action, id, one) }
    }

    private func carryOut(_ action: FileDelivery.Action, _ id: Int, _ one: Active) throws(ShipFault) {
        switch action {
        case .ask(let call):
            if let lane = lanes[call.lane] { lane.ask(call, for: id) } else { try tell(id, .lost(lane: call.lane)) }
        case .tidy(let call): lanes[call.lane]?.ask(call, for: 0)
        case .save:
            journal.set(one.source.name, one.delivery.entry)
            saving.append(id)
        case .note: journal.set(one.source.name, one.delivery.entry)
        case .describe: describing.append(id)
        case .pass: order.pass(id)
        case .remove: removing.append(id)
        case .postpone(let fault):
            news.append(.postponed(one.source.name, fault))
            end(id)
        case .fail(let fault):
            // What was taken back must not be remembered as under way.
            if !saving.isEmpty { try journal.save() }
            throw fault
        case .over: end(id)
        }
    }

    /// A lane for each delivery that has none: the one with the least to do.
    private func assign(_ present: [any Lane]) throws(ShipFault) {
        for id in queue {
            guard let one = active[id], one.delivery.needsLane else { continue }
            guard let lane = present.filter(\.isReady).min(by: { $0.underWay < $1.underWay }) else { return }
            for action in one.delivery.begin(on: lane.number) { try carryOut(action, id, one) }
        }
    }

    private func giveTurns(_ present: [any Lane]) throws(ShipFault) {
        // All names over one lane: where the target keeps the order of requests, they arrive in it.
        guard let lane = present.first(where: \.isReady) else { return }
        let turns = order.turns(
            over: lane.number, keepsOrder: isPOSIX, ready: { active[$0]?.delivery.isAwaiting ?? false },
            isTurning: { active[$0]?.delivery.isRenaming ?? false })
        for id in turns {
            try tell(id, .turn(lane: lane.number))
        }
    }

    /// Nothing more is sent; what is there is made safe, so that the next start goes on from it.
    func secure(_ present: [any Lane]) {
        if isEnding { return }
        isEnding = true
        checkpoint()
    }

    /// Has the target make safe what a slow link has carried since the last time.
    func checkpoint() {
        for one in active.values {
            for call in one.delivery.checkpoint() { lanes[call.lane]?.ask(call, for: one.number) }
        }
    }

    // MARK: bytes

    private func hand(_ present: [any Lane], _ limit: inout RateLimit?) throws(ShipFault) -> Bool {
        var isBusy = false
        for lane in present where lane.isReady {
            var appetite = lane.appetite
            while appetite > 0 {
                let most = min(lane.longestWrite, limit?.allowance(at: .now()) ?? .max)
                guard most > 0 else { break }
                guard let given = try hand(to: lane, most: most, &isBusy) else { break }
                limit?.spend(given)
                appetite -= given
            }
        }
        return isBusy
    }

    /// One write, of the oldest file that has something for this lane; the bytes given, nil where there are none.
    private func hand(to lane: any Lane, most: Int, _ isBusy: inout Bool) throws(ShipFault) -> Int? {
        for id in queue {
            guard let one = active[id], one.delivery.waiting > 0, case .sending(let part) = one.delivery.step else { continue }
            if part == .pcap, try !hashStart(one, id, &isBusy) { continue }
            guard let (handle, range) = one.delivery.chunk(on: lane.number, most: most) else {
                if part == .pcap, isPOSIX, one.delivery.waiting >= Self.shared {
                    for call in one.delivery.join(lane.number) { lane.ask(call, for: id) }
                }
                continue
            }
            var fault: ShipFault?
            let isGiven = unsafe lane.write(handle, range, for: id) { bytes in
                do throws(ShipFault) {
                    switch part {
                    case .pcap: try unsafe one.source.read(range, into: bytes)
                    case .manifest: unsafe bytes.copyBytes(from: one.manifest[Int(range.lowerBound)..<Int(range.upperBound)])
                    }
                    return true
                } catch {
                    fault = error
                    return false
                }
            }
            if !isGiven {
                try spoil(id, one, fault ?? ShipFault(.file, "\(one.source.name) cannot be read"))
                continue
            }
            for call in one.delivery.tail() { try carryOut(.ask(call), id, one) }
            return range.count
        }
        return nil
    }

    /// What the target already has is hashed before anything is added to it.
    private func hashStart(_ one: Active, _ id: Int, _ isBusy: inout Bool) throws(ShipFault) -> Bool {
        if one.source.hashed >= one.delivery.entry.safe { return true }
        do throws(ShipFault) {
            if try one.source.hash(upTo: one.delivery.entry.safe, most: Self.hashing) { return true }
            isBusy = true
        } catch { try spoil(id, one, error) }
        return false
    }

    /// What was sent of it is no file: away with what is known of it.
    private func spoil(_ id: Int, _ one: Active, _ fault: ShipFault) throws(ShipFault) {
        try tell(id, .failed(fault))
        journal.forget(one.source.name)
    }

    // MARK: here

    /// Manifests. True where one has to wait for its hash.
    private func describe() throws(ShipFault) -> Bool {
        var later: [Int] = []
        let now = describing
        describing = []
        for id in now {
            guard let one = active[id] else { continue }
            do throws(ShipFault) {
                if let description = try describe(one) { try tell(id, .described(description)) } else { later.append(id) }
            } catch {
                if error.kind != .file { throw error }
                try tell(id, .failed(error))
            }
        }
        describing += later
        return !later.isEmpty
    }

    /// Over the network, too, a target may be the spool: the file here would be taken for the one delivered, and removed.
    private func refuseSpool(_ temporary: String) throws(ShipFault) {
        guard ((try? spool.status(temporary)) ?? nil) != nil else { return }
        for one in active.values { _ = try? spool.remove(one.delivery.entry.temporary) }
        throw ShipFault(.operators, "\(target) is the spool itself: files would be delivered onto themselves")
    }

    /// Made once; what has left this machine is never said differently.
    private func describe(_ one: Active) throws(ShipFault) -> FileDelivery.Description? {
        let file = one.source.name
        try refuseSpool(one.delivery.entry.temporary)
        let name = SpoolName.manifest(of: file)
        // NAME_MAX less what Directory.replace adds.
        guard name.utf8.count <= 250 else { throw ShipFault(.file, "\(file) is too long a name to have a manifest beside it: kept here") }
        let kept: [UInt8]?
        do { kept = try spool.read(name) } catch { throw .file(error) }
        if one.delivery.entry.phase != .uploading {
            guard let kept, let said = JSONFile.decode(Manifest.self, from: kept) else {
                journal.forget(file)
                throw ShipFault(.file, "manifest of \(file) is gone from the spool; it is sent again")
            }
            one.manifest = kept
            return FileDelivery.Description(size: Int64(kept.count), sha256: FileDigest.hex(FileDigest.of(kept)), pcap: said.sha256)
        }
        guard try one.source.hash(upTo: one.delivery.size, most: Self.hashing) else { return nil }
        let digest: [UInt8]
        do { digest = try one.source.finish() } catch {
            journal.forget(file)
            throw error
        }
        let hash = FileDigest.hex(digest)
        if let kept {
            guard let said = JSONFile.decode(Manifest.self, from: kept) else {
                throw ShipFault(.file, "\(name) in the spool is no manifest: move it away")
            }
            guard said.sha256 == hash, said.size == one.delivery.size else {
                throw ShipFault(.file, "\(file) is not what its manifest says (SHA-256 \(hash), not \(said.sha256)): kept here, not sent")
            }
            one.manifest = kept
        } else {
            let facts = JSONFile.read(CaptureFacts.self, SpoolName.meta(of: file), in: spool)
            let bytes = JSONFile.encode(Manifest(file: file, size: one.delivery.size, sha256: hash, capture: facts))
            try journal.withRoom { () throws(SystemError) in try spool.replace(name, with: bytes) }
            one.manifest = bytes
        }
        return FileDelivery.Description(size: Int64(one.manifest.count), sha256: FileDigest.hex(FileDigest.of(one.manifest)), pcap: hash)
    }

    private func save() throws(ShipFault) {
        if saving.isEmpty { return }
        let saved = saving
        saving = []
        try journal.save()
        for id in saved { try tell(id, .saved) }
    }

    /// The target has them: away with them here, unless another file has taken a name meanwhile.
    private func remove() throws(ShipFault) {
        if removing.isEmpty { return }
        let removed = removing
        removing = []
        var cleared: [Int] = []
        for id in removed {
            guard let one = active[id] else { continue }
            let file = one.source.name
            let packets = JSONFile.read(CaptureFacts.self, SpoolName.meta(of: file), in: spool)?.written
            do {
                let isStill = try spool.status(file)?.inode == one.source.status.inode
                if isStill { try spool.remove(file) }
                // What cannot go now is tried again as long as the journal knows of it.
                if (try? isStill ? spool.remove(SpoolName.meta(of: file)) : true) != nil,
                    (try? spool.remove(SpoolName.manifest(of: file))) != nil
                {
                    cleared.append(id)
                }
            } catch {
                try tell(id, .failed(.file(error)))
                continue
            }
            news.append(
                .delivered(
                    Delivered(file: file, bytes: one.delivery.size, packets: packets, seconds: .now() - one.began, isSynced: canSync)))
        }
        try ShipFault.here { () throws(SystemError) in try spool.sync() }
        for id in removed {
            if cleared.contains(id), let file = active[id]?.source.name { journal.forget(file) }
            try tell(id, .removed)
        }
        journal.keepReserve()
    }
}
