/// The data types of SSH (RFC 4251, section 5).
struct WireWriter {
    private(set) var bytes: [UInt8] = []
    mutating func put(_ value: UInt32) { for shift in [24, 16, 8, 0] as [UInt32] { bytes.append(UInt8(truncatingIfNeeded: value >> shift)) } }
    mutating func put(_ string: [UInt8]) {
        put(UInt32(string.count))
        bytes += string
    }
    mutating func put(_ string: String) { put(Array(string.utf8)) }
    mutating func putRaw(_ raw: [UInt8]) { bytes += raw }
}

/// Reads them; nil past the end.
struct WireReader {
    private(set) var rest: ArraySlice<UInt8>
    init(_ bytes: [UInt8]) { rest = bytes[...] }

    mutating func number() -> UInt32? {
        guard rest.count >= 4 else { return nil }
        let value = rest.prefix(4).reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
        rest = rest.dropFirst(4)
        return value
    }
    mutating func string() -> [UInt8]? {
        guard let length = number(), rest.count >= Int(length) else { return nil }
        let value = Array(rest.prefix(Int(length)))
        rest = rest.dropFirst(Int(length))
        return value
    }
    mutating func text() -> String? { string().map { String(decoding: $0, as: UTF8.self) } }
    mutating func take(_ prefix: [UInt8]) -> Bool {
        guard rest.starts(with: prefix) else { return false }
        rest = rest.dropFirst(prefix.count)
        return true
    }
}
