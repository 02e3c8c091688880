import Events
import Glibc
import Linux
import Spool
import Synchronization

/// The helper thread: fsync, facts, final names, the budget. Reading never waits for it.
final class Finisher: Sendable {
    enum Job: Sendable {
        case opened(nextSequence: UInt64)
        case finish(EndedFile)
        case activity(InterfaceState.Activity, at: String)
        case gap(Gap)
        case keepBudget
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
                case .opened(let next):
                    nextSequence.store(next, ordering: .relaxed)
                    attempt("state") { () throws(SystemError) in try ledger.setNext(next) }
                case .activity(let activity, let at):
                    attempt("state") { () throws(SystemError) in
                        try ledger.setActivity(activity, at: at, next: nextSequence.load(ordering: .relaxed))
                    }
                case .gap(let gap): attempt("gap") { () throws(SystemError) in try ledger.addGap(gap) }
                case .finish(let file): finish(file)
                case .keepBudget:
                    keepBudget()
                    finishAgain()
                case .end:
                    finishAgain()
                    return
                }
            }
        }
    }

    private func attempt(_ what: String, _ body: () throws(SystemError) -> Void) {
        do { try body() } catch {
            failures.add(1, ordering: .relaxed)
            log.say(Event(.erro, "write_failed", "cannot keep the \(what) of \(facts.interface): \(error)", ["reason": .text("\(error)")]))
        }
    }

    private func finishAgain() {
        for file in unfinished.withLock({ files in
            defer { files = [] }
            return files
        }) { finish(file, isAgain: true) }
    }

    private func finish(_ file: EndedFile, isAgain: Bool = false) {
        let counts = file.counts
        var told = CaptureFacts(
            sensor: facts.sensor, interface: facts.interface, series: facts.series, sequence: file.name.sequence,
            linktype: facts.linktype, snaplen: facts.snaplen, opened: file.opened.iso)
        told.filter = facts.filter
        told.excluded = file.excluded
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
            try checked("fsync \(file.name.part)") { Int(fsync(file.descriptor)) }
            try ledger.locked { () throws(SystemError) in
                let gaps = ledger.gaps()
                told.gaps = gaps.map(\.gap)
                try JSONFile.write(told, file.name.meta, in: spool)
                try spool.rename(file.name.part, to: file.name.pcap)
                try spool.sync()
                for gap in gaps { ledger.removeGap(gap.file) }
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
            attempt("state") { () throws(SystemError) in
                try ledger.setActivity(.capturing, at: told.last ?? told.opened, next: nextSequence.load(ordering: .relaxed))
            }
        case .failure(let error):
            unfinished.withLock { $0.append(file) }
            if !isAgain {
                failures.add(1, ordering: .relaxed)
                log.say(
                    Event(
                        .erro, "finish_failed",
                        "cannot finish \(file.name.pcap): \(error); it stays as \(file.name.part) and is tried again each second, and at the next start",
                        ["file": .text(file.name.pcap), "reason": .text("\(error)")]))
            }
        }
        if !isAgain { keepBudget() }
    }

    private func keepBudget() {
        attempt("budget") { () throws(SystemError) in try ledger.locked { () throws(SystemError) in dropOldest() } }
    }

    private func dropOldest() {
        for drop in BudgetKeeper.enforce(facts.budget, in: spool) {
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
