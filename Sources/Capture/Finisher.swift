import Events
import Glibc
import Linux
import Spool
import Synchronization

/// The helper thread: fsync, facts, final names, the budget. Reading never waits for it.
final class Finisher: Sendable {
    enum Job: Sendable {
        case opened(nextSequence: UInt64, excluded: String?)
        case finish(EndedFile)
        case activity(InterfaceState.Activity, at: String)
        case gap(Gap)
        /// What the disk refused since the last file.
        case lost(FileCounts)
        case keepBudget
        /// After what was posted before.
        case say(Event)
        case end
    }

    struct Facts: Sendable {
        var sensor: String
        var interface: String
        var series: String
        var linktype: Int32
        var snaplen: Int32
        var filter: String?
        var budget: BudgetSettings
        var offloads: [String]?
    }

    private let jobs = Mutex<[Job]>([])
    private let wake: Int32
    private let wait: Int32
    private let spool: Directory
    private let ledger: Ledger
    private let facts: Facts
    private let log: WorkerLog
    private let thread = Mutex<pthread_t?>(nil)
    private let failures = Atomic<Int>(0)
    private let nextSequence = Atomic<UInt64>(1)
    private let tornAway = Atomic<UInt64>(0)
    /// Counts of files of which nothing is left; only the thread changes it.
    private let carried = Mutex(FileCounts())
    /// Gaps that no file could be made for yet; only the thread changes it.
    private let untold = Mutex<[Gap]>([])
    private let complained = Mutex<[String: String]>([:])
    private let keeper = Mutex(BudgetKeeper())
    /// Files whose final name could not be given yet; only the thread changes it.
    private let unfinished = Mutex<[EndedFile]>([])

    init(spool: consuming Directory, ledger: consuming Ledger, facts: Facts, log: WorkerLog) throws(SystemError) {
        let pipe = try Pipe.make()
        let (wait, wake) = pipe.keepBoth()
        self.wait = wait
        self.wake = wake
        self.spool = spool
        self.ledger = ledger
        self.facts = facts
        self.log = log
    }

    var hasFailed: Bool { failures.load(ordering: .relaxed) > 0 }
    /// Packets that were written and did not stay: the disk had refused the rest of their record, or of the file.
    var lostWhileFinishing: UInt64 { tornAway.load(ordering: .relaxed) }
    var hasUnfinished: Bool { unfinished.withLock { !$0.isEmpty } }

    func start() {
        var id = pthread_t()
        let me = unsafe Unmanaged.passRetained(self).toOpaque()
        unsafe pthread_create(
            &id, nil,
            {
                unsafe Unmanaged<Finisher>.fromOpaque($0!).takeRetainedValue().run()
                return nil
            }, me)
        thread.withLock { $0 = id }
    }

    func post(_ job: Job) {
        jobs.withLock { $0.append(job) }
        var byte: UInt8 = 1
        unsafe write(wake, &byte, 1)
    }

    /// Does what is left and ends the thread.
    func join() {
        post(.end)
        if let id = thread.withLock({ $0 }) { pthread_join(id, nil) }
    }

    private func run() {
        var bytes = [UInt8](repeating: 0, count: 64)
        while unsafe read(wait, &bytes, bytes.count) > 0 {
            for job in jobs.withLock({ jobs in
                defer { jobs = [] }
                return jobs
            }) {
                switch job {
                case .opened(let next, let excluded):
                    nextSequence.store(next, ordering: .relaxed)
                    let recording = InterfaceState.Recording(filter: facts.filter, excluded: excluded, offloads: facts.offloads)
                    attempt("state") { () throws(SystemError) in try ledger.setNext(next, recording: recording) }
                case .activity(let activity, let at):
                    if activity != .capturing { settle() }
                    setActivity(activity, at: at)
                case .say(let event): log.say(event)
                case .gap(let gap): tell(gap)
                case .lost(let counts): carried.withLock { $0.add(counts) }
                case .finish(let file): finish(file)
                case .keepBudget:
                    keepBudget()
                    tellAgain()
                    finishAgain()
                case .end:
                    settle()
                    return
                }
            }
        }
    }

    // MARK: gaps

    /// Writes a gap down, or keeps it until it can be: no loss is forgotten because the disk has no room for its record.
    private func tell(_ gap: Gap) {
        do {
            try ledger.addGap(gap)
        } catch {
            untold.withLock { $0.append(gap) }
            failed("gap", error)
        }
    }

    /// Nothing comes any more: what is left is finished and told now, or by the next start.
    private func settle() {
        finishAgain()
        tellCarried()
        tellAgain(isLast: true)
    }

    private func tellAgain(isLast: Bool = false) {
        let gaps = untold.withLock { gaps in
            defer { gaps = [] }
            return gaps
        }
        for gap in gaps {
            do {
                if isLast {
                    try ledger.spendingReserve { () throws(SystemError) in try ledger.addGap(gap) }
                } else {
                    try ledger.addGap(gap)
                }
            } catch { untold.withLock { $0.append(gap) } }
        }
    }

    /// `at`, or as long as a gap stands nowhere, its beginning: after a crash more is told than was lost, never less.
    private func setActivity(_ activity: InterfaceState.Activity, at: String) {
        let since = untold.withLock { $0.map(\.from).min() }.map { min($0, at) } ?? at
        func write() throws(SystemError) {
            try ledger.setActivity(activity, at: since, next: nextSequence.load(ordering: .relaxed))
        }
        attempt("state") { () throws(SystemError) in
            if activity == .capturing { try write() } else { try ledger.spendingReserve { () throws(SystemError) in try write() } }
        }
        if activity == .capturing { ledger.keepReserve() }
    }

    private func failed(_ what: String, _ error: SystemError) {
        failures.add(1, ordering: .relaxed)
        let words = "cannot keep the \(what) of \(facts.interface): \(error)"
        // It is tried again and again; it is said once, until something else is wrong.
        if complained.withLock({ said in
            defer { said[what] = words }
            return said[what] == words
        }) {
            return
        }
        log.say(Event(.erro, "write_failed", words, ["reason": .text("\(error)")]))
    }

    private func attempt(_ what: String, _ body: () throws(SystemError) -> Void) {
        do {
            try body()
            complained.withLock { $0[what] = nil }
        } catch { failed(what, error) }
    }

    /// What no file tells of stands in the next start's first one.
    private func tellCarried() {
        let counts = carried.withLock { counts in
            defer { counts = FileCounts() }
            return counts
        }
        let lost = counts.lostToDisk + counts.kernelDropped + counts.interfaceDropped
        if lost == 0 { return }
        let (from, to) =
            counts.lostToDisk == 0
            ? (WallTime.now(), WallTime.now()) : (WallTime(microseconds: counts.lostFrom), WallTime(microseconds: counts.lostTo))
        tell(Gap(from: from.iso, to: to.iso, reason: Gap.diskReason, lost: lost))
    }

    private func finishAgain() {
        for file in unfinished.withLock({ files in
            defer { files = [] }
            return files
        }) { finish(file, isAgain: true) }
    }

    /// What a refusal of the disk left is cut at its last whole record; nil where nothing is left of it.
    private func mended(_ file: EndedFile) throws(SystemError) -> EndedFile? {
        var file = file
        let before = file.counts.written
        if file.isTorn {
            let part = try spool.open(file.name.part, flags: O_RDONLY)
            let scanner = try PcapScanner.whole(part)
            file.bytes = scanner.wholeBytes
            file.counts.written = scanner.packets
            file.counts.cut = scanner.cut
            file.counts.lose(before - min(before, scanner.packets), from: scanner.last ?? file.counts.first, to: file.counts.last)
            if let last = scanner.last { file.counts.last = last }
        }
        file.counts.add(carried.withLock { $0 })
        if file.counts.written == 0 { try spool.remove(file.name.part) }
        carried.withLock { $0 = file.counts.written == 0 ? file.counts : FileCounts() }
        tornAway.add(before - min(before, file.counts.written), ordering: .relaxed)
        return file.counts.written == 0 ? nil : file
    }

    private func finish(_ ended: EndedFile, isAgain: Bool = false) {
        var file = ended
        if !isAgain || ended.isTorn {
            let whole = Result { () throws(SystemError) in try mended(ended) }
            switch whole {
            case .success(let mended?):
                file = mended
                file.isTorn = false
            case .success(nil):
                close(ended.descriptor)
                return keepBudget()
            case .failure(let error): return keep(ended, isAgain: isAgain, error)
            }
        }
        let counts = file.counts
        var told = CaptureFacts(
            sensor: facts.sensor, interface: facts.interface, series: facts.series, sequence: file.name.sequence,
            linktype: facts.linktype, snaplen: facts.snaplen, opened: file.opened.iso)
        told.filter = facts.filter
        told.excluded = file.excluded
        told.offloads = facts.offloads
        told.finished = WallTime.now().iso
        told.first = WallTime(microseconds: counts.first).iso
        told.last = WallTime(microseconds: counts.last).iso
        told.written = counts.written
        told.received = counts.kernelReceived
        told.droppedByKernel = counts.kernelDropped
        told.droppedByInterface = counts.interfaceDropped
        told.lostToDisk = counts.lostToDisk
        told.cut = counts.cut
        let finished = Result { () throws(SystemError) in
            // Gives back the room that was taken ahead, too.
            try checked("ftruncate \(file.name.part)") { Int(ftruncate(file.descriptor, off_t(file.bytes))) }
            try checked("fsync \(file.name.part)") { Int(fsync(file.descriptor)) }
            try ledger.locked { () throws(SystemError) in
                let gaps = ledger.gaps()
                told.tell(gaps.map(\.gap) + untold.withLock { $0 })
                try JSONFile.write(told, file.name.meta, in: spool)
                try spool.rename(file.name.part, to: file.name.pcap)
                try spool.sync()
                for gap in gaps { ledger.removeGap(gap.file) }
                untold.withLock { $0 = [] }
            }
        }
        switch finished {
        case .success:
            close(file.descriptor)
            let dropped = counts.kernelDropped + counts.interfaceDropped + counts.lostToDisk
            log.say(
                Event(
                    .info, "finished",
                    "finished \(file.name.pcap) packets=\(counts.written) bytes=\(file.bytes) dropped=\(dropped)",
                    [
                        "file": .text(file.name.pcap), "packets": .number(Int64(counts.written)),
                        "bytes": .number(file.bytes), "dropped": .number(Int64(dropped)),
                    ]))
            setActivity(.capturing, at: told.last ?? told.opened)
        case .failure(let error): return keep(file, isAgain: isAgain, error)
        }
        if !isAgain { keepBudget() }
    }

    private func keep(_ file: EndedFile, isAgain: Bool, _ error: SystemError) {
        unfinished.withLock { $0.append(file) }
        if isAgain { return }
        failures.add(1, ordering: .relaxed)
        log.say(
            Event(
                .erro, "finish_failed",
                "cannot finish \(file.name.pcap): \(error); it stays as \(file.name.part) and is tried again each second, and at the next start",
                ["file": .text(file.name.pcap), "reason": .text("\(error)")]))
        keepBudget()
    }

    private func keepBudget() {
        attempt("budget") { () throws(SystemError) in try ledger.locked { () throws(SystemError) in dropOldest() } }
    }

    private func dropOldest() {
        for drop in keeper.withLock({ $0.enforce(facts.budget, in: spool) }) {
            let lost = drop.packets
            log.say(
                Event(
                    .warn, "dropped",
                    "dropped \(drop.file) to keep the spool's budget: packets=\(lost.map(String.init) ?? "?") bytes=\(drop.bytes)",
                    ["file": .text(drop.file), "packets": lost.map { .number(Int64($0)) } ?? .none, "bytes": .number(drop.bytes)]))
            // On a full disk the gap finds room where the packets were. What cannot be told now is told again later:
            // the name and the facts stay until then.
            BudgetKeeper.empty(drop, in: spool)
            attempt("gap") { () throws(SystemError) in
                for gap in [drop.gap] + drop.carried { try ledger.addGap(gap, interface: drop.interface) }
                BudgetKeeper.forget(drop, in: spool)
            }
        }
    }
}
