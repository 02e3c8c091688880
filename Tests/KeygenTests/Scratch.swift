import Glibc
import Linux

/// A directory of its own for one test, removed at its end.
struct Scratch: ~Copyable {
    let path: String

    init() throws {
        var template = Array("/tmp/keygen-test-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw SystemError("mkdtemp", code: errno) }
        path = string(in: template)
    }
    deinit {
        for name in (try? names()) ?? [] { _ = Glibc.remove("\(path)/\(name)") }
        rmdir(path)
    }

    func names() throws -> [String] { try Directory(path).names().sorted() }
    func file(_ name: String) -> String { "\(path)/\(name)" }
    func read(_ name: String) throws -> String? {
        try Directory(path).read(name).map { String(decoding: $0, as: UTF8.self) }
    }
    func write(_ name: String, _ text: String, mode: UInt32 = 0o600) throws {
        try Directory(path).replace(name, with: Array(text.utf8), mode: mode)
    }
    func mode(_ name: String) throws -> UInt32? { try Directory(path).status(name).map { $0.mode & 0o7777 } }
}
