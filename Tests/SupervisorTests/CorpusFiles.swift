import Glibc
import Linux
import Testing

/// The files below `Corpus` beside these tests.
enum Corpus {
    static let root: String = {
        var parts = #filePath.split(separator: "/", omittingEmptySubsequences: false)
        parts.removeLast()
        return (parts + ["Corpus"]).joined(separator: "/")
    }()

    static func names(_ directory: String) throws -> [String] { try Directory("\(root)/\(directory)").names().sorted() }

    static func bytes(_ directory: String, _ name: String) throws -> [UInt8] {
        try #require(try Directory("\(root)/\(directory)").read(name))
    }

    static func text(_ directory: String, _ name: String) throws -> String {
        String(decoding: try bytes(directory, name), as: UTF8.self)
    }
}
