/// An answer that is not HTTP as a client can take it.
public struct HTTPResponseProblem: Error, Sendable, Equatable {
    /// A clause such as "a chunk has no length".
    public var reason: String
}

/// Reads one answer (RFC 9112, 6 and 7) in whatever pieces it comes: with a Content-Length, in chunks, or up to the end of the
/// connection. Interim answers (1xx) are passed over. The body is handed out as it comes, so that a log can be followed.
public struct HTTPResponseReader: Sendable {
    private enum State: Sendable {
        case head(HTTPHeadReader)
        case sized(left: Int)
        case chunked(ChunkReader)
        case untilClose
        case complete
    }

    /// 200 and the like, once the head is there.
    public private(set) var status: Int?
    /// What stands after the number, such as "Unauthorized".
    public private(set) var reason = ""
    private var state = State.head(HTTPHeadReader())
    private let maxBody: Int
    private var taken = 0

    /// With more than `maxBody` bytes of body the answer is refused; nil: endless, for a log that is followed.
    public init(maxBody: Int? = 64 << 20) { self.maxBody = maxBody ?? Int.max }

    public var isComplete: Bool {
        if case .complete = state { return true }
        return false
    }

    /// The bytes of the body that these brought. What follows the answer is dropped.
    public mutating func feed(_ bytes: [UInt8]) throws(HTTPResponseProblem) -> [UInt8] { try feed(bytes[...]) }

    public mutating func feed(_ bytes: ArraySlice<UInt8>) throws(HTTPResponseProblem) -> [UInt8] {
        var input = bytes
        while case .head(var reader) = state {
            // While the state holds the reader's arrays too, each append to them is a copy.
            state = .untilClose
            do throws(HTTPHeadReader.Problem) {
                guard let head = try reader.feed(&input) else {
                    state = .head(reader)
                    return []
                }
                try begin(head)
            } catch {
                switch error {
                case .malformed(let reason): throw HTTPResponseProblem(reason: reason)
                case .tooLarge: throw HTTPResponseProblem(reason: "too large a head")
                }
            }
        }
        let body = try takeBody(input)
        taken += body.count
        guard taken <= maxBody else { throw HTTPResponseProblem(reason: "too long an answer") }
        return body
    }

    /// The peer closed the connection. Throws when the answer was not over.
    public mutating func finish() throws(HTTPResponseProblem) {
        switch state {
        case .complete: return
        case .untilClose: state = .complete
        case .head, .sized, .chunked: throw HTTPResponseProblem(reason: "the connection ended within the answer")
        }
    }

    private mutating func begin(_ head: HTTPHead) throws(HTTPHeadReader.Problem) {
        let parts = head.startLine.split(separator: " ", maxSplits: 2, omittingEmptySubsequences: false)
        guard parts.count >= 2, parts[0] == "HTTP/1.1" || parts[0] == "HTTP/1.0", parts[1].utf8.count == 3,
            let status = Int(parts[1]), (100...599).contains(status)
        else { throw .malformed("no status line") }
        guard status >= 200 else {
            state = .head(HTTPHeadReader())
            return
        }
        self.status = status
        reason = parts.count == 3 ? String(parts[2]) : ""
        let length = try head.contentLength()
        switch (head.values("transfer-encoding").map { $0.lowercased() }, length) {
        case (_, 0): state = .complete
        case (["chunked"], _): state = .chunked(ChunkReader())
        case ([], let length?): state = .sized(left: length)
        case ([], nil): state = .untilClose
        default: throw .malformed("a transfer encoding other than chunked")
        }
        if status == 204 || status == 304 { state = .complete }
    }

    private mutating func takeBody(_ input: ArraySlice<UInt8>) throws(HTTPResponseProblem) -> [UInt8] {
        switch state {
        case .head, .complete: return []
        case .untilClose: return Array(input)
        case .sized(let left):
            let body = Array(input.prefix(left))
            state = body.count == left ? .complete : .sized(left: left - body.count)
            return body
        case .chunked(var reader):
            state = .untilClose
            let body = try reader.feed(input)
            state = reader.isOver ? .complete : .chunked(reader)
            return body
        }
    }
}

/// Takes chunks apart (RFC 9112, 7.1). Extensions and trailer fields are skipped.
struct ChunkReader: Sendable {
    private enum State {
        case size
        case data(left: Int)
        case lineEnd, trailer
    }

    /// Of a size line or all trailer lines.
    static let longestLine = 1024

    private var state = State.size
    private var line: [UInt8] = []
    private var trailerBytes = 0
    private(set) var isOver = false

    mutating func feed(_ bytes: ArraySlice<UInt8>) throws(HTTPResponseProblem) -> [UInt8] {
        var input = bytes
        var body: [UInt8] = []
        while !isOver, !input.isEmpty {
            if case .data(let left) = state {
                let part = input.prefix(left)
                body += part
                input = input.dropFirst(part.count)
                state = part.count == left ? .lineEnd : .data(left: left - part.count)
                continue
            }
            guard let byte = input.popFirst() else { break }
            line.append(byte)
            guard line.count <= Self.longestLine else { throw HTTPResponseProblem(reason: "too long a line between chunks") }
            if byte == UInt8(ascii: "\n") { try endLine() }
        }
        return body
    }

    private mutating func endLine() throws(HTTPResponseProblem) {
        guard line.suffix(2) == [13, 10] else { throw HTTPResponseProblem(reason: "a line between chunks without a carriage return") }
        let text = line.dropLast(2)
        defer { line.removeAll(keepingCapacity: true) }
        switch state {
        case .data: break
        case .lineEnd:
            guard text.isEmpty else { throw HTTPResponseProblem(reason: "a chunk is longer than it says") }
            state = .size
        case .trailer:
            trailerBytes += line.count
            guard trailerBytes <= Self.longestLine else { throw HTTPResponseProblem(reason: "too long a trailer") }
            isOver = text.isEmpty
        case .size:
            let digits = text.prefix { $0 != UInt8(ascii: ";") && $0 != UInt8(ascii: " ") }
            guard (1...8).contains(digits.count), digits.allSatisfy({ HTTPRequestLine.hexadecimal($0) != nil }),
                let size = Int(String(decoding: digits, as: UTF8.self), radix: 16)
            else { throw HTTPResponseProblem(reason: "a chunk has no length") }
            state = size == 0 ? .trailer : .data(left: size)
        }
    }
}
