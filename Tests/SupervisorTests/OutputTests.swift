import Glibc
import Linux
import Testing

@testable import Supervisor

/// What becomes of the bytes that programs print.
struct OutputTests: ~Copyable {
    let directory: String

    init() throws {
        var template = Array("/tmp/output-tests-XXXXXX".utf8CString)
        directory = String(cString: try #require(mkdtemp(&template)))
    }
    deinit {
        for name in (try? Directory(directory).names()) ?? [] { unlink("\(directory)/\(name)") }
        rmdir(directory)
    }
    func bytes(_ text: String) -> ArraySlice<UInt8> { Array(text.utf8)[...] }
    func content(_ name: String) throws -> String { String(decoding: try Directory(directory).read(name) ?? [], as: UTF8.self) }

    @Test func `lines come out whole however they come in`() {
        let text = "one\ntwo\n\nthree and more\nlast without an end"
        for size in 1...text.utf8.count {
            var lines = LineAssembler()
            var out: [UInt8] = []
            var rest = bytes(text)
            while !rest.isEmpty {
                let whole = lines.add(rest.prefix(size))
                #expect(whole.isEmpty || whole.last == 10)
                out += whole
                rest = rest.dropFirst(size)
            }
            out += lines.end()
            #expect(String(decoding: out, as: UTF8.self) == text + "\n", "in pieces of \(size)")
            #expect(lines.end().isEmpty)
        }
    }

    @Test func `a line without an end uses no more memory than its bound`() {
        var lines = LineAssembler()
        var out = 0
        for _ in 0..<100 { out += lines.add([UInt8](repeating: 120, count: 10_000)[...]).count }
        out += lines.end().count
        #expect((1_000_000...1_000_100).contains(out))
        #expect(lines.add([UInt8](repeating: 120, count: LineAssembler.longest)[...]).count == LineAssembler.longest + 1)
    }

    @Test(arguments: [
        ("plain\n", "plain\n"), ("\u{1b}[31mred\u{1b}[0m\n", "red\n"), ("a\u{1b}]0;title\u{7}b\n", "ab\n"),
        ("a\u{1b}]0;title\u{1b}\\b\n", "ab\n"), ("a\u{1b}(Bb\n", "ab\n"), ("cut\u{1b}[3\nnext\n", "cut\nnext\n"), ("a\u{1b}cb", "ab"),
        ("end\u{1b}", "end"), ("\u{1b}]never ends\nline\n", "\nline\n"),
    ])
    func `terminal sequences go, text and line ends stay`(text: String, left: String) {
        #expect(String(decoding: withoutEscapes(bytes(text)), as: UTF8.self) == left)
    }

    @Test func `a log is cut at line ends and keeps so many backups, the oldest last`() throws {
        let file = try RotatingFile("\(directory)/r", maxbytes: 10, backups: 2)
        for line in ["aaaa\n", "bbbb\n", "cccc\n", "dddd\neeee\nffff\n", "a line longer than any file\n", "g\n"] {
            #expect(file.write(bytes(line)) == nil)
        }
        #expect(try content("r") == "g\n")
        #expect(try content("r.1") == "a line longer than any file\n")
        #expect(try content("r.2") == "eeee\nffff\n")
        #expect(try Set(Directory(directory).names()) == ["r", "r.1", "r.2"])
    }

    @Test func `a line that comes in pieces is not cut`() throws {
        let file = try RotatingFile("\(directory)/r", maxbytes: 10, backups: 1)
        for piece in ["aaaaaaa\n", "bb", "bb", "bb", "bb", "\n", "c\n"] { #expect(file.write(bytes(piece)) == nil) }
        #expect(try content("r.1") == "aaaaaaa\nbbbbbbbb\n", "a line that was begun is finished where it was")
        #expect(try content("r") == "c\n")
    }

    @Test func `without backups a full log begins anew`() throws {
        let file = try RotatingFile("\(directory)/r", maxbytes: 10, backups: 0)
        for line in ["aaaa\n", "bbbb\n", "cccc\n"] { _ = file.write(bytes(line)) }
        #expect(try content("r") == "cccc\n")
        #expect(try Directory(directory).names() == ["r"])
    }

    @Test func `a log that was there is gone on with, one that was removed is made again`() throws {
        try Directory(directory).open("r", flags: O_WRONLY | O_CREAT).writeAll(Array("old\n".utf8))
        let file = try RotatingFile("\(directory)/r", maxbytes: 100, backups: 1)
        _ = file.write(bytes("new\n"))
        #expect(try content("r") == "old\nnew\n")
        unlink("\(directory)/r")
        _ = file.write(bytes("again\n"))
        #expect(try content("r") == "again\n")
        rename("\(directory)/r", "\(directory)/moved")
        _ = file.write(bytes("into the moved one\n"))
        #expect(file.reopen() == nil)
        _ = file.write(bytes("into the new one\n"))
        #expect(try content("moved") == "again\ninto the moved one\n")
        #expect(try content("r") == "into the new one\n")
        #expect(file.clear() == nil)
        #expect(try content("r") == "")
    }

    @Test func `a fault is told once, and its cost when it has passed`() throws {
        let full = try RotatingFile("/dev/full")
        #expect(full.write(bytes("12345\n")) == .began("No space left on device"))
        #expect(full.write(bytes("12345\n")) == nil)
        mkfifo("\(directory)/fifo", 0o600)
        #expect(throws: SystemError.self) { _ = try RotatingFile("\(directory)/fifo") }
        // A FIFO whose reader does not read: never waited for, and told what it cost.
        let reader = try Descriptor.open("\(directory)/fifo", flags: O_RDONLY | O_NONBLOCK)
        let fifo = try RotatingFile("\(directory)/fifo", maxbytes: 10, backups: 1)
        let line = [UInt8](repeating: 120, count: 4095) + [10]
        var told: [RotatingFile.Trouble?] = []
        for _ in 0..<20 { told.append(fifo.write(line[...])) }
        #expect(told.compactMap { $0 } == [.began("Resource temporarily unavailable")])
        while let part = try? reader.read(65_536), !part.isEmpty {}
        // Not at each of its pauses, but when it has read for some seconds.
        #expect(fifo.write(line[...]) == nil)
        usleep(5_100_000)
        #expect(fifo.write(line[...]) == .passed(dropped: 4 * 4096))
    }

    @Test func `a log that cannot be rotated grows on, is said once, and loses no backup`() throws {
        let file = try RotatingFile("\(directory)/r", maxbytes: 10, backups: 3)
        for line in ["aaaa\n", "bbbb\n", "cccc\n"] { #expect(file.write(bytes(line)) == nil) }
        #expect(try content("r.1") == "aaaa\nbbbb\n")
        // Nobody can be put in this one's place, not even by root.
        mkdir("\(directory)/r.new", 0o700)
        var told: [RotatingFile.Trouble] = []
        for number in 0..<20 { if let trouble = file.write(bytes("dd\(number % 10)\n")) { told.append(trouble) } }
        guard case .unrotatable? = told.first else {
            Issue.record("told: \(told)")
            return
        }
        #expect(told.count == 1)
        #expect(try content("r.1") == "aaaa\nbbbb\n")
        #expect(try content("r").utf8.count == 85)
        rmdir("\(directory)/r.new")
        for _ in 0..<10 { #expect(file.write(bytes("eeee\n")) == nil) }
        #expect(try content("r").utf8.count <= 10)
        #expect(try content("r.1").utf8.count >= 10)
    }

    @Test func `clearing a log leaves a device alone`() throws {
        #expect(try RotatingFile("/dev/null").clear() == nil)
        #expect(try Directory("/dev").status("null").map { $0.mode & S_IFMT } == S_IFCHR)
    }

    @Test func `an automatic log is for nobody else to read, and never a file that was there`() throws {
        let file = try RotatingFile(new: "\(directory)/auto.log", maxbytes: 0, backups: 0)
        #expect(file.write(bytes("x\n")) == nil)
        #expect(try Directory(directory).status("auto.log")?.mode == S_IFREG | 0o600)
        #expect(throws: SystemError.self) { _ = try RotatingFile(new: "\(directory)/auto.log", maxbytes: 0, backups: 0) }
        symlink("\(directory)/elsewhere", "\(directory)/link.log")
        #expect(throws: SystemError.self) { _ = try RotatingFile(new: "\(directory)/link.log", maxbytes: 0, backups: 0) }
    }

    @Test func `logs of earlier supervisors are known by their names, and nothing else is`() {
        for (name, isOurs) in [
            ("a-stdout---supervisor-abc_1234.log", true), ("a-stderr---supervisor-abcdefgh.log", true),
            ("a-b-stdout---supervisor-abcdefgh.log.3", true), ("a-stdout---other-abcdefgh.log", false),
            ("-stdout---supervisor-abcdefgh.log", false), ("a-stdout---supervisor-abcdefgh.log.gz", false),
            ("a-stdout---supervisor-ABCDEFGH.log", false), ("a-stdout---supervisor-abc.log", false), ("a-stdout.log", false),
        ] { #expect(ChildLogs.isOurs(name, "supervisor") == isOurs, "\(name)") }
    }
}
