import Evidence
import Spool

/// The steps that bring one file and its manifest to the target, once and whole, whatever dies in between.
///
///     found      -> noting (journal: its temporary names) -> sending .pcap
///     sending    opening, writing, syncing: `Upload`; in the pass that hashes
///     describing the manifest, made once, fsynced here; then sending .manifest
///     committing journal: renaming
///     settling   .manifest: its final name, never over another
///     awaiting   until its predecessor has its final name
///     settling   .pcap: renaming, and checking where that was refused or the answer lost
///     waking     open and close: for whoever waits for a close after writing
///     removing   here
///     over
///
/// What survives a crash is the journal entry alone; `begin` goes on from it, on a new lane too.
struct FileDelivery {
    enum Part: Equatable { case pcap, manifest }
    /// Of a manifest: its own size and SHA-256, and that of the pcap.
    struct Description: Equatable { let size: Int64, sha256: String, pcap: String }
    enum Step: Equatable {
        case found, noting
        case verifying(Part)
        case sending(Part)
        case describing, committing
        case settling(Part)
        case awaiting, waking, removing
        case diagnosing(String, TargetAnswer.Refusal)
        case doubting(TargetAnswer.Refusal)
        case over
    }
    enum Event {
        case answered(TargetCall, TargetAnswer)
        /// The journal is on the disk.
        case saved
        /// So is the manifest.
        case described(Description)
        /// The predecessors have their final names.
        case turn(lane: Int)
        case lost(lane: Int)
        case removed
        /// Something here is wrong with this file alone.
        case failed(ShipFault)
    }
    enum Action: Equatable {
        case ask(TargetCall)
        /// Ask, and do without an answer.
        case tidy(TargetCall)
        /// Write the entry, then say `saved`.
        case save
        /// The entry has changed; it is early enough when it is written with the next.
        case note
        /// Make or read the manifest, then say `described`.
        case describe
        /// Its successors may have their turn.
        case pass
        case remove
        /// This file waits; the others go on.
        case postpone(ShipFault)
        /// Concerns the target, and so all files.
        case fail(ShipFault)
        case over
    }

    let file: String
    let size: Int64
    let target: String
    private(set) var entry: JournalEntry
    private(set) var step = Step.found
    private(set) var canSync: Bool
    private(set) var lane = -1
    private let isPOSIX: Bool
    /// A missing temporary file may have been cleared, long after the renames were begun.
    private let mayBeCleared: Bool
    private var isNew: Bool
    private var upload: Upload?
    private var settling: Settlement?
    private var manifest: Description?
    /// The final name may have been given already.
    private var mayBeDone: Bool
    private var woke: TargetHandle?
    private var restarts = 0
    private let fresh: () -> JournalEntry

    /// `fresh` makes an entry with names that nobody has used; `isPOSIX` as `Dispatcher` says.
    init(
        _ file: String, size: Int64, entry: JournalEntry?, target: String, canSync: Bool, isPOSIX: Bool, mayBeCleared: Bool = false,
        fresh: @escaping () -> JournalEntry
    ) {
        self.file = file
        self.size = size
        self.target = target
        self.entry = entry ?? fresh()
        self.isNew = entry == nil
        self.canSync = canSync
        self.isPOSIX = isPOSIX
        self.mayBeCleared = mayBeCleared
        self.mayBeDone = entry?.phase == .renaming
        self.fresh = fresh
    }

    private var manifestName: String { SpoolName.manifest(of: file) }
    var needsLane: Bool { step == .found }
    var isAwaiting: Bool { step == .awaiting }
    /// The pcap's rename has been asked for, and nobody has said no.
    var isRenaming: Bool { step == .settling(.pcap) && settling?.isRenaming ?? false }
    /// Bytes of the pcap acknowledged by the target.
    var done: Int64 {
        switch step {
        case .found, .noting, .verifying: entry.safe
        case .sending(.pcap): upload?.acknowledged ?? entry.safe
        default: size
        }
    }
    /// Bytes that no lane has been given yet.
    var waiting: Int64 {
        switch step {
        case .found, .noting: size - entry.safe
        case .sending: upload.map { $0.step == .opening ? size - entry.safe : $0.waiting } ?? 0
        default: 0
        }
    }
    var part: Part { if case .sending(let part) = step { part } else { .pcap } }

    // MARK: writing

    mutating func chunk(on lane: Int, most: Int) -> (handle: TargetHandle, range: Range<Int64>)? {
        guard case .sending = step else { return nil }
        return upload?.chunk(on: lane, most: most)
    }
    /// To be asked after each chunk.
    mutating func tail() -> [TargetCall] {
        guard case .sending = step else { return [] }
        return upload?.tail() ?? []
    }
    mutating func join(_ lane: Int) -> [TargetCall] {
        guard case .sending = step else { return [] }
        return upload?.join(lane) ?? []
    }

    mutating func checkpoint() -> [TargetCall] {
        guard case .sending(.pcap) = step else { return [] }
        return upload?.secure() ?? []
    }

    // MARK: the steps

    /// Starts, or goes on after its lane was lost.
    mutating func begin(on lane: Int) -> [Action] {
        guard step == .found else { return [] }
        self.lane = lane
        if isNew {
            isNew = false
            step = .noting
            return [.save]
        }
        switch entry.phase {
        case .uploading: return send(.pcap, isNew: false)
        case .uploaded:
            // Long ago, perhaps: somebody may have cleaned up there.
            step = .verifying(.pcap)
            return [.ask(.look(entry.temporary, lane: lane))]
        case .renaming: return describe()
        }
    }

    mutating func handle(_ event: Event) -> [Action] {
        switch event {
        case .answered(let call, let answer): return answered(call, answer)
        case .saved:
            switch step {
            case .noting: return send(.pcap, isNew: true)
            case .committing: return settleManifest()
            default: return []
            }
        case .described(let description):
            guard step == .describing else { return [] }
            manifest = description
            if entry.phase == .uploading, !entry.isManifestDone { return send(.manifest, isNew: false) }
            return commit()
        case .turn(let lane):
            guard step == .awaiting, let manifest else { return [] }
            return settle(
                .pcap,
                Settlement(
                    entry.temporary, to: file, size: size, sha256: manifest.pcap, mayBeDone: mayBeDone, looksFirst: !isPOSIX,
                    mayBeCleared: mayBeCleared),
                on: lane)
        case .lost(let lane): return lost(lane)
        case .removed:
            guard step == .removing else { return [] }
            step = .over
            return [.over]
        case .failed(let fault):
            if step == .over { return [] }
            guard step == .removing else { return postpone(fault) }
            // It has its final name, and must be known to have it.
            step = .over
            return [.postpone(fault)]
        }
    }

    private mutating func send(_ part: Part, isNew: Bool) -> [Action] {
        var upload =
            switch part {
            case .pcap: Upload(entry.temporary, size: size, safe: entry.safe, isNew: isNew, canSync: canSync)
            case .manifest: Upload(entry.manifestTemporary, size: manifest?.size ?? 0, safe: 0, isNew: isNew, canSync: canSync)
            }
        step = .sending(part)
        let calls = upload.begin(on: lane)
        self.upload = upload
        return calls.map { .ask($0) }
    }

    private mutating func describe() -> [Action] {
        step = .describing
        return [.describe]
    }

    private mutating func commit() -> [Action] {
        if entry.phase == .renaming {
            step = .committing
            return settleManifest()
        }
        entry.phase = .renaming
        step = .committing
        return [.save]
    }

    private mutating func settleManifest() -> [Action] {
        guard let manifest else { return describe() }
        if entry.isManifestDone {
            step = .awaiting
            return []
        }
        return settle(
            .manifest,
            Settlement(
                entry.manifestTemporary, to: manifestName, size: manifest.size, sha256: manifest.sha256, mayBeDone: mayBeDone,
                looksFirst: !isPOSIX, mayBeCleared: mayBeCleared), on: lane)
    }

    private mutating func settle(_ part: Part, _ settlement: Settlement, on lane: Int) -> [Action] {
        var settlement = settlement
        let calls = settlement.begin(on: lane)
        settling = settlement
        step = .settling(part)
        return calls.map { .ask($0) }
    }

    // MARK: answers

    private mutating func answered(_ call: TargetCall, _ answer: TargetAnswer) -> [Action] {
        switch step {
        case .verifying(let part): return verified(part, answer)
        case .sending(let part):
            guard var upload else { return [] }
            let (calls, outcome) = upload.answered(call, answer)
            self.upload = upload
            canSync = upload.syncs
            return calls.map { .ask($0) } + sent(part, outcome)
        case .settling(let part):
            guard var settlement = settling else { return [] }
            let (calls, outcome) = settlement.answered(call, answer)
            settling = settlement
            return calls.map { .ask($0) } + settled(part, outcome)
        case .waking:
            switch (call, answer) {
            case (.open, .opened(let handle)):
                woke = handle
                return [.ask(.close(handle))]
            // It may have been taken away already.
            case (.open, .refused): return woken()
            case (.close(let handle), _) where handle == woke: return woken()
            default: return []
            }
        case .diagnosing(let what, let refusal):
            guard case .space = call else { return [] }
            step = .over
            return [.fail(ShipFault(.operators, Self.words(what, Self.why(what, refusal, answer), target)))]
        case .doubting(let refusal):
            guard case .look = call else { return [] }
            if case .status = answer { return anew() }
            return diagnose("make a file", refusal)
        case .found, .noting, .describing, .committing, .awaiting, .removing, .over:
            // Of a lane that this delivery has left: nothing stays open there.
            if case .opened(let handle) = answer { return [.ask(.close(handle))] }
            return []
        }
    }

    private mutating func verified(_ part: Part, _ answer: TargetAnswer) -> [Action] {
        switch (part, answer) {
        case (.pcap, .status(let there)) where there.size == size:
            if entry.isManifestDone { return describe() }
            step = .verifying(.manifest)
            return [.ask(.look(entry.manifestTemporary, lane: lane))]
        case (.manifest, .status): return describe()
        case (_, .status), (_, .refused(.missing)): return anew()
        case (_, .refused(let refusal)): return refused("look at \(entry.temporary)", refusal)
        default: return anew()
        }
    }

    private mutating func sent(_ part: Part, _ outcome: Upload.Outcome) -> [Action] {
        switch outcome {
        case .going: return []
        case .safe(let offset):
            if part == .pcap { entry.safe = offset }
            return [.save]
        case .whole:
            if part == .manifest { return commit() }
            entry.safe = upload?.safe ?? 0
            return describe()
        case .adrift: return adrift()
        case .gone: return anew()
        case .refused(let what, let refusal): return refused(what, refusal)
        }
    }

    private mutating func settled(_ part: Part, _ outcome: Settlement.Outcome) -> [Action] {
        switch outcome {
        case .going: return []
        case .done:
            switch part {
            case .manifest:
                entry.isManifestDone = true
                step = .awaiting
                return [.note]
            case .pcap:
                // Where opening a file may empty it, nobody is woken.
                if !isPOSIX { return [.pass] + woken() }
                step = .waking
                return [.pass, .ask(.open(file, .existing, lane: settling?.lane ?? lane))]
            }
        case .gone: return anew()
        case .conflict, .unreadable:
            let content = outcome == .conflict ? "with other content" : "and may not be read by this account, which counts as other content"
            let name = part == .pcap ? file : manifestName
            return postpone(
                ShipFault(
                    .file,
                    "\(name) is already at \(target) \(content) (two sensors of one name, or a drop box or state directory put back from a backup?): kept here, nothing overwritten"
                ))
        case .directoryGone: return uncommit() + [.fail(ShipFault(.operators, "the directory of \(target) is gone"))]
        case .refused(let why):
            let name = part == .pcap ? file : manifestName
            return uncommit() + [.fail(ShipFault(.operators, "\(target) refuses to rename a temporary file to \(name): \(why.words)"))]
        }
    }

    private mutating func woken() -> [Action] {
        step = .removing
        return [.remove]
    }

    // MARK: what goes wrong

    /// A definite answer: no rename is under way any more, and a missing temporary will mean nothing.
    private mutating func uncommit() -> [Action] {
        guard entry.phase == .renaming else { return [] }
        entry.phase = .uploaded
        mayBeDone = false
        return [.save]
    }

    private mutating func postpone(_ fault: ShipFault) -> [Action] {
        let closing = (upload?.open ?? []).map { Action.ask(.close($0)) } + (settling?.open ?? []).map { Action.ask(.close($0)) }
        let saving = uncommit()
        step = .over
        return closing + saving + [.pass, .postpone(fault)]
    }

    private mutating func refused(_ what: String, _ refusal: TargetAnswer.Refusal) -> [Action] {
        let closing = (upload?.open ?? []).map { Action.ask(.close($0)) }
        let temporary = upload?.temporary ?? entry.temporary
        upload = nil
        if what == "make a file" {
            // Perhaps because of what is there under the temporary name: a directory, somebody else's file.
            step = .doubting(refusal)
            return closing + [.ask(.look(temporary, lane: lane))]
        }
        return closing + diagnose(what, refusal)
    }

    private mutating func diagnose(_ what: String, _ refusal: TargetAnswer.Refusal) -> [Action] {
        // A full disk arrives as a bare "failure".
        if case .other = refusal {
            step = .diagnosing(what, refusal)
            return [.ask(.space(lane: lane))]
        }
        step = .over
        return [.fail(ShipFault(.operators, Self.words(what, refusal, target)))]
    }

    /// Why something was refused, knowing what is free.
    static func why(_ what: String, _ refusal: TargetAnswer.Refusal, _ free: TargetAnswer) -> TargetAnswer.Refusal {
        guard case .space(let bytes) = free else { return free == .refused(.readOnly) ? .readOnly : refusal }
        if bytes < 1 << 20 { return .full }
        // The protocol has no word for a quota, and statvfs(3) does not count it.
        guard what == "write", case .other(let words) = refusal else { return refusal }
        return .other("\(words) (its disk has room: a quota of the account is used up, or the disk is faulty)")
    }

    static func words(_ what: String, _ refusal: TargetAnswer.Refusal, _ target: String) -> String {
        switch (what, refusal) {
        case (_, .full): "disk of \(target) is full: make space there"
        case ("make a file", .missing):
            "the directory of \(target) does not exist, or is no directory: make it there, or correct SCP_TARGET"
        case ("make a file", .denied): "the directory of \(target) is not writable for this account: give it to the account there (chown)"
        // A bare path would not say what it is.
        default: "\(target.hasPrefix("/") || target.hasPrefix(".") ? "target " : "")\(target) cannot \(what): \(refusal.words)"
        }
    }

    private mutating func adrift() -> [Action] {
        let closing = (upload?.open ?? []).map { Action.ask(.close($0)) }
        upload = nil
        step = .found
        return closing
    }

    /// The temporary files are not what they should be, or somebody else's: other names, from the start.
    private mutating func anew() -> [Action] {
        let closing =
            (upload?.open ?? []).map { Action.ask(.close($0)) }
            + [entry.temporary, entry.manifestTemporary].map { .tidy(.remove($0, lane: lane)) }
        upload = nil
        settling = nil
        restarts += 1
        var next = fresh()
        next.isManifestDone = entry.isManifestDone
        entry = next
        mayBeDone = false
        isNew = true
        step = .found
        guard restarts < 3 else {
            step = .over
            return closing + [.save, .pass, .postpone(ShipFault.temporaryGone)]
        }
        return closing
    }

    private mutating func lost(_ lost: Int) -> [Action] {
        switch step {
        // Nothing of it is on a lane; what is asked next on a lane that is gone is answered with its loss.
        case .found, .noting, .describing, .committing, .awaiting, .removing, .over: return []
        case .diagnosing, .doubting:
            if lost == lane { step = .found }
            return []
        case .sending(let part):
            guard var upload else { return [] }
            let outcome = upload.lost(lost)
            self.upload = upload
            return sent(part, outcome)
        case .verifying:
            if lost == lane { step = .found }
            return []
        case .settling(let part):
            guard let settlement = settling, settlement.lane == lost else { return [] }
            settling = nil
            mayBeDone = true
            step = part == .pcap ? .awaiting : .found
            return []
        case .waking:
            guard settling?.lane == lost else { return [] }
            // Once more, for the close: the rename finds that it was done.
            mayBeDone = true
            step = .awaiting
            return []
        }
    }
}
