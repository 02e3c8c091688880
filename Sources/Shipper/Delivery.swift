import Evidence
import Glibc
import Linux
import Spool

/// The steps that bring one file to the target, once and whole, whatever dies in between.
///
///     claim the pcap (flock)      the disk budget keeps off
///     journal: uploading          its temporary names are known from here on
///     upload, fsync, size         in the pass that hashes; resumable at fsynced offsets
///     manifest                    made once, fsynced here, uploaded under a temporary name
///     journal: renaming           all bytes are there
///     rename manifest, pcap       never over an existing name
///     open and close              for whoever waits for a close after writing
///     unlink here                 the target has it
struct Delivery: ~Copyable {
    struct Report {
        let bytes: Int64
        let packets: UInt64?
        let seconds: Double
    }
    /// A file that nobody else touches while this lives.
    private struct Claim: ~Copyable {
        let file: Descriptor
        let status: FileStatus
    }
    /// A checkpoint costs one round trip and one fsync at the target.
    private static let checkpoint: Int64 = 32 << 20

    private let spool: Directory
    private var journal: Journal
    private var rate: RateLimit?
    private let stop: StopWatch
    private let target: String
    private(set) var targetCannotSync = false
    struct Progress {
        let file: String
        let done: Int64, size: Int64
        /// Files that wait behind this one.
        let backlog: Int
    }
    var backlog = 0
    /// Called whenever the target has acknowledged something.
    var progress: ((Progress) -> Void)?

    init(spool: consuming Directory, state: consuming Directory, rate: Int64?, target: String, stop: StopWatch) {
        self.spool = spool
        self.journal = Journal(state)
        self.rate = rate.map { RateLimit(bytesPerSecond: $0) }
        self.stop = stop
        self.target = target
    }

    func keepReserve() { journal.keepReserve() }

    /// Ends what a crash left between unlinking a pcap and unlinking what lies beside it.
    mutating func clearDelivered() throws(ShipFault) {
        for file in journal.entries.keys.sorted() {
            do {
                guard try spool.status(file) == nil else { continue }
                try spool.remove(SpoolName.manifest(of: file))
                try spool.remove(SpoolName.meta(of: file))
            } catch { throw .local(error) }
            journal.forget(file)
        }
        if !journal.entries.isEmpty { try journal.save() }
    }

    mutating func saveJournal() throws(ShipFault) { try journal.save() }

    /// nil where the file is gone or somebody else holds it.
    mutating func deliver<Box: DropBox & ~Copyable>(_ file: String, to box: inout Box) throws(ShipFault) -> Report? {
        let began = MonotonicTime.now()
        guard let pcap = try claim(file) else { return nil }
        let before = pcap.status
        var entry: JournalEntry
        let kept = journal.entries[file]
        if let kept, kept.target == target, kept.isOf(before) {
            entry = kept
        } else {
            // A manifest of what was here before under this name would be a lie about this one.
            if let kept, !kept.isOf(before) {
                try ShipFault.here { () throws(SystemError) in _ = try spool.remove(SpoolName.manifest(of: file)) }
            }
            entry = JournalEntry(file: file, status: before, target: target, random: Self.random())
            try journal.set(file, entry)
        }
        let facts = JSONFile.read(CaptureFacts.self, SpoolName.meta(of: file), in: spool)
        do {
            try send(file, pcap.file, before, &entry, facts, to: &box)
            try rename(file, before, &entry, to: &box)
        } catch {
            // What is known to have arrived stays known; the rest begins anew under other names.
            if error == .temporaryGone {
                var anew = JournalEntry(file: file, status: before, target: target, random: Self.random())
                anew.isManifestDone = entry.isManifestDone
                try journal.set(file, anew)
            }
            throw error
        }
        try box.touch(file)
        try forget(file, before)
        return Report(bytes: before.size, packets: facts?.written, seconds: MonotonicTime.now() - began)
    }

    /// Everything to the target under temporary names.
    private mutating func send<Box: DropBox & ~Copyable>(
        _ file: String, _ pcap: borrowing Descriptor, _ before: FileStatus, _ entry: inout JournalEntry, _ facts: CaptureFacts?,
        to box: inout Box
    ) throws(ShipFault) {
        switch entry.phase {
        case .renaming: return
        case .uploaded:
            // Long ago, perhaps: somebody may have cleaned up there.
            guard try box.status(of: entry.temporary)?.size == before.size else { throw .temporaryGone }
            if !entry.isManifestDone, try box.status(of: entry.manifestTemporary) == nil { throw .temporaryGone }
        case .uploading:
            let digest = try upload(file, pcap.number, size: before.size, &entry, to: &box)
            guard let after = try? pcap.status(), after.size == before.size, after.modified == before.modified else {
                journal.forget(file)
                throw ShipFault(.file, "\(file) changed while it was being sent; it is sent again when it rests")
            }
            try makeManifest(of: file, size: before.size, digest: digest, facts: facts)
            if !entry.isManifestDone { try uploadManifest(of: file, as: entry.manifestTemporary, to: &box) }
        }
    }

    /// The final names, manifest first.
    private mutating func rename<Box: DropBox & ~Copyable>(
        _ file: String, _ before: FileStatus, _ entry: inout JournalEntry, to box: inout Box
    ) throws(ShipFault) {
        guard let manifest = try read(SpoolName.manifest(of: file)), let said = JSONFile.decode(Manifest.self, from: manifest) else {
            journal.forget(file)
            throw ShipFault(.file, "manifest of \(file) is gone from the spool; it is sent again")
        }
        let mayBeDone = entry.phase == .renaming
        entry.phase = .renaming
        try journal.set(file, entry)
        do {
            if !entry.isManifestDone {
                try settle(
                    SpoolName.manifest(of: file), from: entry.manifestTemporary, size: Int64(manifest.count),
                    sha256: FileDigest.hex(FileDigest.of(manifest)), mayBeDone: mayBeDone, to: &box)
                entry.isManifestDone = true
            }
            try settle(file, from: entry.temporary, size: before.size, sha256: said.sha256, mayBeDone: mayBeDone, to: &box)
        } catch {
            // A definite answer: no rename is under way any more, and a missing temporary will mean nothing.
            if error.kind == .file || error.kind == .operators {
                entry.phase = .uploaded
                try journal.set(file, entry)
            }
            throw error
        }
    }

    /// The target has it: away with it here, unless another file has taken its name meanwhile.
    private mutating func forget(_ file: String, _ before: FileStatus) throws(ShipFault) {
        try ShipFault.here { () throws(SystemError) in
            if try spool.status(file)?.inode == before.inode {
                try spool.remove(file)
                try spool.remove(SpoolName.meta(of: file))
            }
            try spool.remove(SpoolName.manifest(of: file))
            try spool.sync()
        }
        journal.forget(file)
        journal.keepReserve()
    }

    private func claim(_ file: String) throws(ShipFault) -> Claim? {
        do {
            // A FIFO of that name must not hold up everything.
            let pcap = try spool.open(file, flags: O_RDONLY | O_NONBLOCK)
            guard flock(pcap.number, LOCK_EX | LOCK_NB) == 0 else { return nil }
            let status = try pcap.status()
            // Between the listing and the lock the budget may have taken it.
            guard status.isRegular, let named = try spool.status(file), named.inode == status.inode else { return nil }
            return Claim(file: pcap, status: status)
        } catch {
            if error.code == ENOENT || error.code == ELOOP { return nil }
            throw ShipFault(.file, "here: \(error)")
        }
    }

    private static func random() -> String {
        String((0..<8).map { _ in "abcdefghijklmnopqrstuvwxyz234567".randomElement() ?? "a" })
    }

    // MARK: uploading

    private mutating func upload<Box: DropBox & ~Copyable>(
        _ file: String, _ descriptor: Int32, size: Int64, _ entry: inout JournalEntry, to box: inout Box
    ) throws(ShipFault) -> [UInt8] {
        var source = UploadSource(descriptor, size: size)
        let start = try box.openTemporary(entry.temporary, at: min(entry.safe, size))
        try source.skip(to: start)
        var nextCheckpoint = start + Self.checkpoint
        var offered = 0
        while source.acknowledged < size {
            try source.fill()
            let most = Int(min(Int64(min(source.available, UploadSource.window)), nextCheckpoint - source.acknowledged))
            offered = try offer(offered, most)
            if offered == 0 { continue }
            let done = try box.write(source, count: offered)
            source.advance(done)
            offered -= done
            progress?(Progress(file: file, done: source.acknowledged, size: size, backlog: backlog))
            if source.acknowledged == nextCheckpoint, source.acknowledged < size {
                if try sync(&box) {
                    entry.safe = source.acknowledged
                    try journal.set(file, entry)
                }
                nextCheckpoint += Self.checkpoint
            }
        }
        _ = try sync(&box)
        try box.closeTemporary(size: size)
        return source.digest.finish()
    }

    /// How many bytes may be under way: what was offered before, and more as far as the rate allows.
    private mutating func offer(_ offered: Int, _ most: Int) throws(ShipFault) -> Int {
        guard var limit = rate else { return most }
        let now = MonotonicTime.now()
        let allowed = min(limit.allowance(at: now), most - offered)
        // Crumbs would become tiny packets.
        let worth = allowed > 0 && (allowed >= min(32_768, Int(limit.bytesPerSecond / 4)) || offered + allowed == most)
        if worth { limit.spend(allowed) }
        let pause = limit.pause
        rate = limit
        if !worth, offered == 0 { try stop.wait(until: now + pause) }
        return offered + (worth ? allowed : 0)
    }

    private mutating func sync<Box: DropBox & ~Copyable>(_ box: inout Box) throws(ShipFault) -> Bool {
        if targetCannotSync { return false }
        if try box.sync() { return true }
        targetCannotSync = true
        return false
    }

    private mutating func uploadManifest<Box: DropBox & ~Copyable>(of file: String, as temporary: String, to box: inout Box)
        throws(ShipFault)
    {
        let local = try ShipFault.here { () throws(SystemError) in try spool.open(SpoolName.manifest(of: file), flags: O_RDONLY) }
        let size = try ShipFault.here { () throws(SystemError) in try local.status().size }
        var source = UploadSource(local.number, size: size)
        _ = try box.openTemporary(temporary, at: 0)
        while source.acknowledged < size {
            try source.fill()
            source.advance(try box.write(source, count: min(source.available, UploadSource.window)))
        }
        _ = try sync(&box)
        try box.closeTemporary(size: size)
    }

    // MARK: the manifest

    private func read(_ name: String) throws(ShipFault) -> [UInt8]? {
        do { return try spool.read(name) } catch { throw .local(error) }
    }

    /// Made once; what has left this machine is never said differently.
    private func makeManifest(of file: String, size: Int64, digest: [UInt8], facts: CaptureFacts?) throws(ShipFault) {
        let name = SpoolName.manifest(of: file)
        // NAME_MAX less what Directory.replace adds.
        guard name.utf8.count <= 250 else { throw ShipFault(.file, "\(file) is too long a name to have a manifest beside it: kept here") }
        let hash = FileDigest.hex(digest)
        if let kept = try read(name) {
            guard let said = JSONFile.decode(Manifest.self, from: kept) else {
                throw ShipFault(.file, "\(name) in the spool is no manifest: move it away")
            }
            guard said.sha256 == hash, said.size == size else {
                throw ShipFault(.file, "\(file) is not what its manifest says (SHA-256 \(hash), not \(said.sha256)): kept here, not sent")
            }
            return
        }
        let bytes = JSONFile.encode(Manifest(file: file, size: size, sha256: hash, capture: facts))
        try journal.withRoom { () throws(SystemError) in try spool.replace(name, with: bytes) }
    }

    // MARK: the final name

    /// Gives a whole temporary file its final name, or finds out that it already has it.
    private mutating func settle<Box: DropBox & ~Copyable>(
        _ final: String, from temporary: String, size: Int64, sha256: String, mayBeDone: Bool, to box: inout Box
    ) throws(ShipFault) {
        if try box.rename(temporary, to: final) { return }
        let ours = try box.status(of: temporary)
        guard let ours else {
            // Renamed before a crash, or before an answer was lost; the centre may have taken it since. Where the
            // whole directory is gone nothing is known.
            if try box.status(of: ".") == nil { throw ShipFault(.operators, "the directory of \(target) is gone") }
            if mayBeDone { return }
            throw .temporaryGone
        }
        guard let there = try box.status(of: final) else {
            throw ShipFault(.operators, "\(target) refuses to rename \(temporary) to \(final)")
        }
        // OpenSSH renames by link and unlink: a server that died in between has one file under both names.
        if mayBeDone, there == ours { return }
        if there.size == size, let content = try box.digest(of: final), FileDigest.hex(content) == sha256 { return }
        throw ShipFault(
            .file,
            "\(final) is already at \(target) with other content (two sensors of one name, or a lost state directory?): kept here, nothing overwritten"
        )
    }
}
