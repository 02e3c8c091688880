import Events
import Glibc
import Linux
import Testing

struct LogSinkTests {
    init() { signal(SIGPIPE, SIG_IGN) }

    /// All that is in the pipe now.
    func drain(_ descriptor: Int32) throws -> String {
        var all: [UInt8] = []
        var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        while poll(&entry, 1, 0) > 0, entry.revents & Int16(POLLIN) != 0 {
            var bytes = [UInt8](repeating: 0, count: 65_536)
            let got = read(descriptor, &bytes, bytes.count)
            if got <= 0 { break }
            all += bytes[..<got]
        }
        return String(decoding: all, as: UTF8.self)
    }

    @Test func `lines arrive whole and in order`() throws {
        let pipe = try Pipe.make()
        var sink = LogSink(descriptor: pipe.write.number)
        for number in 0..<100 { sink.write("line \(number)\n") }
        #expect(!sink.isWaiting)
        #expect(try drain(pipe.read.number) == (0..<100).map { "line \($0)\n" }.joined())
    }

    @Test func `a reader that stalls costs lines, never a wait, and they are counted`() throws {
        let pipe = try Pipe.make()
        let line = String(repeating: "x", count: 999) + "\n"
        var sink = LogSink(descriptor: pipe.write.number, limit: 10_000)
        // Far more than pipe and buffer hold; that this comes back at all is the promise.
        for _ in 0..<1000 { sink.write(line) }
        #expect(sink.isWaiting)
        var text = try drain(pipe.read.number)
        sink.flush()
        text += try drain(pipe.read.number)
        #expect(!sink.isWaiting)
        sink.write("after\n")
        text += try drain(pipe.read.number)
        let whole = text.split(separator: "\n").filter { $0.count == 999 }.count
        #expect(whole < 1000)
        #expect(text.hasSuffix("[log] \(1000 - whole) lines dropped: the reader of the log had stalled\nafter\n"))
        #expect(
            text.utf8.count == whole * 1000 + "[log] \(1000 - whole) lines dropped: the reader of the log had stalled\nafter\n".utf8.count)
    }

    @Test func `a reader that is gone is forgotten`() throws {
        let pipe = try Pipe.make()
        let write = pipe.keepWrite()
        var sink = LogSink(descriptor: write.number)
        sink.write("nobody hears this\n")
        sink.write("nor this\n")
        #expect(!sink.isWaiting)
    }
}
