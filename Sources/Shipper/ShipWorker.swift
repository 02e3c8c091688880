import CLinux
public import Events
import Evidence
import Glibc
import Linux
public import Settings
import Spool

public struct ShipOptions: Sendable {
    public var spool: String
    public var state: String
    public var target: Target
    public var keyFile: String
    public var knownHostsFile: String
    public var arguments = SCPArguments()
    public var pinnedHostKeys: [PinnedHostKey] = []
    public var sourcePorts: ClosedRange<UInt16> = 60872...60887
    /// Bytes per second.
    public var rate: Int64?
    public var interval = 300.0
    /// Delivers what is there and ends.
    public var once = false
    /// Descriptor 0 is a pipe from the supervisor, whose end ends this program.
    public var isSupervised = false
    public var showsProgress = false
    public var face = LogFace.text

    public init(spool: String, state: String, target: Target, keyFile: String, knownHostsFile: String) {
        self.spool = spool
        self.state = state
        self.target = target
        self.keyFile = keyFile
        self.knownHostsFile = knownHostsFile
    }
}

/// Finished files to the target, oldest first, for ever.
public struct ShipWorker: ~Copyable {
    /// A connection without work is kept for so many seconds.
    private static let linger = 15.0
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
    private var delivery: Delivery
    private var schedule = RetrySchedule()
    private var said: ShipFault?
    /// Faults that come by turns are still one line each.
    private var saidSinceDelivery: Set<String> = []
    /// The last attempt did not get through to the account.
    private var isAway = true
    private var saidSync = false
    private var postponed: [String: Postponed] = [:]
    private var waiting = 0
    private var saidUnreadable: Set<String> = []

    public init(_ options: ShipOptions) throws {
        let stop = try StopWatch(isSupervised: options.isSupervised)
        unsafe sensor_prctl_name("sensor-ship")
        // A local directory may be somebody else's, which root writes by CAP_DAC_OVERRIDE only.
        if options.isSupervised, case .ssh = options.target { sensor_drop_capabilities() }
        let spool = try Directory(options.spool, create: true)
        let state = try Directory(options.state, create: true)
        // On the directory itself, so that it holds whatever state directory the other one uses.
        let lock = try Descriptor.open(options.spool, flags: O_RDONLY | O_DIRECTORY)
        guard flock(lock.number, LOCK_EX | LOCK_NB) == 0 else {
            throw ShipFault(.operators, "another shipper works on \(options.spool) (it holds a lock on the directory)")
        }
        self.watch = try SpoolWatch(options.spool)
        self.delivery = Delivery(spool: spool, state: state, rate: Self.rate(options), target: Self.label(options), stop: stop)
        self.options = options
        self.log = WorkerLog(options.face, overProgress: options.showsProgress)
        self.stop = stop
        self.lock = lock
        if options.showsProgress {
            var line = ProgressLine()
            delivery.progress = { now in
                line.show(now.done, isLast: now.done == now.size) { rate in
                    "\(now.file) \(now.done * 100 / max(1, now.size))% \(rate / 1024) KiB/s, \(now.backlog) waiting"
                }
            }
        }
    }

    private static func rate(_ options: ShipOptions) -> Int64? {
        [options.rate, options.arguments.limitKbit.map { Int64($0) * 125 }].compactMap { $0 }.min()
    }
    static func label(_ options: ShipOptions) -> String {
        switch options.target {
        case .directory(let path): return path
        case .ssh(let ssh):
            let host = ssh.host.contains(":") ? "[\(ssh.host)]" : ssh.host
            return "\(SSHApproach.user(options, ssh))@\(host):\(ssh.directory)"
        }
    }
    private var label: String { Self.label(options) }

    /// Returns the exit code.
    public mutating func run() -> Int32 {
        do throws(ShipFault) {
            try delivery.clearDelivered()
            delivery.keepReserve()
            let patience = MonotonicTime.now() + Self.resting
            while true {
                let queue = try pending()
                if queue.isEmpty {
                    if options.once {
                        // What somebody has just put there is still resting; what never rests is left.
                        guard let look = watch.nextLook, look < patience else {
                            try delivery.saveJournal()
                            return postponed.isEmpty && watch.nextLook == nil && watch.unreadable.isEmpty ? 0 : 1
                        }
                        try stop.wait(until: look)
                        continue
                    }
                    try rest()
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
            try? delivery.saveJournal()
            return options.once ? 1 : 0
        }
    }

    // MARK: waiting

    /// Finished files whose time has come.
    private mutating func pending() throws(ShipFault) -> [String] {
        let all = try watch.finished()
        for name in watch.unreadable where saidUnreadable.insert(name).inserted {
            let why = "\(name) in the spool is no UTF-8 name: kept here, rename it"
            log.say(Event(.erro, "file_kept", why, ["file": .text(name), "reason": .text(why), "target": .text(label)]))
        }
        let names = Set(all)
        postponed = postponed.filter { names.contains($0.key) }
        waiting = all.count
        let now = MonotonicTime.now()
        return all.filter { name in postponed[name].map { $0.until <= now && !options.once } ?? true }
    }

    private var nextDue: MonotonicTime {
        ([watch.nextLook] + postponed.values.map { Optional($0.until) }).compactMap { $0 }.min() ?? .now() + options.interval
    }

    /// Nothing to do and no connection.
    private mutating func rest() throws(ShipFault) {
        if stop.isStopping { return try awaitLastFiles() }
        try? delivery.saveJournal()
        try stop.wait(watch.descriptor, until: nextDue)
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
        let end = MonotonicTime.now() + delay
        while .now() < end { try stop.wait(until: end, untilStop: true) }
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
        case .directory(let path):
            var box = try DirectoryDropBox(path, stop: stop)
            try drain(&box, socket: -1)
        case .ssh(let ssh):
            let wasAway = isAway
            isAway = true
            var box = try connect(ssh, wasAway: wasAway)
            try drain(&box, socket: box.socket.number)
        }
    }

    /// Everything that is finished, and what comes while the connection is kept.
    private mutating func drain<Box: DropBox & ~Copyable>(_ box: inout Box, socket: Int32) throws(ShipFault) {
        while true {
            for file in try pending() {
                delivery.backlog = max(0, waiting - 1)
                do {
                    if let report = try delivery.deliver(file, to: &box) {
                        delivered(file, report)
                    } else {
                        postponed[file, default: Postponed(until: .now())].until = .now() + 2
                    }
                } catch {
                    guard error.kind == .file else { throw error }
                    postpone(file, error)
                }
                waiting -= 1
                if stop.isOver { throw .stopped }
            }
            if options.once { return }
            if stop.isStopping { try awaitLastFiles() } else if try !lingers(socket) { return }
        }
    }

    /// False when the connection has had its time, or the server ended it.
    private mutating func lingers(_ socket: Int32) throws(ShipFault) -> Bool {
        try? delivery.saveJournal()
        let end = min(.now() + Self.linger, nextDue)
        while true {
            let woken = try stop.wait(watch.descriptor, second: socket, until: end)
            if stop.isStopping { return true }
            if woken.second { return false }
            if watch.hear() { return true }
            if .now() >= end { return try !pending().isEmpty }
        }
    }

    private mutating func delivered(_ file: String, _ report: Delivery.Report) {
        postponed[file] = nil
        if let before = said {
            log.say(
                Event(
                    .info, "target_reached", "\(label) takes files again after \(schedule.tries) tries (was: \(before.description))",
                    ["target": .text(label), "tries": .number(Int64(schedule.tries))]))
        }
        said = nil
        saidSinceDelivery = []
        schedule.succeeded()
        let seconds = "\(Int(report.seconds)).\(pad(Int(report.seconds * 10) % 10, 1))"
        log.say(
            Event(
                .info, "delivered",
                "delivered \(file) packets=\(report.packets.map(String.init) ?? "?") bytes=\(report.bytes) seconds=\(seconds) waiting=\(delivery.backlog)",
                [
                    "file": .text(file), "packets": report.packets.map { .number(Int64($0)) } ?? .none, "bytes": .number(report.bytes),
                    "waiting": .number(Int64(delivery.backlog)), "target": .text(label),
                ]))
        if delivery.targetCannotSync, !saidSync {
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

    private mutating func connect(_ ssh: SSHTarget, wasAway: Bool) throws(ShipFault) -> SFTPDropBox {
        let port = options.arguments.port ?? 22
        let addresses = try Resolver.resolve(ssh.host, port: port, family: options.arguments.addressFamily, stop: stop)
        try announce(addresses, port)
        let approach = try SSHApproach(options, ssh)
        let connection = try Connector.connect(
            addresses, host: ssh.host, port: port, from: options.sourcePorts, timeout: approach.timeout, stop: stop)
        let address = connection.address
        let file = options.knownHostsFile
        let (known, policy) = (approach.known, approach.policy)
        var seen: SSHPublicKey?
        let log = self.log
        let state = options.state
        let box = try SFTPDropBox.open(
            connection.takeSocket(), approach.login, directory: ssh.directory, place: "\(ssh.host) port \(port)", stop: stop
        ) {
            key throws(ShipFault) in
            seen = key
            switch policy.decide(key, known: known, file: file) {
            case .accept: return
            case .refuse(let why): throw ShipFault(.operators, why)
            case .learn:
                try KnownHostsFile.learn(KnownHosts.line(host: ssh.host, port: port, key: key), file, state: state)
                let careless = policy.strict == .no
                log.say(
                    Event(
                        careless ? .warn : .info, "host_key_learned",
                        "learned the host key of \(ssh.host) port \(port): \(key.type) \(key.fingerprint), kept in \(file); compare it with ssh-keygen -l at the server"
                            + (careless ? " (StrictHostKeyChecking=no: learned once, a changed key will be refused all the same)" : ""),
                        ["host": .text(ssh.host), "fingerprint": .text(key.fingerprint), "type": .text(key.type), "file": .text(file)]))
            }
        }
        if wasAway {
            log.say(
                Event(
                    .info, "connected",
                    "connected to \(approach.login.user)@\(ssh.host) (\(address.text) port \(port)), host key \(seen?.fingerprint ?? "?")",
                    ["target": .text(label), "address": .text(address.text), "fingerprint": .text(seen?.fingerprint ?? "")]))
        }
        isAway = false
        return box
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
        let end = MonotonicTime.now() + Self.filterPause
        while .now() < end, !stop.isStopping { try stop.wait(until: end) }
    }
}
