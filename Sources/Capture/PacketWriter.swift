import CPcap
import Glibc
import Linux
import Spool

/// What the numbers of a file are, while it grows.
struct FileCounts: Sendable {
    var written: UInt64 = 0
    var cut: UInt64 = 0
    var lostToDisk: UInt64 = 0
    var first: Int64 = 0
    var last: Int64 = 0
    var kernelReceived: UInt64 = 0
    var kernelDropped: UInt64 = 0
    var interfaceDropped: UInt64 = 0
}

/// A file that is whole and waits for fsync and its final name.
struct EndedFile: Sendable {
    let descriptor: Int32
    let name: SpoolName
    let opened: WallTime
    let counts: FileCounts
    let bytes: Int64
    let excluded: String?
}

/// Copies packets from the ring into one buffer and the buffer into the open file. Lives on the stack; the
/// per-packet path allocates nothing.
@safe
struct PacketWriter: ~Copyable {
    private let spool: Directory
    private let rule: RotationRule
    private let finisher: Finisher
    private let sensor: String
    private let interface: String
    private let header: [UInt8]
    private let buffer: UnsafeMutableRawPointer
    private static let capacity = 1 << 20
    private static let alignment = 4096
    /// Space on the disk that packets never take: facts, manifests and the shipper's journal need some, or a full
    /// spool could never be emptied again.
    private static let reserve: Int64 = 1 << 20

    private var used = 0
    private var flushed: Int64 = 0
    private var descriptor: Int32 = -1
    private var name: SpoolName?
    private var opened = WallTime(microseconds: 0)
    private var windowEnd: Int64 = 0
    private(set) var counts = FileCounts()
    private(set) var totalWritten: UInt64 = 0
    private(set) var totalBytes: Int64 = 0
    private(set) var totalLost: UInt64 = 0
    private var nextSequence: UInt64
    private let limit: UInt64
    /// Whose counters stand in each file; borrowed, the handle outlives the writer.
    private let counters: OpaquePointer
    /// Set while the disk takes nothing: packets are counted as lost until the next try.
    private(set) var refusal: String?
    private var received = WrappingCounter()
    private var dropped = WrappingCounter()
    private var interfaceDropped = WrappingCounter()
    private var receivedBefore: UInt64 = 0
    private var droppedBefore: UInt64 = 0
    private var interfaceDroppedBefore: UInt64 = 0
    private var lostBefore: UInt64 = 0
    var excluded: String?

    init(
        spool: consuming Directory, rule: RotationRule, finisher: Finisher, sensor: String, interface: String,
        linktype: Int32, snaplen: Int32, nextSequence: UInt64, limit: UInt64, counters: OpaquePointer
    ) {
        self.spool = spool
        self.rule = rule
        self.finisher = finisher
        self.sensor = sensor
        self.interface = interface
        self.header = PcapFormat.header(linktype: linktype, snaplen: snaplen)
        unsafe self.buffer = .allocate(byteCount: Self.capacity, alignment: Self.alignment)
        self.nextSequence = nextSequence
        self.limit = limit
        unsafe self.counters = counters
    }
    deinit { unsafe buffer.deallocate() }

    var isFileOpen: Bool { descriptor >= 0 }
    var hasUnwritten: Bool { used > 0 && descriptor >= 0 }
    var isFull: Bool { totalWritten >= limit }
    /// Wall-clock second at which the open file's window is over.
    var end: Int64 { windowEnd }
    /// Packets the disk refused that no finished file tells of.
    var untoldLosses: UInt64 { counts.lostToDisk }
    var totals: (received: UInt64, dropped: UInt64, interfaceDropped: UInt64) {
        (received.total, dropped.total, interfaceDropped.total)
    }

    mutating func account(_ stat: pcap_stat) {
        received.update(stat.ps_recv)
        dropped.update(stat.ps_drop)
        interfaceDropped.update(stat.ps_ifdrop)
    }

    /// One packet out of the ring.
    mutating func packet(_ head: pcap_pkthdr, _ bytes: UnsafePointer<UInt8>) {
        let size = PcapFormat.recordHeaderSize + Int(head.caplen)
        let second = Int64(head.ts.tv_sec)
        if isFull || head.caplen == 0 { return }
        if refusal != nil {
            lose()
            return
        }
        if descriptor >= 0, rule.endsFile(second: second, size: size, end: windowEnd, fileBytes: flushed + Int64(used)), counts.written > 0
        {
            finish()
        }
        if descriptor < 0 { open(second) }
        if used + size > Self.capacity { flush() }
        if refusal != nil || descriptor < 0 || size > Self.capacity {
            lose()
            return
        }
        unsafe append(head, bytes)
    }

    @_noAllocation
    private mutating func append(_ head: pcap_pkthdr, _ bytes: UnsafePointer<UInt8>) {
        let at = unsafe buffer + used
        unsafe at.storeBytes(of: UInt32(truncatingIfNeeded: head.ts.tv_sec).littleEndian, as: UInt32.self)
        unsafe at.storeBytes(of: UInt32(truncatingIfNeeded: head.ts.tv_usec).littleEndian, toByteOffset: 4, as: UInt32.self)
        unsafe at.storeBytes(of: head.caplen.littleEndian, toByteOffset: 8, as: UInt32.self)
        unsafe at.storeBytes(of: head.len.littleEndian, toByteOffset: 12, as: UInt32.self)
        unsafe (at + 16).copyMemory(from: bytes, byteCount: Int(head.caplen))
        used += 16 + Int(head.caplen)
        let time = Int64(head.ts.tv_sec) * 1_000_000 + Int64(head.ts.tv_usec)
        if counts.written == 0 { counts.first = time }
        counts.last = time
        counts.written &+= 1
        totalWritten &+= 1
        if head.caplen < head.len { counts.cut &+= 1 }
    }

    private mutating func lose() {
        counts.lostToDisk &+= 1
        totalLost &+= 1
    }

    private mutating func open(_ second: Int64) {
        let now = WallTime.now()
        let name = SpoolName(sensor: sensor, interface: interface, stamp: now.stamp, sequence: nextSequence)
        do {
            let file = try spool.open(name.part, flags: O_WRONLY | O_CREAT | O_EXCL)
            descriptor = file.release()
        } catch {
            refusal = error.description
            return
        }
        nextSequence += 1
        self.name = name
        opened = now
        windowEnd = rule.end(of: second)
        flushed = 0
        let lost = counts.lostToDisk
        counts = FileCounts()
        counts.lostToDisk = lost
        putHeader()
        finisher.post(.opened(nextSequence: nextSequence))
    }

    private mutating func putHeader() {
        unsafe header.withUnsafeBytes { unsafe buffer.copyMemory(from: $0.baseAddress!, byteCount: $0.count) }
        used = header.count
    }

    /// Everything in the buffer to the file. Where the disk refuses, the file is cut at the last whole
    /// record and what did not fit is counted.
    mutating func flush() {
        guard descriptor >= 0, used > 0 else { return }
        if let disk = DiskSpace(of: descriptor), disk.free < Self.reserve + Int64(used) {
            cutAfter(0)
            refusal = SystemError.text(ENOSPC)
            return
        }
        var done = 0
        while done < used {
            let wrote = unsafe Glibc.write(descriptor, buffer + done, used - done)
            if wrote > 0 {
                done += wrote
                continue
            }
            let code = wrote < 0 ? errno : ENOSPC
            if code == EINTR { continue }
            cutAfter(done)
            refusal = SystemError.text(code)
            return
        }
        flushed += Int64(used)
        totalBytes += Int64(used)
        used = 0
    }

    /// Keeps the whole records among the first `done` bytes of the buffer, which are in the file.
    private mutating func cutAfter(_ done: Int) {
        var at = flushed == 0 ? PcapFormat.headerSize : 0
        var kept = at
        while at < used {
            let size = 16 + Int(unsafe buffer.loadUnaligned(fromByteOffset: at + 8, as: UInt32.self).littleEndian)
            at += size
            if at <= done {
                kept = at
            } else {
                counts.written -= 1
                totalWritten -= 1
                lose()
            }
        }
        let size = done < PcapFormat.headerSize && flushed == 0 ? 0 : flushed + Int64(kept)
        _ = ftruncate(descriptor, Int(size))
        lseek(descriptor, 0, SEEK_END)
        flushed = size
        used = 0
        if size == 0 { putHeader() }
    }

    /// Tries the disk again after a refusal.
    mutating func retry() { refusal = nil }

    /// Ends the open file and hands it on; reading goes on at once.
    mutating func finish() {
        guard descriptor >= 0, let name else { return }
        flush()
        var stat = pcap_stat()
        if unsafe pcap_stats(counters, &stat) == 0 { account(stat) }
        counts.kernelReceived = received.total - receivedBefore
        counts.kernelDropped = dropped.total - droppedBefore
        counts.interfaceDropped = interfaceDropped.total - interfaceDroppedBefore
        if counts.written > 0 {
            receivedBefore = received.total
            droppedBefore = dropped.total
            interfaceDroppedBefore = interfaceDropped.total
            finisher.post(
                .finish(EndedFile(descriptor: descriptor, name: name, opened: opened, counts: counts, bytes: flushed, excluded: excluded)))
            counts = FileCounts()
        } else {
            // Nothing was recorded: no empty file. What was lost is told by the next one.
            close(descriptor)
            _ = try? spool.remove(name.part)
        }
        descriptor = -1
        used = 0
    }
}
