import CLinux
import Events
import Evidence
import Glibc
import Linux
import Settings
import Spool

/// Finished files to the target, oldest first, for ever.
public struct ShipWorker: ~Copyable {
    /// A connection without work is kept for so many seconds: longer than a file takes to be captured.
    private static let linger = 75.0
    /// Below everything that was not told to be nice, above what was told to be nicest (nice(1)).
    private static let niceness: Int32 = 10
    /// Before the end of a stop: what the target has is secured then, and nothing more is sent.
    private static let securing = 0.8
    /// How often at least what a slow link has carried is made safe.
    private static let checkpointing = 5.0
    /// How often the spool is listed while there is work.
    private static let relisting = 0.1
    /// With more files known the spool need not be listed.
    private static let fewWait = 128
    /// After a change of the network.
    private static let settling = 0.5
    /// Stands for files whose sizes nobody has looked at.
    private static let muchWaits: Int64 = 16 << 20
    /// Bytes of a TCP segment that pass a tunnel whose path MTU nobody learns.
    private static let smallSegment: Int32 = 1208
    /// How long, at a stop, capture is given to finish its last file.
    private static let lastFiles = 1.5
    /// How long `--once` waits for files that are still being written.
    private static let resting = 10.0
    /// How long capture may take to leave out new addresses.
    private static let filterPause = 1.0

    private struct Postponed {
        var schedule = RetrySchedule()
        var until: MonotonicTime
        var said: String?
    }

    private let options: ShipOptions
    private let log: WorkerLog
    private let stop: StopWatch
    private let lock: Descriptor
    private var watch: SpoolWatch
    private let journal: Journal
    private var rate: RateLimit?
    private var progress = ProgressLine()
    private var maxSegment: Int32?
    private var schedule = RetrySchedule()
    private var said: ShipFault?
    /// Faults that come by turns are still one line each.
    private var saidSinceDelivery: Set<String> = []
    /// The last attempt did not get through to the account.
    private var isAway = true
    private var wasAway = true
    /// Bytes that targets have acknowledged over earlier connections.
    private var done: Int64 = 0
    private var saidSync = false
    private var postponed: [String: Postponed] = [:]
    /// Finished files, as they were counted last.
    private var waiting = 0
    private let status: StatusKeeper
    private var saidUnreadable: Set<String> = []

    public init(_ options: ShipOptions) throws {
        let stop = try StopWatch(isSupervised: options.isSupervised)
        unsafe sensor_prctl_name("sensor-ship")
        // Each file under way is open here, too.
        sensor_raise_open_files()
        // A considerate guest: what the host is for goes first. A refusal changes nothing.
        setpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0, Self.niceness)
        // A local directory may be somebody else's, which root writes by CAP_DAC_OVERRIDE only.
        if options.isSupervised, case .ssh = options.target { sensor_drop_capabilities() }
        _ = try Directory(options.spool, create: true)
        let state = try Directory(options.state, create: true)
        // On the directory itself, so that it holds whatever state directory the other one uses.
        let lock = try Descriptor.open(options.spool, flags: O_RDONLY | O_DIRECTORY)
        guard flock(lock.number, LOCK_EX | LOCK_NB) == 0 else {
            throw ShipFault(.operators, "another shipper works on \(options.spool) (it holds a lock on the directory)")
        }
        self.watch = try SpoolWatch(options.spool)
        self.journal = Journal(state)
        self.rate = options.limit.map { RateLimit(bytesPerSecond: $0) }
        self.status = StatusKeeper(options)
        self.options = options
        self.log = WorkerLog(options.face, overProgress: options.showsProgress)
        self.stop = stop
        self.lock = lock
    }

    private var label: String { options.label }

    /// Returns the exit code.
    public mutating func run() -> Int32 {
        defer { if options.showsProgress { progress.show(0, isLast: true) { _ in "" } } }
        do throws(ShipFault) {
            journal.keepReserve()
            let patience = MonotonicTime.now() + Self.resting
            while true {
                let queue = try pending()
                if queue.isEmpty {
                    if options.once {
                        // What somebody has just put there is still resting; what never rests is left.
                        guard let look = watch.nextLook, look < patience else {
                            try journal.save()
                            return postponed.isEmpty && watch.nextLook == nil && watch.unreadable.isEmpty ? 0 : 1
                        }
                        try stop.wait(until: look)
                        continue
                    }
                    try rest()
                    continue
                }
                if let seconds = closed {
                    try rest(closedFor: seconds)
                    continue
                }
                do throws(ShipFault) { try deliver() } catch {
                    if error.kind == .stopped { throw error }
                    try endure(error)
                }
            }
        } catch {
            if error.kind != .stopped {
                say(error)
                return 1
            }
            try? journal.save()
            return options.once ? 1 : 0
        }
    }

    /// Ends what a crash left between unlinking a pcap and unlinking what lies beside it. The entries of files that are gone.
    @discardableResult
    static func clearDelivered(_ journal: Journal, spool: borrowing Directory) throws(ShipFault) -> [JournalEntry] {
        var gone: [JournalEntry] = []
        for file in journal.entries.keys.sorted() {
            do {
                guard try spool.status(file) == nil else { continue }
                try spool.remove(SpoolName.manifest(of: file))
                try spool.remove(SpoolName.meta(of: file))
            } catch { continue }
            if let entry = journal.entries[file] { gone.append(entry) }
            journal.forget(file)
        }
        if !journal.entries.isEmpty || !gone.isEmpty { try journal.save() }
        return gone
    }

    // MARK: waiting

    /// Seconds until bytes may flow (SCP_HOURS); nil where they may now.
    private var closed: Int? {
        let time = WallTime.now().localTimeOfDay
        if options.once || options.hours.isOpen(minuteOfDay: time.minute) { return nil }
        return options.hours.secondsUntilChange(minuteOfDay: time.minute, second: time.second)
    }

    /// Finished files whose time has come.
    private mutating func pending(besides dispatcher: Dispatcher? = nil) throws(ShipFault) -> [String] {
        let now = MonotonicTime.now()
        postponed = postponed.filter { watch.exists($0.key) }
        var known = dispatcher?.names ?? []
        for (name, entry) in postponed where entry.until > now || options.once { known.insert(name) }
        let ready = try watch.finished(besides: known)
        for name in watch.unreadable where saidUnreadable.insert(name).inserted {
            let why = "\(name) in the spool is no UTF-8 name: kept here, rename it"
            log.say(Event(.erro, "file_kept", why, ["file": .text(name), "reason": .text(why), "target": .text(label)]))
        }
        waiting = watch.count + known.count
        return ready
    }

    private var nextDue: MonotonicTime {
        ([watch.nextLook] + postponed.values.map { Optional($0.until) }).compactMap { $0 }.min() ?? .now() + options.interval
    }

    /// While the hours are closed nothing that becomes due is done: to wake for it would be to wake again at once.
    static func wake(closedFor seconds: Int?, due: MonotonicTime, interval: Double, now: MonotonicTime) -> MonotonicTime {
        // The clock on the wall may jump meanwhile.
        seconds.map { now + min(Double($0), interval) } ?? due
    }

    /// Nothing to do and no connection.
    private mutating func rest(closedFor seconds: Int? = nil) throws(ShipFault) {
        if stop.isStopping {
            if seconds != nil { throw .stopped }
            return try awaitLastFiles()
        }
        try? journal.save()
        tell(closedFor: seconds)
        try stop.wait(watch.descriptor, until: Self.wake(closedFor: seconds, due: nextDue, interval: options.interval, now: .now()))
        _ = watch.hear()
    }

    /// At a stop: capture is finishing its last file, which should not wait for the next start.
    private mutating func awaitLastFiles() throws(ShipFault) {
        let end = MonotonicTime.now() + Self.lastFiles
        while options.isSupervised, captureIsEnding, .now() < end {
            try stop.wait(watch.descriptor, until: min(end, .now() + 0.02))
            // What is heard may be of a file that is delivered already, with another still to come.
            if watch.hear(), try !pending().isEmpty { break }
        }
        if try pending().isEmpty { throw .stopped }
        stop.grant(Self.lastFiles)
    }

    private var captureIsEnding: Bool {
        guard let state = try? Directory(options.state), let capturing = try? InterfaceState.capturing(in: state) else { return false }
        return !capturing.isEmpty
    }

    /// A fault: said when it is a new one, then time.
    private mutating func endure(_ fault: ShipFault) throws(ShipFault) {
        if saidSinceDelivery.insert(fault.description).inserted { say(fault) }
        said = fault
        if options.once || stop.isStopping { throw .stopped }
        let delay = schedule.delay(after: fault.kind, at: .now(), dice: Double.random(in: 0...1))
        var end = MonotonicTime.now() + delay
        status.failed(fault, nextTry: delay)
        tell()
        let network = fault.kind == .passing ? NetworkChanges() : nil
        while .now() < end {
            let woken = try stop.wait(network?.descriptor ?? -1, until: end, untilStop: true)
            // It may be back: soon, when it has settled.
            if woken.read, network?.hear() ?? false { end = min(end, .now() + Self.settling) }
        }
    }

    /// For `status`.
    private mutating func tell(_ dispatcher: Dispatcher? = nil, streams: Int = 0, closedFor seconds: Int? = nil) {
        status.tell(
            kept: postponed.values.count { $0.said != nil }, underWay: dispatcher?.underWay ?? [],
            delivered: done + (dispatcher?.acknowledged ?? 0), streams: streams, closedFor: seconds)
    }

    private func say(_ fault: ShipFault) {
        let level: Level = fault.kind == .passing ? .warn : .erro
        log.say(
            Event(
                level, "delivery_failed", "\(fault.description); everything is kept\(options.once ? "" : ", trying again")",
                ["kind": .text(fault.kind.rawValue), "reason": .text(fault.description), "target": .text(label)]))
    }

    // MARK: delivering

    private mutating func deliver() throws(ShipFault) {
        switch options.target {
        case .directory(let path): try serve(.directory(try DirectoryLane(path, number: 1)))
        case .ssh(let ssh):
            let uplink = try uplink(to: ssh)
            do throws(ShipFault) { try serve(.ssh(uplink)) } catch {
                // What gets no packet through, though it connects, may be told so by smaller ones.
                if uplink.wentSilent { maxSegment = maxSegment == nil ? Self.smallSegment : nil }
                throw error
            }
        }
    }

    private func bytes(of files: ArraySlice<String>) -> Int64 {
        guard let spool = try? Directory(options.spool) else { return 0 }
        return files.reduce(0) { $0.addingSaturated(((try? spool.status($1)) ?? nil)?.size ?? 0) }
    }

    /// Everything that is finished, and what comes while the connection is kept.
    private mutating func serve(_ way: Way) throws(ShipFault) {
        var left = try Self.clearDelivered(journal, spool: try ShipFault.here { () throws(SystemError) in try Directory(options.spool) })
        let dispatcher = Dispatcher(
            spool: try ShipFault.here { () throws(SystemError) in try Directory(options.spool) }, journal: journal, target: label)
        defer {
            try? journal.save()
            done += dispatcher.acknowledged
        }
        dispatcher.isCautious = said != nil
        var queue = try pending(besides: dispatcher)[...]
        let backlog = bytes(of: queue.prefix(Self.fewWait))
        var listed = MonotonicTime.now()
        var heard = false
        var idleSince: MonotonicTime?
        while true {
            let now = MonotonicTime.now()
            var isBusy = false
            do throws(ShipFault) { isBusy = try way.advance(now: now) } catch {
                // A server that ends a connection nobody uses is not a fault.
                if idleSince != nil, error.kind == .passing { return }
                throw error
            }
            if way.isReady {
                greet(way)
                // What a file that is gone here has left there; where the account may not, it stays.
                for entry in left where entry.target == label {
                    for name in [entry.temporary, entry.manifestTemporary] {
                        way.lanes[0].ask(.remove(name, lane: way.lanes[0].number), for: 0)
                    }
                }
                left = []
                dispatcher.isPOSIX = way.isPOSIX
                while !dispatcher.isEnding, dispatcher.takesMore, let file = queue.popFirst() { try start(file, dispatcher) }
            }
            if let remaining = stop.remaining, remaining < Self.securing { dispatcher.secure(way.lanes) }
            if try dispatcher.step(way.lanes, &rate) { isBusy = true }
            for news in dispatcher.takeNews() {
                take(news)
                dispatcher.isCautious = false
            }
            // There is room for the next, and nothing under way that would wake for it.
            if way.isReady, !dispatcher.isEnding, dispatcher.takesMore, !queue.isEmpty { isBusy = true }
            showProgress(dispatcher)
            let behind = queue.isEmpty ? 0 : way.isReady ? Self.muchWaits : backlog
            try way.adapt(
                now: now, waiting: dispatcher.waiting.addingSaturated(behind), done: dispatcher.acknowledged, isHeld: rate?.isSpent ?? false
            )
            if try way.advance(now: now) { isBusy = true }
            if stop.isOver { throw .stopped }
            if dispatcher.isEnding, way.underWay == 0 {
                if stop.isStopping { throw .stopped }
                return
            }
            if status.isDue(now) {
                if closed != nil { dispatcher.secure(way.lanes) }
                tell(dispatcher, streams: way.lanes.count)
            }
            if heard || watch.isPartial, queue.count < Self.fewWait, now - listed > Self.relisting || dispatcher.count == 0 {
                queue = try pending(besides: dispatcher)[...]
                (heard, listed) = (false, .now())
                if !queue.isEmpty { isBusy = true }
            }
            var due = [
                way.due, status.due, dispatcher.count > 0 ? now + Self.checkpointing : nil,
                rate?.due(now, isWaiting: dispatcher.waiting > 0),
            ]
            // With enough in hand the spool is not listed, and nobody waits for the moment.
            if heard, queue.count < Self.fewWait { due.append(listed + Self.relisting) }
            if dispatcher.count > 0 || !queue.isEmpty {
                idleSince = nil
            } else {
                queue = try pending(besides: dispatcher)[...]
                listed = .now()
                if !queue.isEmpty { continue }
                if options.once { return }
                if stop.isStopping {
                    try awaitLastFiles()
                    heard = true
                    continue
                }
                // A disk that nobody uses must be free to be unmounted.
                if case .directory = way { return }
                if idleSince == nil {
                    try? journal.save()
                    tell(streams: way.lanes.count)
                }
                let since = idleSince ?? now
                idleSince = since
                if now - since >= Self.linger { return }
                due += [since + Self.linger, nextDue, status.due]
            }
            var entries = [pollfd(fd: watch.descriptor, events: Int16(POLLIN), revents: 0)]
            way.addPolls(&entries)
            try stop.wait(&entries, until: isBusy ? now : due.compactMap { $0 }.min())
            if entries[0].revents != 0, watch.hear() { heard = true }
        }
    }

    private mutating func start(_ file: String, _ dispatcher: Dispatcher) throws(ShipFault) {
        if dispatcher.has(file) { return }
        do throws(ShipFault) {
            if try !dispatcher.start(file) { postponed[file, default: Postponed(until: .now())].until = .now() + 2 }
        } catch {
            guard error.kind == .file else { throw error }
            postpone(file, error)
        }
    }

    private mutating func take(_ news: Dispatcher.News) {
        switch news {
        case .delivered(let report): delivered(report)
        case .postponed(let file, let fault): postpone(file, fault)
        }
    }

    private mutating func showProgress(_ dispatcher: Dispatcher) {
        guard options.showsProgress, let now = dispatcher.oldest else { return }
        let total = dispatcher.acknowledged
        progress.show(total) { rate in
            "\(now.file) \(now.done * 100 / max(1, now.size))% \(rate / 1024) KiB/s, \(max(0, waiting - 1)) waiting"
        }
    }

    private mutating func delivered(_ report: Dispatcher.Delivered) {
        waiting = max(0, waiting - 1)
        let file = report.file
        postponed[file] = nil
        if let before = said {
            log.say(
                Event(
                    .info, "target_reached",
                    "\(label) takes files again after \(schedule.tries == 1 ? "1 try" : "\(schedule.tries) tries") (was: \(before.description))",
                    ["target": .text(label), "tries": .number(Int64(schedule.tries))]))
        }
        said = nil
        saidSinceDelivery = []
        status.succeeded()
        schedule.succeeded()
        let seconds = "\(Int(report.seconds)).\(pad(Int(report.seconds * 10) % 10, 1))"
        log.say(
            Event(
                .info, "delivered",
                "delivered \(file) packets=\(report.packets.map(String.init) ?? "?") bytes=\(report.bytes) seconds=\(seconds) waiting=\(waiting)",
                [
                    "file": .text(file), "packets": report.packets.map { .number(Int64($0)) } ?? .none, "bytes": .number(report.bytes),
                    "waiting": .number(Int64(waiting)), "target": .text(label),
                ]))
        if !report.isSynced, !saidSync {
            saidSync = true
            log.say(
                Event(
                    .warn, "sync_unsupported", "\(label) cannot fsync: what its disk had not written when its power fails is lost there",
                    ["target": .text(label)]))
        }
    }

    private mutating func postpone(_ file: String, _ fault: ShipFault) {
        var entry = postponed[file] ?? Postponed(until: .now())
        if entry.said != fault.description {
            log.say(
                Event(
                    .erro, "file_kept", fault.description,
                    ["file": .text(file), "reason": .text(fault.description), "target": .text(label)]))
        }
        entry.said = fault.description
        entry.until = .now() + entry.schedule.delay(after: fault.kind, at: .now(), dice: Double.random(in: 0...1))
        postponed[file] = entry
    }

    // MARK: connecting

    private mutating func uplink(to ssh: SSHTarget) throws(ShipFault) -> Uplink {
        let approach = try SSHApproach(options, ssh, stop)
        let port = approach.port
        let addresses = try Resolver.resolve(ssh.host, port: port, family: options.arguments.addressFamily, stop: stop)
        try announce(addresses, port)
        wasAway = isAway
        isAway = true
        let (files, state, log) = (options.knownHostsFiles, options.state, log)
        let careless = approach.policy.strict == .no
        return try Uplink(options, ssh, addresses: addresses, approach: approach, maxSegment: maxSegment) { key throws(ShipFault) in
            // Read again: a second connection finds what the first has learned.
            let known = try KnownHosts(text: KnownHostsFile.text(files))
            let file = files[0]
            switch approach.policy.decide(key, known: known, file: file) {
            case .accept: return
            case .refuse(let why): throw ShipFault(.operators, why)
            case .learn:
                try KnownHostsFile.learn(KnownHosts.line(host: ssh.host, port: port, key: key), file, state: state)
                log.say(
                    Event(
                        careless ? .warn : .info, "host_key_learned",
                        "learned the host key of \(ssh.host) port \(port): \(key.type) \(key.fingerprint), kept in \(file); compare it with ssh-keygen -l at the server"
                            + (careless ? " (StrictHostKeyChecking=no: learned once, a changed key will be refused all the same)" : ""),
                        ["host": .text(ssh.host), "fingerprint": .text(key.fingerprint), "type": .text(key.type), "file": .text(file)]))
            }
        }
    }

    /// Once for each connection after the target was away.
    private mutating func greet(_ way: Way) {
        guard isAway, case .ssh(let uplink) = way, case .ssh(let ssh) = options.target, let first = uplink.first else { return }
        isAway = false
        guard wasAway, let address = first.address, let key = first.hostKey else { return }
        let (port, user) = (options.arguments.port ?? 22, SSHApproach.user(options, ssh))
        log.say(
            Event(
                .info, "connected",
                "connected to \(user)@\(ssh.host) (\(address.text) port \(port)), host key \(key.fingerprint), \(first.protection)",
                [
                    "target": .text(label), "address": .text(address.text), "fingerprint": .text(key.fingerprint),
                    "protection": .text(first.protection),
                ]))
    }

    /// Tells capture which addresses the upload goes to, before the first packet of it.
    private func announce(_ addresses: [SocketAddress], _ port: UInt16) throws(ShipFault) {
        let plain = Set(addresses.map { String($0.text.prefix { $0 != "%" }) }).sorted()
        let now = TargetAddresses(addresses: plain, port: port)
        do {
            let state = try Directory(options.state)
            if JSONFile.read(TargetAddresses.self, TargetAddresses.file, in: state) == now { return }
            try Reserve.spend(in: state) { () throws(SystemError) in try JSONFile.write(now, TargetAddresses.file, in: state) }
        } catch { throw .local(error) }
        // At a stop capture has ended, or is about to.
        guard options.isSupervised || captureIsEnding else { return }
        let end = MonotonicTime.now() + Self.filterPause
        while .now() < end, !stop.isStopping { try stop.wait(until: end) }
    }
}
