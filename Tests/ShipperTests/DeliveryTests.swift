import Evidence
import Glibc
import Linux
import Spool
import Testing

@testable import Shipper

/// A target in memory whose server can die at any request, before the request's effect or after it (the answer is lost).
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
    /// As rclone's server: opening a file to write empties it, a rename replaces what is there, there is no fsync.
    var isLikeRclone = false
    /// Bytes that fit.
    var capacity = Int.max
    /// Every file opened and not closed, by any lane.
    var open = 0
    /// Bytes written, those written twice counted twice.
    var written = 0
    /// Called before each request is carried out.
    var before: ((TargetCall) -> Void)?

    struct Died: Error {}

    func status(_ name: String) -> TargetAnswer {
        if name == "." { return isGone ? .refused(.missing) : .status(TargetStatus(size: 0, modified: 0, owner: 1)) }
        guard let bytes = files[name] else { return .refused(.missing) }
        return .status(TargetStatus(size: Int64(bytes.count), modified: 1 + Int64(FileDigest.of(bytes)[0]), owner: 1))
    }
    var held: Int { files.values.reduce(0) { $0 + $1.count } }
}

/// Answers in order, as one server process does; dies with its target's fault.
final class MemoryLane: Lane {
    let number: Int
    let target: MemoryTarget
    private var asked: [(owner: Int, call: TargetCall, bytes: [UInt8])] = []
    private var handles: [Int: String] = [:]
    private var nextHandle = 0
    private(set) var isDead = false
    /// Requests carried out in one go.
    var pace = Int.max
    var longestWrite = 1000
    let mostOpen = 100
    var appetite: Int { max(0, 4000 - asked.reduce(0) { $0 + $1.bytes.count }) }

    init(_ number: Int, _ target: MemoryTarget) {
        self.number = number
        self.target = target
    }
    var isReady: Bool { !isDead }
    var underWay: Int { asked.count }
    func ask(_ call: TargetCall, for owner: Int) { asked.append((owner, call, [])) }
    func write(_ handle: TargetHandle, _ range: Range<Int64>, for owner: Int, fill: (UnsafeMutableRawBufferPointer) -> Bool) -> Bool {
        var bytes = [UInt8](repeating: 0, count: range.count)
        guard bytes.withUnsafeMutableBytes({ fill($0) }) else { return false }
        asked.append((owner, .write(handle, offset: range.lowerBound, count: range.count), bytes))
        return true
    }
    func takeAnswers() -> [LaneAnswer] {
        var out: [LaneAnswer] = []
        for _ in 0..<min(pace, asked.count) where !isDead {
            let (owner, call, bytes) = asked.removeFirst()
            do { out.append(LaneAnswer(owner: owner, call: call, answer: try carryOut(call, bytes))) } catch { die() }
        }
        return isDead ? [] : out
    }
    func die() {
        isDead = true
        target.open -= handles.count
        handles = [:]
        asked = []
    }

    private func carryOut(_ call: TargetCall, _ bytes: [UInt8]) throws -> TargetAnswer {
        target.before?(call)
        target.calls += 1
        let fails = target.failAt.map { $0.call == target.calls } ?? false
        if fails, target.failAt?.loss == .before { throw MemoryTarget.Died() }
        let answer = try effect(call, bytes)
        if fails { throw MemoryTarget.Died() }
        return answer
    }

    private func effect(_ call: TargetCall, _ bytes: [UInt8]) throws -> TargetAnswer {
        switch call {
        case .open(let name, let mode, _):
            if target.isGone { return .refused(.missing) }
            let exists = target.files[name] != nil
            switch mode {
            case .new where exists: return .refused(.other("Failure"))
            case .existing where !exists: return .refused(.missing)
            case .reading where !target.mayRead: return .refused(.denied)
            case .reading where !exists: return .refused(.missing)
            case .new, .any: if !exists || target.isLikeRclone { target.files[name] = [] }
            case .existing where target.isLikeRclone: target.files[name] = []
            default: break
            }
            nextHandle += 1
            handles[nextHandle] = name
            target.open += 1
            return .opened(TargetHandle(lane: number, number: nextHandle))
        case .write(let handle, let offset, _):
            guard let name = handles[handle.number], var file = target.files[name] else { return .refused(.other("Failure")) }
            let end = Int(offset) + bytes.count
            if target.held + max(0, end - file.count) > target.capacity { return .refused(.other("Failure")) }
            if file.count < end { file += [UInt8](repeating: 0, count: end - file.count) }
            file.replaceSubrange(Int(offset)..<end, with: bytes)
            target.files[name] = file
            target.written += bytes.count
            return .done
        case .sync: return target.canSync && !target.isLikeRclone ? .done : .refused(.unsupported)
        case .size(let handle): return target.status(handles[handle.number] ?? "?")
        case .close(let handle):
            // As any server: a handle that it has not given, or has taken back, is none.
            guard handles.removeValue(forKey: handle.number) != nil else { return .refused(.other("Failure")) }
            target.open -= 1
            return .done
        case .rename(let from, let to, _):
            guard !target.refusesRename, !target.isGone, target.files[to] == nil || target.isLikeRclone, let bytes = target.files[from]
            else {
                return .refused(.other("Failure"))
            }
            target.files[to] = bytes
            target.appeared.append(to)
            if target.linkOnly { throw MemoryTarget.Died() }
            target.files[from] = nil
            return .done
        case .look(let name, _): return target.status(name)
        case .read(let handle, let offset, let count):
            guard let name = handles[handle.number], let file = target.files[name] else { return .refused(.other("Failure")) }
            return .bytes(Array(file.dropFirst(Int(offset)).prefix(count)))
        case .space: return .space(Int64(clamping: target.capacity - target.held))
        case .remove(let name, _):
            if !target.mayRead { return .refused(.denied) }
            return target.files.removeValue(forKey: name) == nil ? .refused(.missing) : .done
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
    func dispatcher(to target: String = "box") throws -> Dispatcher {
        Dispatcher(spool: try Directory(spool), journal: Journal(try Directory(state)), target: target)
    }

    /// Goes on with one file, made safe at each step, as long as it should; then the program dies.
    func deliver(_ file: String, over lane: MemoryLane, while isGoing: () -> Bool) throws {
        let dispatcher = try dispatcher()
        var limit: RateLimit?
        #expect(try dispatcher.start(file))
        while isGoing() {
            _ = try dispatcher.step([lane], &limit)
            dispatcher.checkpoint()
        }
    }

    /// Delivers what is named over these lanes until nothing is left to do. The faults of single files, or the one that
    /// ended everything.
    @discardableResult
    func deliver(_ files: [String], over lanes: [MemoryLane], to target: String = "box", isPOSIX: Bool = true) throws -> [ShipFault] {
        let dispatcher = try dispatcher(to: target)
        dispatcher.isPOSIX = isPOSIX
        var faults: [ShipFault] = []
        var limit: RateLimit?
        do {
            for file in files { _ = try dispatcher.start(file) }
            for _ in 0..<100_000 {
                let alive = lanes.filter { !$0.isDead }
                if alive.isEmpty { return faults + [ShipFault(.passing, "connection lost")] }
                _ = try dispatcher.step(alive, &limit)
                for news in dispatcher.takeNews() { if case .postponed(_, let fault) = news { faults.append(fault) } }
                if dispatcher.count == 0, alive.allSatisfy({ $0.underWay == 0 }) { break }
            }
        } catch { faults.append(error) }
        #expect(dispatcher.count == 0 || !faults.isEmpty, "it came to an end")
        return faults
    }
}

@Suite struct DeliveryTests {
    let file = "s@eth0-20261125T000000Z-0000000001.pcap"
    let content = [UInt8]((0..<5000).map { UInt8(truncatingIfNeeded: $0 &* 31) })

    private func attempt(_ scratch: Scratch, _ target: MemoryTarget) throws -> ShipFault? {
        // What the worker does first: the rest of a file whose delivery was done.
        try ShipWorker.clearDelivered(Journal(try Directory(scratch.state)), spool: try Directory(scratch.spool))
        return try scratch.deliver([file], over: [MemoryLane(1, target)]).first
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
            #expect(fault.description.contains("may not be read") == !mayRead)
        }
        #expect(target.files[file] == other)
        #expect(try scratch.names().contains(file))
        #expect(target.files.count { $0.key.hasSuffix(".part") } <= 2, "each try uses the same temporary name")
        // The operator moves the other one away.
        target.files[file] = nil
        #expect(try attempt(scratch, target) == nil)
        #expect(target.files[file] == content)
    }

    @Test("a server whose rename replaces, and whose open empties, is not let do either")
    func likeRclone() throws {
        let scratch = try Scratch()
        let target = MemoryTarget()
        target.isLikeRclone = true
        target.files[file] = [7]
        try scratch.put(file, content)
        let fault = try #require(try scratch.deliver([file], over: [MemoryLane(1, target)], isPOSIX: false).first)
        #expect(fault.description.contains("other content"))
        #expect(target.files[file] == [7])
        target.files[file] = nil
        #expect(try scratch.deliver([file], over: [MemoryLane(2, target)], isPOSIX: false).isEmpty)
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
        let other = [UInt8](repeating: 9, count: 77)
        target.before = { call in
            guard case .sync = call, target.written <= self.content.count else { return }
            try? scratch.put("S", other)
            rename("\(scratch.spool)/S", "\(scratch.spool)/\(self.file)")
        }
        #expect(try attempt(scratch, target) == nil)
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

    @Test("a full disk is told as such; nothing stays open there, and it goes on when there is room")
    func fullDisk() throws {
        let scratch = try Scratch()
        let target = MemoryTarget()
        target.capacity = 3000
        try scratch.put(file, content)
        for _ in 0..<3 {
            let fault = try #require(try attempt(scratch, target))
            #expect(fault.kind == .operators)
            #expect(fault.description == "disk of box is full: make space there")
        }
        target.capacity = 100_000
        #expect(try attempt(scratch, target) == nil)
        #expect(target.files[file] == content)
        #expect(target.files.count == 2)
    }

    @Test("what the target made safe is not sent again after a crash; without fsync everything is")
    func resume() throws {
        for canSync in [true, false] {
            let scratch = try Scratch()
            let target = MemoryTarget()
            target.canSync = canSync
            let large = [UInt8]((0..<200_000).map { UInt8(truncatingIfNeeded: $0 &* 17 >> 3) })
            try scratch.put(file, large)
            let lane = MemoryLane(1, target)
            lane.pace = 5
            try scratch.deliver(file, over: lane) { target.written < 100_000 }
            lane.die()
            let sent = target.written
            #expect(try attempt(scratch, target) == nil)
            #expect(target.files[file] == large)
            let again = target.written - large.count
            if canSync { #expect(again < 20_000, "\(again) bytes were sent twice") } else { #expect(again >= sent - 5000) }
        }
    }

    @Test("the last sync is one of its own: that of a checkpoint, answered late, does not stand for it")
    func lateCheckpoint() {
        let handle = TargetHandle(lane: 1, number: 1)
        var upload = Upload("t", size: 200, safe: 0, isNew: true, canSync: true)
        let opening = upload.begin(on: 1)[0]
        _ = upload.answered(opening, .opened(handle))
        _ = upload.chunk(on: 1, most: 100)
        _ = upload.answered(.write(handle, offset: 0, count: 100), .done)
        #expect(upload.secure() == [.sync(handle)])
        _ = upload.chunk(on: 1, most: 100)
        #expect(upload.tail() == [])
        #expect(upload.answered(.write(handle, offset: 100, count: 100), .done).calls == [])
        let (calls, outcome) = upload.answered(.sync(handle), .done)
        #expect(outcome == .safe(100))
        #expect(calls == [.sync(handle), .size(handle), .close(handle)])
    }

    @Test("a temporary file that vanished is never completed: what is missing before the safe offset would be zeros")
    func vanished() throws {
        let scratch = try Scratch()
        let target = MemoryTarget()
        let large = [UInt8]((0..<200_000).map { UInt8(truncatingIfNeeded: $0 &* 17 >> 3) })
        try scratch.put(file, large)
        target.failAt = (120, .after)
        let lane = MemoryLane(1, target)
        try scratch.deliver(file, over: lane) { !lane.isDead }
        #expect(Journal(try Directory(scratch.state)).entries[file]?.safe ?? 0 > 0)
        target.files = [:]
        #expect(try attempt(scratch, target) == nil)
        #expect(target.files[file] == large)
        #expect(target.files.count == 2)
    }

    @Test("one file over several lanes is whole, though lanes go and come")
    func striped() throws {
        let scratch = try Scratch()
        let target = MemoryTarget()
        let large = [UInt8]((0..<3_000_000).map { UInt8(truncatingIfNeeded: $0 &* 17 >> 5) })
        try scratch.put(file, large)
        let lanes = (1...3).map { MemoryLane($0, target) }
        for (at, lane) in lanes.enumerated() {
            lane.pace = 1 + at
            lane.longestWrite = 5000
        }
        target.before = { call in
            if target.calls == 200 { lanes[0].die() }
            if target.calls == 300 { lanes[2].die() }
        }
        #expect(try scratch.deliver([file], over: lanes).isEmpty)
        #expect(target.files[file] == large)
        #expect(target.files.count == 2)
        #expect(target.open == 0)
    }
}
