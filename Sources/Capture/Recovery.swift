public import Events
import Glibc
public import Linux
import Spool

extension PcapScanner {
    /// What is whole of a file, from where it stands.
    static func whole(_ file: borrowing Descriptor) throws(SystemError) -> PcapScanner {
        var scanner = PcapScanner()
        while !scanner.isEnded {
            let bytes = try file.read(1 << 20)
            if bytes.isEmpty { break }
            scanner.take(bytes)
        }
        return scanner
    }
}

/// What a crash left of an interface's files.
enum Recovery {
    struct Recovered {
        let name: SpoolName
        let packets: UInt64
        let bytes: Int64
        let cut: Int64
        /// RFC 3339; the last packet that is safe.
        let last: String

        var event: Event {
            Event(
                .warn, "recovered", "recovered \(name.pcap) after a crash: packets=\(packets) bytes=\(bytes) cut=\(cut)",
                ["file": .text(name.pcap), "packets": .number(Int64(packets)), "bytes": .number(bytes), "cut": .number(cut)])
        }
    }

    /// Finishes each open file of the interface: cut at its last whole record, or removed where it holds none.
    static func finishOpenFiles(
        interface: String, series: String, in spool: borrowing Directory, ledger: borrowing Ledger
    ) throws(SystemError) -> (done: [Recovered], troubles: [Event]) {
        var done: [Recovered] = []
        var troubles: [Event] = []
        let parts = try spool.names().compactMap { SpoolName.ofPart($0) }
            .filter { $0.interface == SpoolName.escape(interface) }.sorted { $0.sequence < $1.sequence }
        for name in parts {
            do {
                if let one = try finish(name, interface: interface, series: series, in: spool, ledger: ledger) { done.append(one) }
            } catch {
                // One that cannot be finished must not keep anything from being recorded.
                let why = "cannot recover \(name.part): \(error); it stays and is tried again at the next start"
                troubles.append(Event(.erro, "recovery_failed", why, ["file": .text(name.part), "reason": .text("\(error)")]))
            }
        }
        return (done, troubles)
    }

    /// nil where there was nothing in it.
    private static func finish(
        _ name: SpoolName, interface: String, series: String, in spool: borrowing Directory, ledger: borrowing Ledger
    ) throws(SystemError) -> Recovered? {
        let file = try spool.open(name.part, flags: O_RDWR | O_NONBLOCK)
        let status = try file.status()
        let size = status.size
        guard status.isRegular else { throw SystemError("open \(name.part): no regular file", code: EINVAL) }
        // Where a file system cannot rename without replacing, the name is linked, then unlinked; a crash
        // between leaves both, and the rename below would fail at every start.
        if let final = try spool.status(name.pcap), final.inode == status.inode, final.device == status.device {
            try spool.remove(name.part)
            return nil
        }
        let scanner = try PcapScanner.whole(file)
        guard scanner.packets > 0, let first = scanner.first, let last = scanner.last else {
            try spool.remove(name.part)
            return nil
        }
        try file.truncate(to: scanner.wholeBytes)
        try file.sync()
        var facts = CaptureFacts(
            sensor: name.sensor, interface: interface, series: series, sequence: name.sequence,
            linktype: scanner.linktype, snaplen: scanner.snaplen, opened: WallTime(microseconds: first).iso)
        facts.first = WallTime(microseconds: first).iso
        facts.last = WallTime(microseconds: last).iso
        facts.written = scanner.packets
        facts.cut = scanner.cut
        if let state = ledger.state(), state.next == name.sequence + 1, let recording = state.recording {
            facts.filter = recording.filter
            facts.excluded = recording.excluded
            facts.offloads = recording.offloads
        }
        facts.recovered = true
        let gaps = ledger.gaps()
        facts.tell(gaps.map(\.gap))
        try JSONFile.write(facts, name.meta, in: spool)
        try spool.rename(name.part, to: name.pcap)
        try spool.sync()
        for gap in gaps { ledger.removeGap(gap.file) }
        return Recovered(
            name: name, packets: scanner.packets, bytes: scanner.wholeBytes, cut: size - scanner.wholeBytes,
            last: WallTime(microseconds: last).iso)
    }

    /// The highest number any name of the interface in the spool carries.
    static func highestSequence(interface: String, in spool: borrowing Directory) throws(SystemError) -> UInt64 {
        let escaped = SpoolName.escape(interface)
        let all = try spool.names().compactMap { name -> SpoolName? in
            if let part = SpoolName.ofPart(name) { return part }
            var bare = name
            for ending in [".sig", ".json", ".meta", ".dropped"] where bare.hasSuffix(ending) { bare = String(bare.dropLast(ending.count)) }
            return SpoolName(bare.hasPrefix(".") ? String(bare.dropFirst()) : bare)
        }
        return all.filter { $0.interface == escaped }.map(\.sequence).max() ?? 0
    }
}

/// Open files of interfaces that are no longer recorded: nobody else would ever finish them.
public enum OrphanedFiles {
    /// To be called while no capture program runs. Returns what is to be logged.
    public static func finish(except interfaces: [String], spool path: String, state: String, series: String) throws(SystemError) -> [Event]
    {
        let spool = try Directory(path)
        let kept = Set(interfaces.map(SpoolName.escape))
        let left = Set(try spool.names().compactMap { SpoolName.ofPart($0)?.interface }.filter { !kept.contains($0) })
        var events: [Event] = []
        for escaped in left.sorted() {
            let interface = SpoolName.unescape(escaped)
            let ledger = Ledger(try Directory(state, create: true), interface: interface)
            let (done, troubles) = try Recovery.finishOpenFiles(interface: interface, series: series, in: spool, ledger: ledger)
            events += troubles
            for recovered in done {
                try? ledger.setActivity(.killed, at: recovered.last)
                events.append(recovered.event)
            }
        }
        let stateDirectory = try Directory(state)
        for escaped in try InterfaceState.capturing(in: stateDirectory) where !kept.contains(escaped) {
            let ledger = Ledger(try Directory(state), interface: SpoolName.unescape(escaped))
            if let at = ledger.state()?.at { try? ledger.setActivity(.killed, at: at) }
        }
        return events
    }
}
