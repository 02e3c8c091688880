import Glibc
import Linux

/// A directory of its own for a test, emptied and removed at the end.
struct Scratch: ~Copyable {
    let path: String
    init() throws {
        var template = Array("/tmp/spool-tests-XXXXXX".utf8CString)
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

/// Seeded, so that a walk that fails can be walked again.
struct SplitMix: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }
}
