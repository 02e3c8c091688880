import CLinux
import CPcap
import Glibc
import Linux
import Spool

/// What the numbers of a file are, while it grows.
struct FileCounts: Sendable {
    var written: UInt64 = 0
    var cut: UInt64 = 0
    var lostToDisk: UInt64 = 0
    /// Stamps of the first and the last of these, microseconds since the epoch; 0: none.
    var lostFrom: Int64 = 0
    var lostTo: Int64 = 0
    /// Microseconds since the epoch.
    var first: Int64 = 0
    var last: Int64 = 0
    var kernelReceived: UInt64 = 0
    var kernelDropped: UInt64 = 0
    var interfaceDropped: UInt64 = 0

    mutating func lose(_ packets: UInt64, from: Int64, to: Int64) {
        if packets == 0 { return }
        lostFrom = lostToDisk == 0 ? from : min(lostFrom, from)
        lostTo = max(lostTo, to)
        lostToDisk += packets
    }

    /// What was lost while a file was open of which nothing is left.
    mutating func add(_ other: FileCounts) {
        lose(other.lostToDisk, from: other.lostFrom, to: other.lostTo)
        kernelReceived += other.kernelReceived
        kernelDropped += other.kernelDropped
        interfaceDropped += other.interfaceDropped
    }
}

/// A file that waits for fsync and its final name.
struct EndedFile: Sendable {
    let descriptor: Int32
    let name: SpoolName
    let opened: WallTime
    var counts: FileCounts
    var bytes: Int64
    let excluded: String?
    /// The disk refused some of it: it has to be cut at its last whole record, and what is missing counted.
    var isTorn: Bool
}

/// Copies packets from the ring into one buffer and the buffer into the open file. Lives on the stack; the
/// per-packet path allocates nothing and decides nothing but whether somebody has to decide.
@safe
struct PacketWriter: ~Copyable {
    /// Large writes cost least (CAPTURE: 4 MiB in huge pages), and the record that does not fit must still fit.
    private static let capacity = 4 << 20
    /// A constant of this module, as the per-packet path wants it; PcapFormat says what it is.
    @inline(__always) private static var recordHeader: Int { 16 }

    private static let leastFile: Int64 = 64 << 10

    private let buffer: UnsafeMutableRawPointer
    private var used = 0
    /// `used` may grow to here without a decision; 0 while no file is open.
    private var room = 0
    private var windowStart: Int64 = 0
    private var windowLength: UInt64 = 0
    private var packetsLeft: UInt64
    private var written: UInt64 = 0
    private var cut: UInt64 = 0
    private var lastSecond: Int64 = 0
    private var lastMicrosecond: Int64 = 0

    private let spool: Directory
    private let rule: RotationRule
    private let finisher: Finisher
    private let sensor: String
    private let interface: String
    private let header: [UInt8]
    private var file: OutputFile?
    private var name: SpoolName?
    private var opened = WallTime(microseconds: 0)
    /// Of the open file: where the buffer's first byte belongs, and its size.
    private var offset: Int64 = 0, onDisk: Int64 = 0
    private var windowEnd: Int64 = 0
    /// Where the clock was set back, the window's end comes when it would have come.
    private var due = MonotonicTime(nanoseconds: 0)
    private var first: Int64 = 0
    /// Packets the disk refused that no finished file tells of.
    private(set) var untold = FileCounts()
    private var writtenBefore: UInt64 = 0
    private var bytesBefore: Int64 = 0
    private var nextSequence: UInt64
    private let wanted: UInt64
    /// Whose counters stand in each file; borrowed, the handle outlives the writer.
    private let counters: OpaquePointer
    private var received = WrappingCounter(), dropped = WrappingCounter(), interfaceDropped = WrappingCounter()
    private var before: (received: UInt64, dropped: UInt64, interfaceDropped: UInt64) = (0, 0, 0)
    private(set) var totalLost: UInt64 = 0
    private(set) var totalCut: UInt64 = 0
    /// Set while the disk takes nothing: what does not fit into the buffer is counted as lost until the next try.
    private(set) var refusal: String?
    /// False since the file system has refused O_DIRECT once.
    private(set) var isDirect = true
    var excluded: String?

    init(
        spool: consuming Directory, rule: RotationRule, finisher: Finisher, sensor: String, interface: String,
        linktype: Int32, snaplen: Int32, nextSequence: UInt64, limit: UInt64, counters: OpaquePointer
    ) throws(SystemError) {
        guard let memory = unsafe sensor_large_buffer(Self.capacity) else { throw SystemError("posix_memalign", code: ENOMEM) }
        unsafe self.buffer = memory
        self.spool = spool
        self.rule = rule
        self.finisher = finisher
        self.sensor = sensor
        self.interface = interface
        self.header = PcapFormat.header(linktype: linktype, snaplen: snaplen)
        self.nextSequence = nextSequence
        self.wanted = limit
        self.packetsLeft = limit
        unsafe self.counters = counters
    }
    deinit { unsafe free(buffer) }

    var isFileOpen: Bool { name != nil }
    var openFile: String? { name?.pcap }
    /// Packets that a crash now would lose.
    var hasUnwritten: Bool { isFileOpen && onDisk < offset + Int64(used) }
    var isFull: Bool { packetsLeft == 0 }
    /// How far the open file's window is from its end, in seconds; 0 or less: it is over, by one clock or the other.
    var untilEnd: Double {
        min(Double(windowEnd * 1_000_000 - WallTime.now().microseconds) / 1e6, due - .now())
    }
    var totalWritten: UInt64 { writtenBefore + written }
    var totalBytes: Int64 { bytesBefore + offset + Int64(used) }
    var totals: (received: UInt64, dropped: UInt64, interfaceDropped: UInt64) {
        (received.total, dropped.total, interfaceDropped.total)
    }

    mutating func account(_ stat: pcap_stat) {
        received.update(stat.ps_recv)
        dropped.update(stat.ps_drop)
        interfaceDropped.update(stat.ps_ifdrop)
    }

    // MARK: a packet

    /// One packet out of the ring; false where something has to be decided first, and `decide` must have it.
    @inline(__always) @_noAllocation
    mutating func takes(_ head: UnsafePointer<pcap_pkthdr>, _ bytes: UnsafePointer<UInt8>) -> Bool {
        let captured = unsafe Int(head.pointee.caplen)
        let second = unsafe Int64(head.pointee.ts.tv_sec)
        guard used &+ Self.recordHeader &+ captured <= room, UInt64(bitPattern: second &- windowStart) < windowLength,
            captured > 0, packetsLeft > 0
        else { return false }
        unsafe append(head, bytes)
        return true
    }

    @inline(__always) @_noAllocation
    private mutating func append(_ head: UnsafePointer<pcap_pkthdr>, _ bytes: UnsafePointer<UInt8>) {
        let at = unsafe buffer + used
        let (second, microsecond) = unsafe (Int64(head.pointee.ts.tv_sec), Int64(head.pointee.ts.tv_usec))
        let (captured, length) = unsafe (head.pointee.caplen, head.pointee.len)
        unsafe at.storeBytes(of: UInt32(truncatingIfNeeded: second).littleEndian, as: UInt32.self)
        unsafe at.storeBytes(of: UInt32(truncatingIfNeeded: microsecond).littleEndian, toByteOffset: 4, as: UInt32.self)
        unsafe at.storeBytes(of: captured.littleEndian, toByteOffset: 8, as: UInt32.self)
        unsafe at.storeBytes(of: length.littleEndian, toByteOffset: 12, as: UInt32.self)
        unsafe (at + 16).copyMemory(from: bytes, byteCount: Int(captured))
        used &+= Self.recordHeader &+ Int(captured)
        lastSecond = second
        lastMicrosecond = microsecond
        written &+= 1
        packetsLeft &-= 1
        if captured < length { cut &+= 1 }
    }

    /// A packet that does not simply go on in the open file.
    mutating func decide(_ head: UnsafePointer<pcap_pkthdr>, _ bytes: UnsafePointer<UInt8>) {
        let (captured, second) = unsafe (Int(head.pointee.caplen), Int64(head.pointee.ts.tv_sec))
        let size = Self.recordHeader + captured
        if packetsLeft == 0 || captured == 0 { return }
        if isFileOpen, written > 0, rule.endsFile(second: second, size: size, end: windowEnd, fileBytes: offset + Int64(used)) { finish() }
        if !isFileOpen, refusal == nil { open(second) }
        if isFileOpen, used + size > Self.capacity { write(tail: false) }
        guard isFileOpen, used + size <= Self.capacity else {
            let stamp = unsafe second * 1_000_000 + Int64(head.pointee.ts.tv_usec)
            untold.lose(1, from: stamp, to: stamp)
            totalLost += 1
            return
        }
        if written == 0 { first = unsafe second * 1_000_000 + Int64(head.pointee.ts.tv_usec) }
        unsafe append(head, bytes)
    }

    // MARK: the file

    private mutating func open(_ second: Int64) {
        // A number is only used where there is room for something that can bear it: a hole in the numbers looks like a lost file.
        if let disk = DiskSpace(of: spool.number), disk.free < SpaceAhead.reserve + Self.leastFile {
            refusal = SystemError.text(ENOSPC)
            return
        }
        let now = WallTime.now()
        let name = SpoolName(sensor: sensor, interface: interface, stamp: now.stamp, sequence: nextSequence)
        do {
            let made = try OutputFile(name.part, in: spool, most: rule.bytes, direct: isDirect)
            isDirect = made.isDirect
            file = consume made
        } catch {
            refusal = error.description
            return
        }
        self.name = name
        opened = now
        nextSequence += 1
        windowEnd = rule.end(of: second)
        due = MonotonicTime.now() + Double(windowEnd * 1_000_000 - now.microseconds) / 1e6
        let window = rule.stamps(until: windowEnd)
        windowStart = window.first
        windowLength = window.count
        unsafe header.withUnsafeBytes { unsafe buffer.copyMemory(from: $0.baseAddress!, byteCount: $0.count) }
        used = header.count
        setRoom()
        finisher.post(.opened(nextSequence: nextSequence, excluded: excluded))
    }

    private mutating func setRoom() { room = Int(min(Int64(Self.capacity), max(0, rule.bytes - offset))) }

    /// What is in the buffer to the disk, its last bytes too where `tail` says so. What the disk refuses stays in the buffer.
    private mutating func write(tail: Bool) {
        guard refusal == nil, var file = file.take() else { return }
        let (done, error) = unsafe file.write(buffer, count: used, tail: tail)
        offset = file.offset
        onDisk = file.size
        isDirect = file.isDirect
        self.file = consume file
        refusal = error.map { SystemError.text($0.code) }
        if done > 0 {
            used -= done
            unsafe memmove(buffer, buffer + done, used)
            setRoom()
        }
    }

    /// Everything to the disk, so that no more than a moment is lost in a crash.
    mutating func flush() { write(tail: true) }

    /// The directory has been removed: what is written into it now nobody finds.
    var isSpoolGone: Bool {
        var status = stat()
        return unsafe fstat(spool.number, &status) == 0 && status.st_nlink == 0
    }

    /// Tries the disk again after a refusal. Where it still takes nothing, the file ends with what is down of it: it may be
    /// what fills the disk, and only a finished one can be delivered or dropped.
    mutating func tryAgain() {
        refusal = nil
        write(tail: true)
        if refusal != nil, onDisk > 0 { finish() }
    }

    /// Ends the open file and hands it on; reading goes on at once.
    mutating func finish() {
        guard isFileOpen else { return }
        refusal = nil
        write(tail: true)
        guard let name, let descriptor = file.take()?.release() else { return }
        self.name = nil
        var stat = pcap_stat()
        if unsafe pcap_stats(counters, &stat) == 0 { account(stat) }
        let counts = FileCounts(
            written: written, cut: cut, lostToDisk: untold.lostToDisk, lostFrom: untold.lostFrom, lostTo: untold.lostTo, first: first,
            last: lastSecond * 1_000_000 + lastMicrosecond,
            kernelReceived: received.total - before.received, kernelDropped: dropped.total - before.dropped,
            interfaceDropped: interfaceDropped.total - before.interfaceDropped)
        before = totals
        untold = FileCounts()
        totalCut += cut
        writtenBefore += written
        bytesBefore += offset + Int64(used)
        finisher.post(
            .finish(
                EndedFile(
                    descriptor: descriptor, name: name, opened: opened, counts: counts, bytes: onDisk, excluded: excluded,
                    isTorn: refusal != nil)))
        written = 0
        cut = 0
        used = 0
        room = 0
        windowLength = 0
        (offset, onDisk) = (0, 0)
    }
}
