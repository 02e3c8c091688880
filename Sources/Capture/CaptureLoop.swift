import CLinux
import CPcap
import Events
import Glibc
import Linux
import Spool

/// From the first packet to the last.
struct CaptureLoop: ~Copyable {
    enum Ending {
        case told, counted
        case gone(String)
        case spoolGone
    }
    /// Packets at a time: under more load than can be read, signals and windows must still be seen.
    private static let batch: Int32 = 16384
    /// A packet waits for so long at most in a block of the ring that is not full; then it can be read.
    private static let blockDelay = Double(PcapHandle.blockTimeout + 50) / 1000
    /// What is in the buffer is on disk after so many seconds.
    private static let flushDelay = 0.5

    private let handle: PcapHandle
    private let link: BoundLink
    private let wakes: Wakes
    private let state: Directory
    private var writer: PacketWriter
    private var recording: Recording
    private let finisher: Finisher
    private let log: WorkerLog
    private let options: CaptureOptions
    private var told = Losses()
    private var progress = ProgressLine()
    private var shown: (packets: UInt64, at: MonotonicTime) = (0, .now())
    private var isDirectTold = false
    private var downSince: MonotonicTime?
    private var flushAt: MonotonicTime?
    private var tickAt: MonotonicTime?
    private var cutAt: MonotonicTime?

    init(
        handle: consuming PcapHandle, link: BoundLink, wakes: consuming Wakes, state: consuming Directory,
        writer: consuming PacketWriter, recording: Recording, finisher: Finisher, log: WorkerLog, options: CaptureOptions
    ) {
        self.handle = handle
        self.link = link
        self.wakes = wakes
        self.state = state
        self.writer = writer
        self.recording = recording
        self.finisher = finisher
        self.log = log
        self.options = options
        self.writer.excluded = recording.excluded
    }

    mutating func run() -> Ending {
        look()
        var isMore = false
        while !writer.isFull {
            let deadline = isMore ? .now() : [flushAt, tickAt, cutAt].compactMap { $0 }.min()
            let woken = wakes.wait(handle.descriptor, until: deadline)
            isMore = false
            if woken.contains(.packets) {
                let read = dispatch()
                if read < 0 { return .gone(handle.message) }
                isMore = read >= Self.batch
            }
            if woken.contains(.stop) { return .told }
            if woken.contains(.link), case .gone(let reason) = look() { return .gone(reason) }
            if woken.contains(.target) { changeExclusion() }
            let now = MonotonicTime.now()
            // What had arrived when the signal came is still in the ring for a moment.
            if woken.contains(.cut) { cutAt = cutAt ?? now + Self.blockDelay }
            if let due = cutAt, due <= now {
                cutAt = nil
                writer.finish()
            }
            if !writer.hasUnwritten { flushAt = nil } else if flushAt == nil { flushAt = now + Self.flushDelay }
            if let due = flushAt, due <= now {
                writer.flush()
                flushAt = nil
            }
            if let due = tickAt, due <= now {
                tickAt = nil
                if writer.refusal != nil || finisher.hasUnfinished, writer.isSpoolGone { return .spoolGone }
                tick(ringMayHoldOld: isMore)
            }
            if tickAt == nil { tickAt = nextTick(now) }
        }
        return .counted
    }

    /// What is due while a file is open, or something is not as it should be; nil: nothing, an idle link wakes nobody.
    private func nextTick(_ now: MonotonicTime) -> MonotonicTime? {
        if writer.isFileOpen { return now + max(0.02, min(1, writer.untilEnd + Self.blockDelay)) }
        return writer.refusal != nil || finisher.hasUnfinished ? now + 1 : nil
    }

    private mutating func tick(ringMayHoldOld: Bool) {
        report()
        show()
        if writer.refusal != nil || finisher.hasUnfinished { finisher.post(.keepBudget) }
        if writer.refusal != nil { writer.tryAgain() }
        // On a busy link the next window's first packet ends the file; this is for the others. A packet of the old window
        // may be in the ring for one block time-out.
        if writer.isFileOpen, !ringMayHoldOld, writer.untilEnd <= -Self.blockDelay + 0.01 { writer.finish() }
    }

    // MARK: the end

    /// Empties the ring, finishes the file, and says what it was all about.
    mutating func end(_ ending: Ending) -> CaptureSummary {
        // Blind from here on: nothing new comes in.
        let blindFrom = WallTime.now().iso
        drain()
        report()
        writer.finish()
        var (isGone, isSpoolGone) = (false, false)
        switch ending {
        case .gone: isGone = true
        case .spoolGone: isSpoolGone = true
        case .told, .counted: break
        }
        if writer.untold.lostToDisk > 0 { finisher.post(.lost(writer.untold)) }
        finisher.post(.activity(isGone ? .interfaceGone : .stopped, at: blindFrom))
        finisher.join()
        report()
        if options.showsProgress { progress.show(0, isLast: true) { _ in "" } }
        let totals = writer.totals
        return CaptureSummary(
            captured: writer.totalWritten - min(writer.totalWritten, finisher.lostWhileFinishing), received: totals.received,
            dropped: totals.dropped, droppedByInterface: totals.interfaceDropped, lostToDisk: losses.disk,
            exitCode: isGone ? ExitCode.interfaceGone : finisher.hasFailed || isSpoolGone ? 1 : 0)
    }

    /// No packet that reached the ring is left there: refuse new ones, wait for the open block, read on. libpcap hands out the rest
    /// of the ring after an error, too, one block time-out later.
    private mutating func drain() {
        try? handle.attach(.nothing)
        let end = MonotonicTime.now() + Self.blockDelay
        while true {
            var isDry = false
            while !isDry { isDry = dispatch() <= 0 }
            let left = end - .now()
            if left <= 0 { return }
            var entry = pollfd(fd: handle.descriptor, events: Int16(POLLIN), revents: 0)
            unsafe poll(&entry, 1, Int32(min(20, left * 1000 + 1)))
            // In trouble it would wake at once, again and again.
            if entry.revents & Int16(POLLERR | POLLHUP) != 0 { usleep(10_000) }
        }
    }

    // MARK: packets

    /// How many packets were read, or less than 0 where libpcap cannot go on.
    private mutating func dispatch() -> Int32 {
        unsafe withUnsafeMutablePointer(to: &writer) { writer in
            unsafe pcap_dispatch(
                handle.pointer, Self.batch,
                { user, head, bytes in
                    let writer = unsafe UnsafeMutableRawPointer(user!).assumingMemoryBound(to: PacketWriter.self)
                    if unsafe !writer.pointee.takes(head!, bytes!) { unsafe writer.pointee.decide(head!, bytes!) }
                }, UnsafeMutableRawPointer(writer).assumingMemoryBound(to: UInt8.self))
        }
    }

    // MARK: what surrounds them

    /// Whether the interface is still the one that was opened; its going down and coming up is said.
    @discardableResult
    private mutating func look() -> BoundLink.Verdict {
        let verdict = link.verdict
        switch verdict {
        case .down where downSince == nil:
            downSince = .now()
            log.say(Event(.warn, "interface_down", "interface \(link.name) is down: recording goes on when it is up again"))
        case .up:
            guard let since = downSince else { break }
            downSince = nil
            let seconds = Int64((MonotonicTime.now() - since).rounded())
            log.say(Event(.info, "interface_up", "interface \(link.name) is up again after \(seconds) s", ["seconds": .number(seconds)]))
        case .down, .gone: break
        }
        return verdict
    }

    private mutating func changeExclusion() {
        do {
            guard let wanted = try recording.change(state, on: handle) else { return }
            // One file, one filter: the manifest says which.
            writer.finish()
            try recording.leaveOut(wanted, on: handle)
            writer.excluded = wanted
        } catch {
            log.say(
                Event(
                    .warn, "exclusion_failed", "cannot leave out the own upload to the new addresses: \(error)",
                    ["reason": .text("\(error)")]))
        }
    }

    private var losses: Losses {
        let totals = writer.totals
        return Losses(
            ring: totals.dropped, interface: totals.interfaceDropped, disk: writer.totalLost + finisher.lostWhileFinishing,
            cut: writer.totalCut)
    }

    private mutating func report() {
        if let stat = handle.statistics() { writer.account(stat) }
        let now = losses
        for event in now.report(since: told, interface: link.name, refusal: writer.refusal, isCutWanted: options.snaplen != 0) {
            log.say(event)
        }
        told = now
        if !writer.isDirect, !isDirectTold {
            isDirectTold = true
            log.say(Event(.info, "direct_refused", "the file system of \(options.spool) takes no O_DIRECT: writing through the page cache"))
        }
    }

    private mutating func show() {
        let now = MonotonicTime.now()
        guard options.showsProgress, now - shown.at >= 0.25 else { return }
        let (packets, drops, file) = (writer.totalWritten, losses.ring + losses.interface + losses.disk, writer.openFile ?? "-")
        let perSecond = Int64(Double(packets - shown.packets) / (now - shown.at))
        shown = (packets, now)
        progress.show(writer.totalBytes) { rate in
            "\(link.name): \(packets) packets, \(perSecond)/s, \(rate / 1_000_000).\(rate / 100_000 % 10) MB/s, \(drops) dropped, \(file)"
        }
    }
}
