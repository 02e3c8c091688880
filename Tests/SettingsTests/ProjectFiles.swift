import Glibc
import Linux

/// The files of this project, from where it was built.
enum Project {
    static let root: String = {
        var parts = #filePath.split(separator: "/", omittingEmptySubsequences: false)
        parts.removeLast(3)  // Tests/SettingsTests/ProjectFiles.swift
        return parts.joined(separator: "/")
    }()

    static func text(_ path: String) throws -> String {
        let file = try Descriptor.open("\(root)/\(path)", flags: O_RDONLY)
        var bytes: [UInt8] = []
        while true {
            let part = try file.read(1 << 16)
            if part.isEmpty { return String(decoding: bytes, as: UTF8.self) }
            bytes += part
        }
    }

    static func write(_ text: String, to path: String) throws {
        let file = try Descriptor.open("\(root)/\(path)", flags: O_WRONLY | O_TRUNC)
        try file.writeAll(Array(text.utf8))
    }

    /// Paths of all Swift files below `directory`.
    static func sources(_ directory: String) throws -> [String] {
        let open = try Directory("\(root)/\(directory)")
        var found: [String] = []
        for name in try open.names().sorted() {
            if try open.status(name)?.isDirectory == true {
                found += try sources("\(directory)/\(name)")
            } else if name.hasSuffix(".swift") {
                found.append("\(directory)/\(name)")
            }
        }
        return found
    }
}
