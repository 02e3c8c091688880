import CLinux
import CPcap
import Events
import Glibc
import Linux
import Spool

/// One interface into finished files, until told to stop.
public struct CaptureWorker {
    private let options: CaptureOptions
    private let log: WorkerLog

    public init(_ options: CaptureOptions) {
        self.options = options
        self.log = WorkerLog(options.face, overProgress: options.showsProgress)
    }

    public func run() throws -> CaptureSummary {
        let wakes = try Wakes(state: try Directory(options.state, create: true).path, isSupervised: options.isSupervised)
        unsafe sensor_prctl_name("sensor-capture")
        let spool = try Directory(options.spool, create: true)
        let state = try Directory(options.state)
        let ledger = Ledger(try Directory(options.state), interface: options.interface)
        guard let claim = try ledger.claim() else {
            throw PcapError(kind: .other, description: "another program records \(options.interface) into \(options.spool)")
        }
        defer { _ = claim.number }
        let past = try recover(spool, ledger)

        // What only the start needed is given back before the ring makes this process large.
        sensor_release_code()
        guard let handle = try openHandle(wakes) else { return CaptureSummary() }
        guard let link = BoundLink(options.interface, socket: handle.descriptor) else {
            log.say(lost("it was made anew while it was being opened"))
            return CaptureSummary(exitCode: ExitCode.interfaceGone)
        }
        // Names in the user's filter are looked up now, and the ring's size: later there is no way to a name server and /proc.
        let ring = handle.ringBytes
        let filter = try options.filter.map { text throws(PcapError) in try handle.compile(text) }
        for doubt in Confinement.enter(spool: spool, state: state) { log.say(doubt) }
        var recording = Recording(filter: filter, sources: options.excludedSources)
        if let doubt = try recording.begin(state, on: handle) { log.say(doubt) }
        let snaplen = handle.snaplen
        let offloads = Offloads.of(options.interface)

        let finisher = try Finisher(
            spool: Directory(options.spool), ledger: ledger,
            facts: .init(
                sensor: options.sensor, interface: options.interface, series: options.series, linktype: handle.linktype,
                snaplen: snaplen, filter: options.filter, budget: options.budget, offloads: offloads.names), log: log)
        finisher.start()
        finisher.post(.opened(nextSequence: past.next, excluded: recording.excluded))
        let now = WallTime.now().iso
        let gap = past.gap(until: now)
        if let gap { finisher.post(.gap(gap)) }
        finisher.post(.activity(.capturing, at: now))
        // When the state is down: who reads the line, and the shipper at a stop, then know that there is a last file to wait for.
        for line in announcements(handle, ring: ring) + advice(state, handle, offloads) { finisher.post(.say(line)) }
        if let gap { finisher.post(.say(blind(gap))) }
        let writer = unsafe try PacketWriter(
            spool: spool, rule: RotationRule(seconds: Int64(options.seconds), bytes: options.bytes), finisher: finisher,
            sensor: options.sensor, interface: options.interface, linktype: handle.linktype, snaplen: snaplen,
            nextSequence: past.next, limit: options.count ?? .max, counters: handle.pointer)
        var loop = CaptureLoop(
            handle: handle, link: link, wakes: wakes, state: state, writer: writer, recording: recording, finisher: finisher, log: log,
            options: options)
        sensor_release_code()
        let ending = loop.run()
        if case .gone(let reason) = ending { log.say(lost(reason)) }
        if case .spoolGone = ending {
            log.say(
                Event(
                    .erro, "spool_gone",
                    "the directory \(options.spool) has been removed: what is recorded there nobody finds; beginning anew",
                    ["directory": .text(options.spool)]))
        }
        return loop.end(ending)
    }

    // MARK: before the first packet

    /// What the last run left: the next number, and since when nothing is recorded.
    private struct Past {
        let next: UInt64
        var since: String?
        var reason: String?
        func gap(until now: String) -> Gap? { since.map { Gap(from: $0, to: now, reason: reason ?? "unknown", lost: nil) } }
    }

    private func recover(_ spool: borrowing Directory, _ ledger: borrowing Ledger) throws(SystemError) -> Past {
        let before = ledger.state()
        var since = before?.at
        var reason = before?.activity?.rawValue
        let (recoveries, troubles) = try Recovery.finishOpenFiles(
            interface: options.interface, series: options.series, in: spool, ledger: ledger)
        for trouble in troubles { log.say(trouble) }
        for recovered in recoveries {
            since = recovered.last
            reason = InterfaceState.Activity.killed.rawValue
            log.say(recovered.event)
        }
        if reason == InterfaceState.Activity.capturing.rawValue { reason = InterfaceState.Activity.killed.rawValue }
        // On a full disk what stands there already begins no later, and recording must not wait for room.
        if let since { try? ledger.setActivity(.init(rawValue: reason ?? "") ?? .killed, at: since) }
        let next = max(try Recovery.highestSequence(interface: options.interface, in: spool) + 1, ledger.state()?.next ?? 1)
        return Past(next: next, since: since, reason: reason)
    }

    /// Waits for the interface; nil where it was told to stop before.
    private func openHandle(_ wakes: borrowing Wakes) throws -> PcapHandle? {
        sensor_raise_net_raw()
        let snaplen = options.snaplen == 0 ? PcapFormat.maximumSnaplen : Int32(options.snaplen)
        var isWaiting = false
        var promiscuous = options.promiscuous
        while true {
            do {
                return try PcapHandle(
                    interface: options.interface, snaplen: snaplen, ring: options.ring, promiscuous: promiscuous)
            } catch {
                if error.kind == .promiscuousRefused, promiscuous {
                    promiscuous = false
                    log.say(
                        Event(
                            .warn, "promiscuous_refused", "\(error): recording only what is meant for this host",
                            ["reason": .text(error.description)]))
                    continue
                }
                guard error.kind == .interfaceAbsent else { throw error }
                if !isWaiting {
                    log.say(
                        Event(
                            .warn, "interface_absent", "interface \(options.interface) is not there or not up (\(error)): waiting for it",
                            ["reason": .text(error.description)]))
                }
                isWaiting = true
                let again = MonotonicTime.now() + 0.5
                repeat { if wakes.wait(-1, until: again).contains(.stop) { return nil } } while MonotonicTime.now() < again
            }
        }
    }

    // MARK: lines

    private func announcements(_ handle: borrowing PcapHandle, ring: Int64?) -> [Event] {
        var out = [
            Event(
                .info, "capturing",
                "capturing on \(options.interface), link type \(handle.linktype), snaplen \(handle.snaplen), ring \(options.ring)",
                [
                    "interface": .text(options.interface), "linktype": .number(Int64(handle.linktype)),
                    "snaplen": .number(Int64(handle.snaplen)), "ring": .number(options.ring),
                ])
        ]
        if let warning = handle.warning { out.append(Event(.warn, "capture_warned", "\(options.interface): \(warning)")) }
        if let got = ring, got < options.ring / 10 * 9 {
            out.append(
                Event(
                    .warn, "ring_shrunk",
                    "\(options.interface): the kernel had \(got) bytes for the ring of \(options.ring) (PCAP_RING_BYTES): more drops under load",
                    ["ring": .number(got), "wanted": .number(options.ring)]))
        }
        return out
    }

    /// What is recorded, but not as one may think.
    private func advice(_ state: borrowing Directory, _ handle: borrowing PcapHandle, _ offloads: Offloads) -> [Event] {
        let target = JSONFile.read(TargetAddresses.self, TargetAddresses.file, in: state)
        var out: [Event] = []
        if let line = offloads.advice(options.interface) {
            out.append(Event(.info, "offloads", line, ["offloads": .text(offloads.names.joined(separator: ","))]))
        }
        if let text = options.filter,
            let line = FilterAdvice.warning(for: text, uploadPort: target?.port ?? 22, linktype: handle.linktype)
        {
            out.append(Event(.warn, "service_thrown_away", line))
        }
        if options.isSupervised, let target, let line = TunnelAdvice.warning(addresses: target.addresses, recorded: [options.interface]) {
            out.append(Event(.warn, "upload_recorded", line))
        }
        return out
    }
    private func lost(_ reason: String) -> Event {
        Event(.warn, "interface_lost", "interface \(options.interface) is gone: \(reason)", ["reason": .text(reason)])
    }
    private func blind(_ gap: Gap) -> Event {
        let seconds = gap.secondsBlind ?? 0
        return Event(
            .warn, "blind", "nothing of \(options.interface) was recorded for \(seconds) s until now (\(gap.reason))",
            ["milliseconds": .number(Int64(seconds * 1000)), "from": .text(gap.from), "reason": .text(gap.reason)])
    }
}

/// The programs' exit codes that are capture's own.
enum ExitCode {
    /// EX_TEMPFAIL (sysexits.h): start it again, the interface may come back.
    static let interfaceGone: Int32 = 75
}
