import Crypto

/// SHA-256 of bytes that come piece by piece.
public struct FileDigest: Sendable {
    private var hash = SHA256()
    public init() {}

    public mutating func update(_ bytes: ArraySlice<UInt8>) { unsafe bytes.withUnsafeBytes { unsafe hash.update(bufferPointer: $0) } }
    public mutating func update(_ bytes: UnsafeRawBufferPointer) { unsafe hash.update(bufferPointer: bytes) }
    /// Of everything so far; more may follow.
    public func finish() -> [UInt8] { Array(hash.finalize()) }

    public static func of(_ bytes: [UInt8]) -> [UInt8] {
        var digest = FileDigest()
        digest.update(bytes[...])
        return digest.finish()
    }
    public static func hex(_ bytes: [UInt8]) -> String {
        let digits = Array("0123456789abcdef".utf8)
        return String(decoding: bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
    }
}
