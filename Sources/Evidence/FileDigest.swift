import Crypto

/// SHA-256 (FIPS 180-4) of bytes that come piece by piece.
///
/// A value: a copy goes on from the same state, so a digest so far can be had while the file still grows.
public struct FileDigest: Sendable {
    private var state = SHA256()

    public init() {}

    public mutating func update(_ bytes: UnsafeRawBufferPointer) { unsafe state.update(bufferPointer: bytes) }
    public mutating func update(_ bytes: ArraySlice<UInt8>) { unsafe bytes.withUnsafeBytes { unsafe update($0) } }

    /// The 32 bytes for all that was added; the digest may be updated further.
    public func finish() -> [UInt8] { Array(state.finalize()) }

    public static func of(_ bytes: [UInt8]) -> [UInt8] {
        var digest = FileDigest()
        digest.update(bytes[...])
        return digest.finish()
    }

    /// Lower-case hexadecimal digits, two per byte.
    public static func hex(_ bytes: [UInt8]) -> String {
        let digits = [UInt8]("0123456789abcdef".utf8)
        return String(decoding: bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
    }
}
