import Glibc
import Linux
import Spool

/// What lies in a drop box, read on its own terms: the file format is parsed here anew, so that a mistake in the
/// product's reading does not hide one in its writing.
struct DropBoxContents {
    struct File {
        let name: String
        let manifest: Manifest?
        /// Numbers of the generator's packets with their stamps in microseconds, in order.
        let numbers: [(number: Int, at: Int64)]
        /// As the records are in the file.
        let frames: [Frame]
        let linktype: Int
        /// Bytes after the last whole record.
        let torn: Int
        let size: Int
        /// What capture says of it: in the manifest, or as long as it waits in the spool beside it.
        let facts: CaptureFacts?
        var records: Int { frames.count }
    }
    struct Frame {
        /// Microseconds since the epoch.
        let at: Int64
        let bytes: ArraySlice<UInt8>
        /// On the wire.
        let length: Int
    }
    let files: [File]
    let hidden: [String]

    init(_ path: String) throws {
        let names = try Directory(path).names().sorted()
        files = try names.filter { $0.hasSuffix(".pcap") && !$0.hasPrefix(".") }.map { try Self.read($0, in: path) }
        hidden = names.filter { $0.hasPrefix(".") && $0 != ".sensor-target" }
    }

    /// By sequence number, each interface for itself.
    var numbers: [(number: Int, at: Int64)] {
        files.sorted { SpoolName($0.name)!.sequence < SpoolName($1.name)!.sequence }.flatMap(\.numbers)
    }
    var gaps: [Gap] { files.flatMap { $0.manifest?.capture?.gaps ?? [] } }

    static func read(_ name: String, in directory: String) throws -> File {
        let all = try bytes(of: "\(directory)/\(name)")
        func word(_ at: Int) -> Int { Int(all[at]) | Int(all[at + 1]) << 8 | Int(all[at + 2]) << 16 | Int(all[at + 3]) << 24 }
        func big16(_ at: Int) -> Int { Int(all[at]) << 8 | Int(all[at + 1]) }
        var at = 24
        var frames: [Frame] = []
        var numbers: [(Int, Int64)] = []
        if all.count < 24 { throw LabError(description: "\(name) has no header") }
        while at + 16 <= all.count {
            let captured = word(at + 8)
            guard captured > 0, at + 16 + captured <= all.count else { break }
            let frame = at + 16
            let stamp = Int64(word(at)) * 1_000_000 + Int64(word(at + 4))
            // Ethernet, IPv4 without options, UDP to the generator's port.
            if captured >= 50, big16(frame + 12) == 0x0800, all[frame + 14] == 0x45, all[frame + 23] == 17, big16(frame + 36) == 4242 {
                let number = (0..<8).reduce(0) { $0 << 8 | Int(all[frame + 42 + $1]) }
                numbers.append((number, stamp))
            }
            frames.append(Frame(at: stamp, bytes: all[frame..<frame + captured], length: word(at + 12)))
            at += 16 + captured
        }
        let manifest = (try? bytes(of: "\(directory)/\(SpoolName.manifest(of: name))")).flatMap { JSONFile.decode(Manifest.self, from: $0) }
        let meta = (try? bytes(of: "\(directory)/\(SpoolName.meta(of: name))")).flatMap { JSONFile.decode(CaptureFacts.self, from: $0) }
        return File(
            name: name, manifest: manifest, numbers: numbers, frames: frames, linktype: word(20), torn: all.count - at, size: all.count,
            facts: manifest?.capture ?? meta)
    }

    /// What must hold of every drop box; one line for each that does not.
    var faults: [String] {
        var out = recordFaults
        for file in files {
            guard let manifest = file.manifest else {
                out.append("\(file.name) has no manifest")
                continue
            }
            if manifest.size != Int64(file.size) {
                out.append("\(file.name): manifest says \(manifest.size) bytes, there are \(file.size)")
            }
        }
        return out
    }

    /// What must hold of everything that capture has finished.
    var recordFaults: [String] {
        var out: [String] = []
        for file in files {
            if file.torn != 0 { out.append("\(file.name) is torn: \(file.torn) bytes after the last record") }
            if file.records == 0 { out.append("\(file.name) is empty") }
            if let written = file.facts?.written, written != UInt64(file.records) {
                out.append("\(file.name): its facts say \(written) packets, there are \(file.records)")
            }
        }
        let sequences = files.compactMap { SpoolName($0.name) }.map { "\($0.interface) \($0.sequence)" }
        if Set(sequences).count != sequences.count { out.append("a sequence number is used twice") }
        return out
    }

    /// Numbers of 0..<count that are missing, and those that are there more than once.
    func check(_ count: Int) -> (missing: [Int], twice: [Int]) {
        var seen = [Int](repeating: 0, count: count)
        for (number, _) in numbers where number < count { seen[number] += 1 }
        return (seen.indices.filter { seen[$0] == 0 }, seen.indices.filter { seen[$0] > 1 })
    }
}
