/// Builds SSH's wire format (RFC 4251, section 5): big-endian numbers, strings led by their length.
public struct WireWriter {
    public private(set) var bytes: [UInt8] = []

    public init() {}

    public mutating func raw(_ part: some Sequence<UInt8>) { bytes += part }
    public mutating func uint32(_ value: UInt32) {
        for shift in [24, 16, 8, 0] as [UInt32] { bytes.append(UInt8(value >> shift & 255)) }
    }
    public mutating func string(_ part: some Collection<UInt8>) {
        uint32(UInt32(part.count))
        raw(part)
    }
    public mutating func string(_ part: String) { string(part.utf8) }
}

/// Takes SSH's wire format apart; nil past the end.
public struct WireReader {
    private var rest: ArraySlice<UInt8>

    public init(_ bytes: some Sequence<UInt8>) { rest = Array(bytes)[...] }
    public var isAtEnd: Bool { rest.isEmpty }
    /// What has not been read yet.
    var remainder: [UInt8] { Array(rest) }

    public mutating func raw(_ count: Int) -> [UInt8]? {
        guard count <= rest.count else { return nil }
        defer { rest = rest.dropFirst(count) }
        return Array(rest.prefix(count))
    }
    public mutating func uint32() -> UInt32? { raw(4)?.reduce(0) { $0 << 8 | UInt32($1) } }
    public mutating func string() -> [UInt8]? {
        let start = rest
        if let count = uint32(), let bytes = raw(Int(count)) { return bytes }
        rest = start
        return nil
    }
    /// A string that must be UTF-8, as names of types and curves are.
    public mutating func text() -> String? { string().flatMap { String(validating: $0, as: UTF8.self) } }
}
