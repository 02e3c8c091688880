/// The first line of an HTTP message and its fields.
struct HTTPHead: Sendable, Equatable {
    var startLine: String
    /// Names in lower case, values without blanks around them, in this order.
    var fields: [(name: String, value: String)]

    static func == (left: HTTPHead, right: HTTPHead) -> Bool {
        left.startLine == right.startLine && left.fields.elementsEqual(right.fields) { $0.name == $1.name && $0.value == $1.value }
    }

    func values(_ name: String) -> [String] { fields.filter { $0.name == name }.map(\.value) }
}

/// Collects the head of a message byte by byte (RFC 9112, 2 and 5), for both sides.
///
/// Lines end with CRLF. A bare LF or CR, a control byte, a folded line and a blank before the colon are malformed: each has served
/// to smuggle something past one of two readers. Empty lines before the first are skipped (RFC 9112, 2.2).
struct HTTPHeadReader: Sendable {
    /// First line and fields together, line ends included.
    static let maxBytes = 16 * 1024
    static let maxFields = 64

    enum Problem: Error, Equatable {
        case malformed(String)
        case tooLarge
    }

    private var line: [UInt8] = []
    private var startLine: String?
    private var fields: [(name: String, value: String)] = []
    private var bytes = 0
    private var afterReturn = false

    /// Takes bytes off the front of `input` up to the end of the head; nil when there is not enough yet.
    mutating func feed(_ input: inout ArraySlice<UInt8>) throws(Problem) -> HTTPHead? {
        while let byte = input.popFirst() {
            bytes += 1
            guard bytes <= Self.maxBytes else { throw .tooLarge }
            if afterReturn {
                guard byte == UInt8(ascii: "\n") else { throw .malformed("a carriage return within a line") }
                afterReturn = false
                if let head = try endLine() { return head }
                continue
            }
            switch byte {
            case UInt8(ascii: "\r"): afterReturn = true
            case UInt8(ascii: "\t"), 0x20...0x7E, 0x80...: line.append(byte)
            case UInt8(ascii: "\n"): throw .malformed("a line without a carriage return")
            default: throw .malformed("a control byte in the head")
            }
        }
        return nil
    }

    private mutating func endLine() throws(Problem) -> HTTPHead? {
        defer { line.removeAll(keepingCapacity: true) }
        guard let startLine else {
            if !line.isEmpty { self.startLine = String(decoding: line, as: UTF8.self) }
            return nil
        }
        if line.isEmpty { return HTTPHead(startLine: startLine, fields: fields) }
        guard fields.count < Self.maxFields else { throw .tooLarge }
        guard let colon = line.firstIndex(of: UInt8(ascii: ":")), colon > 0 else { throw .malformed("a field has no name") }
        guard line[..<colon].allSatisfy(Self.isTokenByte) else { throw .malformed("no name of a field") }
        let value = line[(colon + 1)...].trimmed { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\t") }
        fields.append((String(decoding: line[..<colon], as: UTF8.self).lowercased(), String(decoding: value, as: UTF8.self)))
        return nil
    }

    /// RFC 9110, 5.6.2.
    static func isTokenByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"):
            return true
        default: return "!#$%&'*+-.^_`|~".utf8.contains(byte)
        }
    }
}

extension ArraySlice<UInt8> {
    func trimmed(_ isBlank: (UInt8) -> Bool) -> ArraySlice<UInt8> {
        var rest = self.drop(while: isBlank)
        while let last = rest.last, isBlank(last) { rest.removeLast() }
        return rest
    }
}

extension HTTPHead {
    /// How long the body is: nil without Content-Length.
    /// Malformed: other bytes than digits, two lengths that differ, a length beside Transfer-Encoding (RFC 9112, 6.3).
    func contentLength() throws(HTTPHeadReader.Problem) -> Int? {
        let lengths = values("content-length")
        guard let first = lengths.first else { return nil }
        guard values("transfer-encoding").isEmpty else { throw .malformed("both Content-Length and Transfer-Encoding") }
        guard lengths.allSatisfy({ $0 == first }) else { throw .malformed("two lengths that differ") }
        guard !first.isEmpty, first.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }) else {
            throw .malformed("a length that is no number")
        }
        // More digits than an Int has are a length all the same, only too great a one.
        return Int(first) ?? Int.max
    }
}
