import Glibc
import Linux
import Spool

/// A directory of its own for a test, emptied and removed at the end.
struct Scratch: ~Copyable {
    let path: String
    init() throws {
        var template = Array("/tmp/capture-tests-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw SystemError("mkdtemp", code: errno) }
        path = string(in: template)
    }
    deinit { Self.remove(path) }

    private static func remove(_ path: String) {
        for name in (try? Directory(path).names()) ?? [] {
            if unlink("\(path)/\(name)") < 0 { remove("\(path)/\(name)") }
        }
        rmdir(path)
    }
}

extension Directory {
    func put(_ name: String, _ bytes: [UInt8]) throws {
        try open(name, flags: O_WRONLY | O_CREAT | O_EXCL).writeAll(bytes)
    }
}

enum Sample {
    static func name(_ sequence: UInt64, interface: String = "eth0", stamp: String = "20261125T051147Z") -> SpoolName {
        SpoolName(sensor: "boogey", interface: interface, stamp: stamp, sequence: sequence)
    }
    private static func word(_ value: UInt32) -> [UInt8] { [0, 8, 16, 24].map { UInt8(truncatingIfNeeded: value >> $0) } }
    static func record(_ second: UInt32, size: UInt32 = 60) -> [UInt8] {
        word(second) + word(7) + word(size) + word(size) + [UInt8](repeating: 0xab, count: Int(size))
    }
    /// A file with records stamped with these seconds.
    static func pcap(_ seconds: [UInt32]) -> [UInt8] {
        PcapFormat.header(linktype: 1, snaplen: 262_144) + seconds.flatMap { record($0) }
    }
}
