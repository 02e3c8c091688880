import CLinux
import Glibc
import Linux
import Spool
import Testing

@testable import Capture

@Suite struct SpaceAheadTests {
    static let mebi: Int64 = 1 << 20

    @Test(arguments: [
        // need, most, free, taken: on a large disk the whole step, but no more than the file may become
        (4 * mebi, 256 * mebi, 1 << 40, Int64?.some(16 * mebi)),
        (4 * mebi, 6 * mebi, 1 << 40, 6 * mebi),
        // the first packet of a file may be more than the file may become
        (4 * mebi, 1 * mebi, 1 << 40, 4 * mebi),
        // on a small one an eighth, but never less than what is needed now
        (1 * mebi, 256 * mebi, 24 * mebi, 3 * mebi),
        (4 * mebi, 256 * mebi, 24 * mebi, 4 * mebi),
        // packets never take the last mebibyte
        (4 * mebi, 256 * mebi, 5 * mebi, 4 * mebi),
        (4 * mebi, 256 * mebi, 5 * mebi - 1, nil),
        (1, 256 * mebi, 0, nil),
    ]) func `so much room is taken ahead`(need: Int64, most: Int64, free: Int64, taken: Int64?) {
        #expect(SpaceAhead.bytes(need: need, most: most, free: free) == taken)
    }
}

/// On a disk and on tmpfs, past the page cache and through it: the same bytes.
@Suite struct OutputFileTests {
    static let places = ["/var/tmp", "/dev/shm"]

    /// A directory of its own under `place`, emptied at the end.
    struct Place: ~Copyable {
        let directory: Directory
        init(_ place: String) throws {
            var template = Array("\(place)/output-tests-XXXXXX".utf8CString)
            guard mkdtemp(&template) != nil else { throw SystemError("mkdtemp \(place)", code: errno) }
            directory = try Directory(string(in: template))
        }
        deinit {
            for name in (try? directory.names()) ?? [] { _ = try? directory.remove(name) }
            rmdir(directory.path)
        }
        func bytes(_ name: String) throws -> [UInt8] { try #require(try directory.read(name, limit: 64 << 20)) }
        /// Bytes that it takes on the disk.
        func room(_ name: String) -> Int64 {
            var s = stat()
            return fstatat(directory.number, name, &s, 0) == 0 ? Int64(s.st_blocks) * 512 : -1
        }
    }
    /// Memory on a block's boundary, or `shift` bytes behind it.
    static func withMemory<Result>(_ count: Int, shift: Int = 0, _ body: (UnsafeMutableRawPointer) throws -> Result) throws -> Result {
        let memory = try #require(sensor_large_buffer(count + 4096))
        defer { free(memory) }
        for at in 0..<count { (memory + shift).storeBytes(of: UInt8(truncatingIfNeeded: at &* 31 >> 3), toByteOffset: at, as: UInt8.self) }
        return try body(memory + shift)
    }
    static func pattern(_ range: Range<Int>) -> [UInt8] { range.map { UInt8(truncatingIfNeeded: $0 &* 31 >> 3) } }

    @Test(arguments: places, [true, false])
    func `blocks and tails come to lie one behind the other, a tail is written again with its block`(path: String, direct: Bool) throws {
        let place = try Place(path)
        try Self.withMemory(40_000) { memory in
            var file = try OutputFile("x", in: place.directory, most: 1 << 30, direct: direct)
            let isDirect = file.isDirect
            if path == "/var/tmp" { #expect(isDirect == direct) }
            // 10 000: two blocks, and 1808 bytes that are down but stay.
            var (offset, size): (Int64, Int64)
            var (done, refusal) = file.write(memory, count: 10_000, tail: true)
            (offset, size) = (file.offset, file.size)
            #expect(done == 8192 && refusal == nil && offset == 8192 && size == 10_000)
            #expect(try place.bytes("x") == Self.pattern(0..<10_000))
            // The buffer goes on with the tail: 40 000 in all.
            (done, refusal) = file.write(memory + 8192, count: 40_000 - 8192, tail: false)
            (offset, size) = (file.offset, file.size)
            #expect(refusal == nil && offset == 36_864 && size == 36_864)
            // Nothing to write but a tail; again the same; then nothing at all.
            for _ in 0..<2 {
                (done, refusal) = file.write(memory + 36_864, count: 40_000 - 36_864, tail: true)
                (offset, size) = (file.offset, file.size)
                #expect(done == 0 && refusal == nil && size == 40_000)
            }
            (done, refusal) = file.write(memory, count: 0, tail: true)
            (offset, size) = (file.offset, file.size)
            #expect(done == 0 && refusal == nil && size == 40_000)
            close(file.release())
        }
        #expect(try place.bytes("x") == Self.pattern(0..<40_000))
    }

    @Test func `memory that the disk takes no direct write from is written the plain way, once and for all`() throws {
        let place = try Place("/var/tmp")
        try Self.withMemory(8192, shift: 8) { memory in
            var file = try OutputFile("x", in: place.directory, most: 1 << 30, direct: true)
            let isDirect = file.isDirect
            try #require(isDirect, "/var/tmp takes no O_DIRECT: nothing to try here")
            let (done, refusal) = file.write(memory, count: 8192, tail: false)
            #expect(done == 8192 && refusal == nil)
            let isStillDirect = file.isDirect
            #expect(!isStillDirect)
            close(file.release())
        }
        #expect(try place.bytes("x") == Self.pattern(0..<8192))
    }

    @Test func `room is taken ahead without the file's becoming longer, and cutting gives it back`() throws {
        let place = try Place("/var/tmp")
        try Self.withMemory(10_000) { memory in
            var file = try OutputFile("x", in: place.directory, most: 1 << 30, direct: true)
            _ = file.write(memory, count: 10_000, tail: true)
            #expect(try place.bytes("x").count == 10_000)
            let free = try #require(DiskSpace(of: place.directory.number)?.free)
            #expect(place.room("x") >= min(16 << 20, free / 8))
            let (size, descriptor) = (file.size, file.release())
            #expect(ftruncate(descriptor, off_t(size)) == 0)
            close(descriptor)
            #expect(place.room("x") <= 12_288 + 4096)
        }
    }

    @Test func `a name that is there is refused, never overwritten`() throws {
        let place = try Place("/dev/shm")
        try place.directory.put("x", [1, 2, 3])
        do {
            let file = try OutputFile("x", in: place.directory, most: 1, direct: true)
            Issue.record("opened")
            close(file.release())
        } catch { #expect(error.code == EEXIST) }
        #expect(try place.bytes("x") == [1, 2, 3])
    }

    @Test func `a file system that is full says so before the bytes are gone, and takes more when there is room`() throws {
        try #require(geteuid() == 0, "needs root: mounts a tmpfs")
        let place = try Place("/tmp")
        try #require(mount("tmpfs", place.directory.path, "tmpfs", 0, "size=2m") == 0)
        defer { umount2(place.directory.path, 2) }
        let full = try Directory(place.directory.path)
        try Self.withMemory(2 << 20) { memory in
            var file = try OutputFile("x", in: full, most: 1 << 30, direct: true)
            var (done, refusal) = file.write(memory, count: 1 << 20, tail: true)
            #expect(refusal == nil)
            var size: Int64
            // 1 MiB is left, and that is not for packets.
            (done, refusal) = file.write(memory, count: 4096, tail: true)
            size = file.size
            #expect(done == 0 && refusal?.code == ENOSPC && size == 1 << 20)
            #expect(mount("tmpfs", full.path, "tmpfs", UInt(MS_REMOUNT), "size=8m") == 0)
            (done, refusal) = file.write(memory, count: 1 << 20, tail: true)
            #expect(refusal == nil)
            size = file.size
            #expect(size == 2 << 20)
            close(file.release())
        }
    }
}
