import CLinux
import CPcap
public import Events
import Glibc
import Linux
import Spool

public struct CaptureOptions: Sendable {
    public var interface: String
    public var spool: String
    public var state: String
    public var sensor: String
    public var series: String
    public var snaplen = 0
    public var ring: Int64 = 64 << 20
    public var promiscuous = true
    public var seconds = 60
    public var bytes: Int64 = 256 << 20
    public var filter: String?
    /// The shipper's source ports; nil: its upload is recorded too.
    public var excludedSources: ClosedRange<UInt16>?
    public var budget = BudgetSettings(files: 0, bytes: nil, free: .automatic)
    /// Ends after so many packets; nil: never.
    public var count: UInt64?
    /// Descriptor 0 is a pipe from the supervisor, whose end ends this program.
    public var isSupervised = false
    /// A line on stderr with rate, bytes and drops.
    public var showsProgress = false
    public var face = LogFace.text

    public init(interface: String, spool: String, state: String, sensor: String, series: String) {
        self.interface = interface
        self.spool = spool
        self.state = state
        self.sensor = sensor
        self.series = series
    }
}

/// What stands at the end, tcpdump's three numbers.
public struct CaptureSummary: Sendable {
    public var captured: UInt64 = 0
    public var received: UInt64 = 0
    public var dropped: UInt64 = 0
    public var exitCode: Int32 = 0
}

/// One interface into finished files, until told to stop.
public struct CaptureWorker {
    private enum Wake { case packets, trouble, stop, cut, target, tick }
    private let options: CaptureOptions
    private let log: WorkerLog

    public init(_ options: CaptureOptions) {
        self.options = options
        self.log = WorkerLog(options.face)
    }

    public func run() throws -> CaptureSummary {
        let signals = try SignalDescriptor([SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGPIPE])
        unsafe sensor_prctl_name("sensor-capture")
        let spool = try Directory(options.spool, create: true)
        let ledger = Ledger(try Directory(options.state, create: true), interface: options.interface)
        let watch = Descriptor(
            owning: Int32(
                try checked("inotify_init1") {
                    Int(inotify_init1(Int32(bitPattern: UInt32(IN_CLOEXEC)) | Int32(bitPattern: UInt32(IN_NONBLOCK))))
                }))
        unsafe inotify_add_watch(watch.number, options.state, UInt32(IN_MOVED_TO))

        guard let claim = try ledger.claim() else {
            throw PcapError(kind: .other, description: "another program records \(options.interface) into \(options.spool)")
        }
        defer { _ = claim.number }
        let before = ledger.state()
        var blindSince = before?.at
        var blindReason = before?.activity?.rawValue
        let (recoveries, troubles) = try Recovery.finishOpenFiles(
            interface: options.interface, series: options.series, in: spool, ledger: ledger)
        for trouble in troubles { log.say(trouble) }
        for recovered in recoveries {
            blindSince = recovered.last
            blindReason = InterfaceState.Activity.killed.rawValue
            log.say(recovered.event)
        }
        if blindReason == InterfaceState.Activity.capturing.rawValue { blindReason = InterfaceState.Activity.killed.rawValue }
        // On a full disk what stands there already begins no later, and recording must not wait for room.
        if let since = blindSince { try? ledger.setActivity(.init(rawValue: blindReason ?? "") ?? .killed, at: since) }
        let next = max(try Recovery.highestSequence(interface: options.interface, in: spool) + 1, ledger.state()?.next ?? 1)

        sensor_raise_net_raw()
        let snaplen = options.snaplen == 0 ? PcapFormat.maximumSnaplen : Int32(options.snaplen)
        var handle: PcapHandle?
        var waiting = false
        while handle == nil {
            do {
                handle = try PcapHandle(
                    interface: options.interface, snaplen: snaplen, ring: options.ring, promiscuous: options.promiscuous)
            } catch {
                guard error.kind == .interfaceAbsent else { throw error }
                if !waiting {
                    log.say(
                        Event(
                            .warn, "interface_absent", "interface \(options.interface) is not there or not up (\(error)): waiting for it",
                            ["reason": .text(error.description)]))
                }
                waiting = true
                if hears(signals, milliseconds: 500) { return CaptureSummary() }
            }
        }
        guard let handle = consume handle else { return CaptureSummary() }
        let index = unsafe if_nametoindex(options.interface)
        // By hand the directory may be somebody else's, which root writes by CAP_DAC_OVERRIDE only.
        if options.isSupervised, sensor_drop_capabilities() != 0 {
            log.say(Event(.warn, "capabilities_kept", "cannot drop the capabilities: \(SystemError.text(errno))"))
        }
        if let warning = handle.warning { log.say(Event(.warn, "capture_warned", "\(options.interface): \(warning)")) }

        let target = try Directory(options.state)
        var excluded = exclusion(in: target, on: handle)
        try installFilter(excluded, on: handle)
        let now = WallTime.now().iso
        log.say(
            Event(
                .info, "capturing",
                "capturing on \(options.interface), link type \(handle.linktype), snaplen \(snaplen), ring \(options.ring)",
                [
                    "interface": .text(options.interface), "linktype": .number(Int64(handle.linktype)), "snaplen": .number(Int64(snaplen)),
                    "ring": .number(options.ring),
                ]))

        let finisher = try Finisher(
            spool: Directory(options.spool), ledger: ledger,
            facts: .init(
                sensor: options.sensor, interface: options.interface, series: options.series, linktype: handle.linktype,
                snaplen: snaplen, filter: options.filter, budget: options.budget), log: log)
        finisher.start()
        finisher.post(.opened(nextSequence: next))
        if let since = blindSince { finisher.post(.gap(Gap(from: since, to: now, reason: blindReason ?? "unknown", lost: nil))) }
        finisher.post(.activity(.capturing, at: now))
        var writer = unsafe PacketWriter(
            spool: spool, rule: RotationRule(seconds: Int64(options.seconds), bytes: options.bytes), finisher: finisher,
            sensor: options.sensor, interface: options.interface, linktype: handle.linktype, snaplen: snaplen,
            nextSequence: next, limit: options.count ?? .max, counters: handle.pointer)
        writer.excluded = excluded

        var exitCode: Int32 = 0
        var flushAt: MonotonicTime?
        var tickAt: MonotonicTime?
        var told: (dropped: UInt64, lost: UInt64) = (0, 0)
        var progress = ProgressLine()
        var failure: String?
        var isLinkInDoubt = false
        loop: while !writer.isFull {
            let deadline = [flushAt, tickAt].compactMap { $0 }.min()
            switch wait(handle.descriptor, signals, watch.number, until: deadline) {
            case .stop: break loop
            case .cut: writer.finish()
            case .target:
                let wanted = exclusion(in: target, on: handle)
                if wanted != excluded {
                    writer.finish()
                    excluded = wanted
                    writer.excluded = wanted
                    try replaceFilter(wanted, on: handle)
                }
            case .tick: break
            case .packets: failure = dispatch(handle, &writer) < 0 ? handle.message : nil
            case .trouble:
                failure = dispatch(handle, &writer) < 0 ? handle.message : nil
                isLinkInDoubt = true
            }
            // Non-blocking libpcap tells a link that went down from one that is gone only at some later call,
            // which would never come; and one made anew under the same name is another one.
            if isLinkInDoubt, failure == nil {
                if unsafe if_nametoindex(options.interface) != index { failure = "no such device any more" }
                var flags: UInt32 = 0
                var driver = [CChar](repeating: 0, count: 32)
                isLinkInDoubt = unsafe sensor_interface(options.interface, &flags, &driver) != 0 || flags & UInt32(IFF_UP) == 0
            }
            if let failure {
                // The rest of the ring is handed out after the error (libpcap on Linux), one block time-out later.
                usleep(UInt32(PcapHandle.blockTimeout + 50) * 1000)
                while dispatch(handle, &writer) > 0 {}
                log.say(Event(.warn, "interface_lost", "interface \(options.interface) is gone: \(failure)", ["reason": .text(failure)]))
                exitCode = 75
                break loop
            }
            let now = MonotonicTime.now()
            if writer.hasUnwritten { flushAt = flushAt ?? now + 0.5 } else { flushAt = nil }
            if let due = flushAt, due <= now {
                writer.flush()
                flushAt = nil
            }
            if let due = tickAt, due <= now {
                tickAt = nil
                if let stat = handle.statistics() { writer.account(stat) }
                sayLosses(writer, &told)
                if options.showsProgress {
                    let (packets, bytes, drops) = (
                        writer.totalWritten, writer.totalBytes, writer.totals.dropped + writer.totals.interfaceDropped
                    )
                    progress.show(bytes) { rate in
                        "\(options.interface): \(packets) packets, \(bytes >> 20) MiB, \(rate / 1024) KiB/s, \(drops) dropped"
                    }
                }
                if writer.refusal != nil || finisher.hasUnfinished { finisher.post(.keepBudget) }
                writer.retry()
                // A packet of the old window may still be in the ring for one block time-out.
                if writer.isFileOpen, WallTime.now().microseconds >= writer.end * 1_000_000 + Int64(PcapHandle.blockTimeout + 50) * 1000 {
                    while dispatch(handle, &writer) > 0 {}
                    if writer.isFileOpen, WallTime.now().seconds >= writer.end { writer.finish() }
                }
            }
            if tickAt == nil, isLinkInDoubt || finisher.hasUnfinished, !writer.isFileOpen { tickAt = now + 1 }
            if tickAt == nil, writer.isFileOpen || writer.refusal != nil {
                let toEnd = Double(writer.end * 1_000_000 - WallTime.now().microseconds) / 1e6 + 0.16
                tickAt = now + max(0.05, min(1, toEnd))
            }
        }
        // Blind from here on: the ring is emptied, nothing new comes in.
        let blindFrom = WallTime.now().iso
        if exitCode == 0 { stop(handle, &writer) }
        if let stat = handle.statistics() { writer.account(stat) }
        sayLosses(writer, &told)
        writer.finish()
        if writer.untoldLosses > 0 {
            let now = WallTime.now().iso
            finisher.post(.gap(Gap(from: now, to: now, reason: "the disk took nothing", lost: writer.untoldLosses)))
        }
        finisher.post(.activity(exitCode == 75 ? .interfaceGone : .stopped, at: blindFrom))
        finisher.join()
        let totals = writer.totals
        return CaptureSummary(
            captured: writer.totalWritten, received: totals.received, dropped: totals.dropped + totals.interfaceDropped,
            exitCode: exitCode != 0 ? exitCode : finisher.hasFailed ? 1 : 0)
    }

    /// No packet that reached the ring is left there: refuse new ones, wait for the open block, drain.
    private func stop(_ handle: borrowing PcapHandle, _ writer: inout PacketWriter) {
        try? attach(FilterProgram.nothing, to: handle)
        let end = MonotonicTime.now() + Double(PcapHandle.blockTimeout + 50) / 1000
        repeat {
            var entry = pollfd(fd: handle.descriptor, events: Int16(POLLIN), revents: 0)
            unsafe poll(&entry, 1, 20)
            if dispatch(handle, &writer) < 0 { break }
        } while MonotonicTime.now() < end
        while dispatch(handle, &writer) > 0 {}
    }

    private func dispatch(_ handle: borrowing PcapHandle, _ writer: inout PacketWriter) -> Int32 {
        unsafe withUnsafeMutablePointer(to: &writer) { writer in
            unsafe pcap_dispatch(
                handle.pointer, -1,
                { user, head, bytes in
                    unsafe UnsafeMutableRawPointer(user!).assumingMemoryBound(to: PacketWriter.self).pointee.packet(head!.pointee, bytes!)
                }, UnsafeMutableRawPointer(writer).assumingMemoryBound(to: UInt8.self))
        }
    }

    private func sayLosses(_ writer: borrowing PacketWriter, _ told: inout (dropped: UInt64, lost: UInt64)) {
        let totals = writer.totals
        let dropped = totals.dropped + totals.interfaceDropped
        if dropped > told.dropped {
            log.say(
                Event(
                    .warn, "packets_dropped",
                    "lost \(dropped - told.dropped) packets before they could be read (kernel \(totals.dropped), interface \(totals.interfaceDropped) in all)",
                    [
                        "packets": .number(Int64(dropped - told.dropped)), "kernel": .number(Int64(totals.dropped)),
                        "interface": .number(Int64(totals.interfaceDropped)),
                    ]))
        }
        if writer.totalLost > told.lost {
            log.say(
                Event(
                    .erro, "disk_refused",
                    "lost \(writer.totalLost - told.lost) packets to the disk (\(writer.refusal ?? "full")), \(writer.totalLost) in all; trying again each second",
                    ["packets": .number(Int64(writer.totalLost - told.lost)), "total": .number(Int64(writer.totalLost))]))
        }
        told = (dropped, writer.totalLost)
    }

    // MARK: filter

    private func exclusion(in state: borrowing Directory, on handle: borrowing PcapHandle) -> String? {
        guard let sources = options.excludedSources, let target = JSONFile.read(TargetAddresses.self, TargetAddresses.file, in: state)
        else { return nil }
        for tagged in [true, false] {
            let text = OwnUpload.expression(addresses: target.addresses, port: target.port, sources: sources, tagged: tagged)
            if let text, (try? handle.compile(text)) != nil { return text }
        }
        return nil
    }

    private func program(_ excluded: String?, on handle: borrowing PcapHandle) throws(PcapError) -> FilterProgram? {
        let wanted = try options.filter.map { text throws(PcapError) in try handle.compile(text) }
        guard let excluded else { return wanted }
        return (wanted ?? .everything(snaplen: UInt32(PcapFormat.maximumSnaplen))).without(try handle.compile(excluded))
    }
    private func installFilter(_ excluded: String?, on handle: borrowing PcapHandle) throws(PcapError) {
        if let program = try program(excluded, on: handle) { try handle.install(program) }
    }
    /// In one step and without libpcap's draining, which would lose packets on a running capture.
    private func replaceFilter(_ excluded: String?, on handle: borrowing PcapHandle) throws {
        try attach(try program(excluded, on: handle) ?? .everything(snaplen: UInt32(PcapFormat.maximumSnaplen)), to: handle)
    }
    private func attach(_ program: FilterProgram, to handle: borrowing PcapHandle) throws(SystemError) {
        let instructions = program.instructions.map { bpf_insn(code: $0.code, jt: $0.jumpTrue, jf: $0.jumpFalse, k: $0.k) }
        let descriptor = handle.descriptor
        try checked("SO_ATTACH_FILTER") {
            unsafe instructions.withUnsafeBytes {
                unsafe Int(sensor_attach_filter(descriptor, $0.baseAddress!, UInt16(clamping: instructions.count)))
            }
        }
    }

    // MARK: waiting

    /// True where within the time a signal or the supervisor's end asks to stop.
    private func hears(_ signals: borrowing SignalDescriptor, milliseconds: Int32) -> Bool {
        if case .stop = wait(-1, signals, -1, until: .now() + Double(milliseconds) / 1000) { return true }
        return false
    }

    private func wait(_ packets: Int32, _ signals: borrowing SignalDescriptor, _ target: Int32, until deadline: MonotonicTime?) -> Wake {
        var entries = [
            pollfd(fd: signals.number, events: Int16(POLLIN), revents: 0),
            pollfd(fd: options.isSupervised ? 0 : -1, events: Int16(POLLIN), revents: 0),
            pollfd(fd: target, events: Int16(POLLIN), revents: 0),
            pollfd(fd: packets, events: Int16(POLLIN), revents: 0),
        ]
        while true {
            let left = deadline.map { max(0, ($0 - .now()) * 1000) }
            let timeout = left.map { Int32($0.rounded(.up)) } ?? -1
            unsafe poll(&entries, 4, timeout)
            if entries[0].revents != 0, let signal = signals.next() {
                if signal == SIGUSR1 { return .cut }
                if signal != SIGPIPE { return .stop }
            }
            if entries[1].revents != 0 {
                var byte: UInt8 = 0
                if unsafe read(0, &byte, 1) <= 0 { return .stop }
            }
            if entries[2].revents != 0 {
                var bytes = [UInt8](repeating: 0, count: 4096)
                while unsafe read(target, &bytes, bytes.count) > 0 {}
                return .target
            }
            if entries[3].revents & (Int16(POLLERR) | Int16(POLLHUP)) != 0 { return .trouble }
            if entries[3].revents != 0 { return .packets }
            if let deadline, MonotonicTime.now() >= deadline { return .tick }
        }
    }
}
