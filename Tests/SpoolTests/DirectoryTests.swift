import Glibc
import Linux
import Spool
import Testing

/// What the spool's promises stand on, with real files.
struct DirectoryTests: ~Copyable {
    let scratch: Scratch
    init() throws { scratch = try Scratch() }

    func put(_ name: String, _ text: String, in directory: borrowing Directory) throws {
        try directory.open(name, flags: O_WRONLY | O_CREAT | O_EXCL).writeAll(Array(text.utf8))
    }
    func text(_ name: String, in directory: borrowing Directory) throws -> String? {
        try directory.read(name).map { String(decoding: $0, as: UTF8.self) }
    }

    @Test func `a replaced file holds the new content and nothing is left beside it`() throws {
        let directory = try Directory(scratch.path)
        try directory.replace("state", with: Array("old".utf8))
        try directory.replace("state", with: Array("new content".utf8), mode: 0o600)
        #expect(try text("state", in: directory) == "new content")
        #expect(try directory.names() == ["state"])
        #expect(try directory.status("state")?.mode == S_IFREG | 0o600)
    }

    @Test func `a reader that has the old file open goes on reading the old content`() throws {
        let directory = try Directory(scratch.path)
        try directory.replace("state", with: Array("old".utf8))
        let open = try directory.open("state", flags: O_RDONLY)
        try directory.replace("state", with: Array("new".utf8))
        #expect(try open.read(10) == Array("old".utf8))
    }

    @Test func `what a crash left of a replacement does not stand in the way of the next`() throws {
        let directory = try Directory(scratch.path)
        try put(".state.new", "half", in: directory)
        try directory.replace("state", with: Array("new".utf8))
        #expect(try directory.names() == ["state"])
    }

    @Test func `a replacement that fails leaves the old content and nothing beside it`() throws {
        let directory = try Directory(scratch.path)
        mkdir("\(scratch.path)/state", 0o700)
        let error = #expect(throws: SystemError.self) { try Directory(scratch.path).replace("state", with: [1]) }
        #expect(error?.code == EISDIR)
        #expect(try directory.names() == ["state"])
        #expect(try directory.status("state")?.isDirectory == true)
    }

    @Test func `a rename replaces nothing`() throws {
        let directory = try Directory(scratch.path)
        try put("a", "one", in: directory)
        try put("b", "two", in: directory)
        let error = #expect(throws: SystemError.self) { try Directory(scratch.path).rename("a", to: "b") }
        #expect(error?.code == EEXIST)
        #expect(error?.description == "rename \(scratch.path)/a to b: File exists")
        #expect(try text("a", in: directory) == "one")
        #expect(try text("b", in: directory) == "two")
        try directory.rename("a", to: "c")
        #expect(try Set(directory.names()) == ["b", "c"])
        #expect(try text("c", in: directory) == "one")
    }

    @Test func `a link is not followed`() throws {
        let directory = try Directory(scratch.path)
        try put("real", "secret", in: directory)
        symlink("real", "\(scratch.path)/link")
        let error = #expect(throws: SystemError.self) { _ = try Directory(scratch.path).open("link", flags: O_RDONLY) }
        #expect(error?.code == ELOOP)
        #expect(try directory.status("link")?.isRegular == false)
    }

    @Test func `what is not there is nil or false, not an error`() throws {
        let directory = try Directory(scratch.path)
        #expect(try directory.read("none") == nil)
        #expect(try directory.status("none") == nil)
        #expect(try !directory.remove("none"))
        #expect(JSONFile.read(Gap.self, "none", in: directory) == nil)
        try put("there", "", in: directory)
        #expect(try directory.read("there") == [])
        #expect(try directory.remove("there"))
    }

    @Test(arguments: ["a", "a/b/c", "a/b/", "a//b", "a/b/c//"])
    func `a directory is made with its parents, and made again without complaint`(path: String) throws {
        let whole = "\(scratch.path)/\(path)"
        for _ in 0..<2 {
            let directory = try Directory(whole, create: true)
            #expect(try directory.names() == [])
        }
        #expect(try Directory(scratch.path).status("a")?.isDirectory == true)
        #expect(try Directory(scratch.path).status("a")?.mode == S_IFDIR | 0o750)
    }

    @Test func `a directory that cannot be made says which and why`() throws {
        try put("file", "", in: Directory(scratch.path))
        let error = #expect(throws: SystemError.self) { _ = try Directory("\(scratch.path)/file/sub", create: true) }
        #expect(error?.description == "mkdir \(scratch.path)/file/sub: Not a directory")
        let other = #expect(throws: SystemError.self) { _ = try Directory("\(scratch.path)/none/sub") }
        #expect(other?.code == ENOENT)
    }

    @Test func `reading stops at the limit`() throws {
        let directory = try Directory(scratch.path)
        try put("long", String(repeating: "x", count: 200_000), in: directory)
        #expect(try directory.read("long")?.count == 200_000)
        #expect(try directory.read("long", limit: 70_000)?.count == 70_000)
    }

    @Test func `a value written is the value read, and half a value is none`() throws {
        let directory = try Directory(scratch.path)
        let gap = Gap(from: "a", to: "b", reason: "c", lost: 1)
        try JSONFile.write(gap, "gap.json", in: directory)
        #expect(JSONFile.read(Gap.self, "gap.json", in: directory) == gap)
        try directory.replace("gap.json", with: Array(JSONFile.encode(gap).prefix(20)))
        #expect(JSONFile.read(Gap.self, "gap.json", in: directory) == nil)
    }

    @Test func `a descriptor is closed when its owner goes, and only then`() throws {
        let path = scratch.path
        func isOpen(_ number: Int32) throws -> Bool { try Directory("/proc/self/fd").names().contains(String(number)) }
        // A number far above what tests beside this one use, so that nobody takes it in between.
        let wanted: Int32 = 800
        do {
            let directory = try Directory(path)
            let held = Descriptor(owning: fcntl(directory.number, F_DUPFD_CLOEXEC, wanted))
            #expect(held.number >= wanted)
            #expect(try isOpen(held.number))
        }
        #expect(try !isOpen(wanted))
    }
}
