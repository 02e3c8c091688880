/// What the child of a control connection and the supervisor say to each other: values in a form that needs no
/// parser. A frame is a length of four bytes, least significant first, and one value:
///
///     0                          null
///     1 eight bytes              int
///     2 one byte                 bool
///     3 eight bytes              double, its bits
///     4 length, bytes            string
///     5 length, bytes            base64
///     6 count, values            array
///     7 count, (length, bytes, value)…   structure
public enum ControlFrame {
    /// A child sends no longer one: the longest request body, and some.
    public static let longestRequest = 2 << 20
    public static let longestReply = 64 << 20
    private static let deepest = 32

    public static func encode(_ value: ControlValue) -> [UInt8] {
        var out: [UInt8] = [0, 0, 0, 0]
        append(value, to: &out)
        let count = UInt32(out.count - 4)
        for index in 0..<4 { out[index] = UInt8(truncatingIfNeeded: count >> UInt32(8 * index)) }
        return out
    }

    /// Takes the first whole frame off `bytes`: nil where it is not all there yet.
    /// - Throws: `Problem` for what no frame is; nothing that follows can be understood then.
    public static func decode(_ bytes: inout [UInt8], longest: Int) throws(Problem) -> ControlValue? {
        guard bytes.count >= 4 else { return nil }
        let length = (0..<4).reduce(0) { $0 | Int(bytes[$1]) << (8 * $1) }
        guard length <= longest else { throw Problem() }
        guard bytes.count >= 4 + length else { return nil }
        var rest = bytes[4..<(4 + length)]
        let value = try value(&rest, depth: 0)
        guard rest.isEmpty else { throw Problem() }
        bytes.removeFirst(4 + length)
        return value
    }

    public struct Problem: Error {}

    // MARK: writing

    private static func append(_ value: ControlValue, to out: inout [UInt8]) {
        switch value {
        case .null: out.append(0)
        case .int(let number): append(1, UInt64(bitPattern: Int64(number)), to: &out)
        case .bool(let isTrue): out += [2, isTrue ? 1 : 0]
        case .double(let number): append(3, number.bitPattern, to: &out)
        case .string(let text):
            out.append(4)
            append(Array(text.utf8), to: &out)
        case .base64(let bytes):
            out.append(5)
            append(bytes, to: &out)
        case .array(let values):
            out.append(6)
            append(count: values.count, to: &out)
            for value in values { append(value, to: &out) }
        case .structure(let members):
            out.append(7)
            append(count: members.count, to: &out)
            for (name, value) in members {
                append(Array(name.utf8), to: &out)
                append(value, to: &out)
            }
        }
    }
    private static func append(_ tag: UInt8, _ word: UInt64, to out: inout [UInt8]) {
        out.append(tag)
        for shift in stride(from: 0, to: 64, by: 8) { out.append(UInt8(truncatingIfNeeded: word >> UInt64(shift))) }
    }
    private static func append(count: Int, to out: inout [UInt8]) {
        for shift in stride(from: 0, to: 32, by: 8) { out.append(UInt8(truncatingIfNeeded: count >> shift)) }
    }
    private static func append(_ bytes: [UInt8], to out: inout [UInt8]) {
        append(count: bytes.count, to: &out)
        out += bytes
    }

    // MARK: reading

    private static func value(_ rest: inout ArraySlice<UInt8>, depth: Int) throws(Problem) -> ControlValue {
        guard depth < deepest, let tag = rest.popFirst() else { throw Problem() }
        switch tag {
        case 0: return .null
        case 1: return .int(Int(Int64(bitPattern: try word(&rest))))
        case 2:
            guard let byte = rest.popFirst(), byte < 2 else { throw Problem() }
            return .bool(byte == 1)
        case 3: return .double(Double(bitPattern: try word(&rest)))
        case 4: return .string(try text(&rest))
        case 5: return .base64(Array(try bytes(&rest)))
        case 6:
            var values: [ControlValue] = []
            for _ in 0..<(try count(&rest)) { values.append(try value(&rest, depth: depth + 1)) }
            return .array(values)
        case 7:
            var members: [(String, ControlValue)] = []
            for _ in 0..<(try count(&rest)) {
                let name = try text(&rest)
                members.append((name, try value(&rest, depth: depth + 1)))
            }
            return .structure(members)
        default: throw Problem()
        }
    }
    private static func word(_ rest: inout ArraySlice<UInt8>) throws(Problem) -> UInt64 {
        guard rest.count >= 8 else { throw Problem() }
        defer { rest = rest.dropFirst(8) }
        return rest.prefix(8).reversed().reduce(0) { $0 << 8 | UInt64($1) }
    }
    private static func count(_ rest: inout ArraySlice<UInt8>) throws(Problem) -> Int {
        guard rest.count >= 4 else { throw Problem() }
        let count = rest.prefix(4).reversed().reduce(0) { $0 << 8 | Int($1) }
        rest = rest.dropFirst(4)
        // Each element has a byte at least.
        guard count <= rest.count else { throw Problem() }
        return count
    }
    private static func bytes(_ rest: inout ArraySlice<UInt8>) throws(Problem) -> ArraySlice<UInt8> {
        let count = try count(&rest)
        defer { rest = rest.dropFirst(count) }
        return rest.prefix(count)
    }
    private static func text(_ rest: inout ArraySlice<UInt8>) throws(Problem) -> String {
        guard let text = String(validating: try bytes(&rest), as: UTF8.self) else { throw Problem() }
        return text
    }
}
