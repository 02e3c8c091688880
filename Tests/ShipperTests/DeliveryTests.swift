import Evidence
import Glibc
import Linux
import Spool
import Testing

@testable import Shipper

/// A target in memory that can fail at any call, before the call's effect or after it (the answer is lost).
final class MemoryTarget {
    enum Loss: CaseIterable { case before, after }
    var files: [String: [UInt8]] = [:]
    /// Order in which final names appeared.
    var appeared: [String] = []
    var calls = 0
    var failAt: (call: Int, loss: Loss)?
    var mayRead = true
    var canSync = true
    /// OpenSSH renames by link and unlink: dies in between at this rename.
    var linkOnly = false
    /// The directory itself.
    var isGone = false
    /// The account may not rename.
    var refusesRename = false

    func step<R>(_ effect: () throws(ShipFault) -> R) throws(ShipFault) -> R {
        calls += 1
        let fails = failAt.map { $0.call == calls } ?? false
        if fails, failAt?.loss == .before { throw ShipFault(.passing, "connection lost") }
        let result = try effect()
        if fails { throw ShipFault(.passing, "answer lost") }
        return result
    }
}

struct MemoryBox: DropBox, ~Copyable {
    let target: MemoryTarget
    var open: String?
    var offset = 0

    init(_ target: MemoryTarget) { self.target = target }

    mutating func status(of name: String) throws(ShipFault) -> TargetStatus? {
        let target = target
        if name == "." { return target.isGone ? nil : TargetStatus(size: 0, modified: 0, owner: 1) }
        return try target.step { () throws(ShipFault) in
            target.files[name].map { TargetStatus(size: Int64($0.count), modified: Int64($0.reduce(0) { $0 &+ Int($1) }), owner: 1) }
        }
    }
    mutating func openTemporary(_ name: String, at wanted: Int64) throws(ShipFault) -> Int64 {
        let target = target
        let start = try target.step { () throws(ShipFault) -> Int in
            if let there = target.files[name], there.count >= Int(wanted) {
                target.files[name] = Array(there[..<Int(wanted)])
                return Int(wanted)
            }
            target.files[name] = []
            return 0
        }
        open = name
        offset = start
        return Int64(start)
    }
    mutating func write(_ source: borrowing UploadSource, count: Int) throws(ShipFault) -> Int {
        let target = target
        let name = open ?? ""
        let bytes = Array(UnsafeRawBufferPointer(rebasing: source.bytes[..<max(1, count / 2)]))
        try target.step { () throws(ShipFault) in target.files[name, default: []] += bytes }
        return bytes.count
    }
    mutating func sync() throws(ShipFault) -> Bool {
        let target = target
        return try target.step { () throws(ShipFault) in target.canSync }
    }
    mutating func closeTemporary(size: Int64) throws(ShipFault) {
        let (target, name) = (target, open ?? "")
        try target.step { () throws(ShipFault) in
            if target.files[name]?.count != Int(size) { throw ShipFault(.passing, "size") }
        }
        open = nil
    }
    mutating func rename(_ from: String, to: String) throws(ShipFault) -> Bool {
        let target = target
        return try target.step { () throws(ShipFault) -> Bool in
            guard !target.refusesRename, !target.isGone, target.files[to] == nil, let bytes = target.files[from] else { return false }
            target.files[to] = bytes
            target.appeared.append(to)
            if target.linkOnly { throw ShipFault(.passing, "server died between link and unlink") }
            target.files[from] = nil
            return true
        }
    }
    mutating func touch(_ name: String) throws(ShipFault) {
        let target = target
        try target.step { () throws(ShipFault) in }
    }
    mutating func digest(of name: String) throws(ShipFault) -> [UInt8]? {
        let target = target
        return try target.step { () throws(ShipFault) in
            guard target.mayRead, let bytes = target.files[name] else { return nil }
            return FileDigest.of(bytes)
        }
    }
}

/// A spool and a state directory of its own.
final class Scratch {
    let path: String
    var spool: String { path + "/spool" }
    var state: String { path + "/state" }
    init() throws {
        var template = Array("/tmp/sensor-test-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw SystemError("mkdtemp", code: errno) }
        path = string(in: template)
        _ = try Directory(spool, create: true)
        _ = try Directory(state, create: true)
    }
    deinit {
        for directory in [spool, state, path] {
            if let open = try? Directory(directory) { for name in (try? open.names()) ?? [] { _ = try? open.remove(name) } }
            rmdir(directory)
        }
    }
    func put(_ name: String, _ bytes: [UInt8]) throws { try Directory(spool).replace(name, with: bytes) }
    func names() throws -> [String] { try Directory(spool).names().sorted() }
    func delivery(to target: String = "box") throws -> Delivery {
        Delivery(
            spool: try Directory(spool), state: try Directory(state), rate: nil, target: target, stop: try StopWatch(isSupervised: false))
    }
}

@Suite struct DeliveryTests {
    let file = "s@eth0-20261125T000000Z-0000000001.pcap"
    let content = [UInt8]((0..<5000).map { UInt8(truncatingIfNeeded: $0 &* 31) })

    private func attempt(_ scratch: Scratch, _ target: MemoryTarget) throws -> ShipFault? {
        var delivery = try scratch.delivery()
        var box = MemoryBox(target)
        do {
            try delivery.clearDelivered()
            _ = try delivery.deliver(file, to: &box)
            return nil
        } catch { return error }
    }

    @Test("a file arrives with its manifest, the manifest first, and nothing stays here")
    func plain() throws {
        let scratch = try Scratch()
        let target = MemoryTarget()
        try scratch.put(file, content)
        #expect(try attempt(scratch, target) == nil)
        #expect(target.files[file] == content)
        #expect(target.appeared == [file + ".json", file])
        #expect(target.files.count == 2)
        #expect(try scratch.names() == [])
        let manifest = try #require(JSONFile.decode(Manifest.self, from: target.files[file + ".json"] ?? []))
        #expect(manifest.sha256 == FileDigest.hex(FileDigest.of(content)))
        #expect(manifest.size == 5000)
        #expect(manifest.capture == nil)
    }

    @Test(
        "a connection that dies at any call, with or without the call's effect, costs neither the file nor a second copy",
        arguments: MemoryTarget.Loss.allCases)
    func diesAnywhere(loss: MemoryTarget.Loss) throws {
        let whole = MemoryTarget()
        let first = try Scratch()
        try first.put(file, content)
        _ = try attempt(first, whole)
        #expect(whole.calls > 10)
        for call in 1...whole.calls {
            let scratch = try Scratch()
            let target = MemoryTarget()
            try scratch.put(file, content)
            target.failAt = (call, loss)
            var tries = 0
            while try attempt(scratch, target) != nil, tries < 5 { tries += 1 }
            #expect(tries == 1, "one failure at call \(call), one more try")
            #expect(target.files[file] == content, "call \(call)")
            #expect(target.appeared == [file + ".json", file], "call \(call): each final name appears once, the manifest first")
            #expect(target.files.count == 2, "call \(call): nothing else is left: \(target.files.keys)")
            #expect(try scratch.names() == [], "call \(call)")
        }
    }

    @Test("a server that died between link and unlink has the file; it is not a conflict, though nothing may be read")
    func linkedNotUnlinked() throws {
        let scratch = try Scratch()
        let target = MemoryTarget()
        target.mayRead = false
        try scratch.put(file, content)
        target.linkOnly = true
        #expect(try attempt(scratch, target)?.kind == .passing)
        #expect(try attempt(scratch, target)?.kind == .passing)
        target.linkOnly = false
        #expect(try attempt(scratch, target) == nil)
        #expect(target.files[file] == content)
        #expect(try scratch.names() == [])
    }

    @Test("a name that is there with other content is kept on both sides, and said", arguments: [true, false])
    func conflict(mayRead: Bool) throws {
        let scratch = try Scratch()
        let target = MemoryTarget()
        target.mayRead = mayRead
        let other = [UInt8](repeating: 7, count: content.count)
        target.files[file] = other
        try scratch.put(file, content)
        for _ in 0..<3 {
            let fault = try #require(try attempt(scratch, target))
            #expect(fault.kind == .file)
            #expect(fault.description.contains(file) && fault.description.contains("other content"))
        }
        #expect(target.files[file] == other)
        #expect(try scratch.names().contains(file))
        #expect(target.files.count { $0.key.hasSuffix(".part") } <= 2, "each try uses the same temporary name")
        // The operator moves the other one away.
        target.files[file] = nil
        #expect(try attempt(scratch, target) == nil)
        #expect(target.files[file] == content)
    }

    @Test("after a refusal nothing at the target means delivered: cleaned temporaries are sent again", arguments: ["conflict", "refused"])
    func cleanedAfterRefusal(why: String) throws {
        let scratch = try Scratch()
        let target = MemoryTarget()
        target.mayRead = false
        let other = [UInt8](repeating: 7, count: content.count)
        if why == "conflict" { target.files[file] = other } else { target.refusesRename = true }
        try scratch.put(file, content)
        #expect(try attempt(scratch, target) != nil)
        for _ in 0..<4 {
            target.files = target.files.filter { !$0.key.hasSuffix(".part") }
            #expect(try attempt(scratch, target) != nil)
            #expect(try Directory(scratch.spool).read(file) == content)
        }
        #expect(target.files[file] == (why == "conflict" ? other : nil))
        target.refusesRename = false
        target.files[file] = nil
        var tries = 0
        while try attempt(scratch, target) != nil, tries < 3 { tries += 1 }
        #expect(target.files[file] == content)
        #expect(try scratch.names() == [])
    }

    @Test("where the whole directory is gone after a lost answer, the file is kept")
    func directoryGone() throws {
        let scratch = try Scratch()
        let target = MemoryTarget()
        try scratch.put(file, content)
        let whole = MemoryTarget()
        let first = try Scratch()
        try first.put(file, content)
        _ = try attempt(first, whole)
        target.failAt = (whole.calls - 1, .before)
        #expect(try attempt(scratch, target) != nil)
        target.files = [:]
        target.isGone = true
        #expect(try attempt(scratch, target)?.kind == .operators)
        #expect(try Directory(scratch.spool).read(file) == content)
    }

    @Test("a file that takes the name during the upload is not removed as delivered")
    func replacedDuringUpload() throws {
        let scratch = try Scratch()
        let target = MemoryTarget()
        try scratch.put(file, content)
        var delivery = try scratch.delivery()
        let other = [UInt8](repeating: 9, count: 77)
        delivery.progress = { _ in
            try? scratch.put("S", other)
            rename("\(scratch.spool)/S", "\(scratch.spool)/\(self.file)")
        }
        var box = MemoryBox(target)
        _ = try delivery.deliver(file, to: &box)
        #expect(target.files[file] == content)
        #expect(try Directory(scratch.spool).read(file) == other)
    }

    @Test("a FIFO under a file's name holds up nothing")
    func fifo() throws {
        let scratch = try Scratch()
        let target = MemoryTarget()
        #expect(mkfifo("\(scratch.spool)/\(file)", 0o600) == 0)
        #expect(try attempt(scratch, target) == nil)
        #expect(target.calls == 0)
    }

    @Test("the same content under the name counts as delivered where it may be read")
    func sameContent() throws {
        let scratch = try Scratch()
        let target = MemoryTarget()
        target.files[file] = content
        try scratch.put(file, content)
        #expect(try attempt(scratch, target) == nil)
        #expect(target.files[file] == content)
        #expect(try scratch.names() == [])
    }

    @Test("a file taken by the centre right after its name appeared is delivered, not sent again")
    func takenAway() throws {
        let scratch = try Scratch()
        let target = MemoryTarget()
        try scratch.put(file, content)
        // Lose the answer of the last rename.
        let whole = MemoryTarget()
        let first = try Scratch()
        try first.put(file, content)
        _ = try attempt(first, whole)
        target.failAt = (whole.calls - 1, .after)
        #expect(try attempt(scratch, target) != nil)
        #expect(target.files.removeValue(forKey: file) == content)
        #expect(try attempt(scratch, target) == nil)
        #expect(target.files[file] == nil)
        #expect(try scratch.names() == [])
    }

    @Test("a file put in the place of one whose delivery was nearly done is a delivery of its own")
    func replacedHere() throws {
        let scratch = try Scratch()
        let target = MemoryTarget()
        try scratch.put(file, content)
        let whole = MemoryTarget()
        let first = try Scratch()
        try first.put(file, content)
        _ = try attempt(first, whole)
        // The answer of the last rename is lost, and then somebody writes another file of that name.
        target.failAt = (whole.calls - 1, .after)
        #expect(try attempt(scratch, target) != nil)
        let other = [UInt8](repeating: 9, count: 77)
        try scratch.put(file, other)
        let fault = try #require(try attempt(scratch, target))
        #expect(fault.kind == .file)
        #expect(target.files[file] == content)
        #expect(try Directory(scratch.spool).read(file) == other, "kept, though the name is taken")
    }

    @Test("a file whose manifest says something else is kept and not sent")
    func damagedHere() throws {
        let scratch = try Scratch()
        let target = MemoryTarget()
        try scratch.put(file, content)
        try scratch.put(file + ".json", JSONFile.encode(Manifest(file: file, size: 5000, sha256: "00", capture: nil)))
        let fault = try #require(try attempt(scratch, target))
        #expect(fault.kind == .file)
        #expect(fault.description.contains("is not what its manifest says"))
        #expect(target.appeared == [])
        #expect(try scratch.names().contains(file))
    }

    @Test("a target without fsync is used all the same, and never trusted for resuming")
    func withoutSync() throws {
        let scratch = try Scratch()
        let target = MemoryTarget()
        target.canSync = false
        try scratch.put(file, content)
        #expect(try attempt(scratch, target) == nil)
        #expect(target.files[file] == content)
    }

    @Test("a file that somebody else holds is passed over")
    func claimed() throws {
        let scratch = try Scratch()
        let target = MemoryTarget()
        try scratch.put(file, content)
        let holder = try Directory(scratch.spool).open(file, flags: O_RDONLY)
        #expect(flock(holder.number, LOCK_EX) == 0)
        #expect(try attempt(scratch, target) == nil)
        #expect(target.calls == 0)
        #expect(try scratch.names() == [file])
    }

    @Test("a link is never followed")
    func link() throws {
        let scratch = try Scratch()
        let target = MemoryTarget()
        #expect(symlink("/etc/passwd", "\(scratch.spool)/\(file)") == 0)
        #expect(try attempt(scratch, target) == nil)
        #expect(target.files.isEmpty)
    }

    @Test(
        "names of any kind have temporary names within NAME_MAX",
        arguments: ["a b.pcap", "`x`.pcap", "\\.pcap", String(repeating: "n", count: 245) + ".pcap"])
    func oddNames(name: String) throws {
        let status = try Directory("/").status(".")
        let entry = JournalEntry(file: name, status: try #require(status), target: "t", random: "abcdefgh")
        for temporary in [entry.temporary, entry.manifestTemporary] {
            #expect(temporary.utf8.count <= 255)
            #expect(temporary.hasPrefix(".") && temporary.hasSuffix(".part"))
        }
        #expect(entry.temporary != entry.manifestTemporary)
    }
}
