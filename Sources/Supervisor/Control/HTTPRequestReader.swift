/// Reads one HTTP/1.0 or 1.1 request (RFC 9112) from a connection, in whatever pieces it comes.
///
/// One request to a connection: every answer says `Connection: close`, and what follows the request is ignored (supervisorctl sends
/// an empty line after its GET). A body has a Content-Length and at most `maxBody` bytes; chunks are refused with 411.
/// `Host` is not asked for: clients that know only a Unix socket send none, or an empty one.
/// A refusal that leaves the length of the body certain comes when the body is over, so that a client which writes first and reads
/// then sees it; the body is dropped, not kept. With `Expect: 100-continue` it comes at once (RFC 9110, 10.1.1).
/// Memory: at most the head and the body. Time-outs are the caller's.
public struct HTTPRequestReader: Sendable {
    public enum Progress: Sendable, Equatable {
        case needMore
        /// Send `HTTPResponse.continueInterim`, then feed on: the client waits for it. Told once.
        case sendContinue
        case request(HTTPRequest)
        /// Answer with `HTTPResponse.refusal` and close.
        case refusal(HTTPRefusal)
    }

    public static let maxBody = 1 << 20
    /// A body up to this length is still waited for, though not kept, before it is refused.
    static let maxDropped = 16 << 20

    private enum State: Sendable {
        case head(HTTPHeadReader)
        case body(length: Int, minorVersion: Int, [UInt8])
        case dropping(left: Int, HTTPRefusal)
        case over(Progress)
    }

    private var state = State.head(HTTPHeadReader())
    private let credentials: BasicCredentials?

    /// With `credentials`, every request without them is answered 401, whatever it is for.
    public init(credentials: BasicCredentials? = nil) { self.credentials = credentials }

    /// What is known after these bytes too. After a request or a refusal the answer stays the same and bytes are dropped.
    public mutating func feed(_ bytes: [UInt8]) -> Progress { feed(bytes[...]) }

    public mutating func feed(_ bytes: ArraySlice<UInt8>) -> Progress {
        var input = bytes
        switch state {
        case .head(var reader):
            letGo()
            do throws(HTTPHeadReader.Problem) {
                guard let head = try reader.feed(&input) else {
                    state = .head(reader)
                    return .needMore
                }
                return begin(head, rest: input)
            } catch {
                switch error {
                case .malformed(let detail): return end(.refusal(HTTPRefusal(status: 400, detail: detail)))
                case .tooLarge: return end(.refusal(HTTPRefusal(status: 431, detail: "too large a head")))
                }
            }
        case .body(let length, let minorVersion, var body):
            letGo()
            body += input.prefix(length - body.count)
            guard body.count == length else {
                state = .body(length: length, minorVersion: minorVersion, body)
                return .needMore
            }
            return end(.request(HTTPRequest(target: .rpc(body: body), minorVersion: minorVersion)))
        case .dropping(let left, let refusal):
            guard input.count < left else { return end(.refusal(refusal)) }
            state = .dropping(left: left - input.count, refusal)
            return .needMore
        case .over(let progress): return progress
        }
    }

    /// While the state holds an array too, each append to it is a copy: a request in single bytes would cost the square of its length.
    private mutating func letGo() { state = .over(.needMore) }

    private mutating func end(_ progress: Progress) -> Progress {
        state = .over(progress)
        return progress
    }

    private mutating func begin(_ head: HTTPHead, rest: ArraySlice<UInt8>) -> Progress {
        let length: Int
        let line: HTTPRequestLine
        let waits: Bool
        do throws(HTTPRefusal) {
            line = try HTTPRequestLine(head.startLine)
            length = try Self.bodyLength(head, line)
            waits = try Self.waitsForContinue(head, line)
        } catch {
            var refusal = error
            refusal.omitsBody = head.startLine.hasPrefix("HEAD ")
            return end(.refusal(refusal))
        }
        do throws(HTTPRefusal) {
            if let credentials, !credentials.admit(head.values("authorization")) {
                throw HTTPRefusal(status: 401, detail: "not the right user and password")
            }
            guard length <= Self.maxBody else { throw HTTPRefusal(status: 413, detail: "too long a body") }
            switch try line.resource() {
            case .rpc: state = .body(length: length, minorVersion: line.minorVersion, [])
            case .logTail(let name, let channel):
                return end(.request(HTTPRequest(target: .logTail(name: name, channel), minorVersion: line.minorVersion)))
            case .mainLogTail: return end(.request(HTTPRequest(target: .mainLogTail, minorVersion: line.minorVersion)))
            }
        } catch {
            var refusal = error
            refusal.omitsBody = line.method == "HEAD"
            if waits || length == 0 { return end(.refusal(refusal)) }
            state = .dropping(left: length, refusal)
        }
        return rest.isEmpty && waits && length > 0 ? .sendContinue : feed(rest)
    }

    private static func bodyLength(_ head: HTTPHead, _ line: HTTPRequestLine) throws(HTTPRefusal) -> Int {
        guard head.values("host").count <= 1 else { throw HTTPRefusal(status: 400, detail: "two hosts") }
        let length: Int?
        do throws(HTTPHeadReader.Problem) {
            length = try head.contentLength()
        } catch {
            throw HTTPRefusal(status: 400, detail: "no certain length of the body")
        }
        guard let length else {
            guard line.method != "POST", head.values("transfer-encoding").isEmpty else {
                throw HTTPRefusal(status: 411, detail: "a body without Content-Length")
            }
            return 0
        }
        guard length <= maxDropped else { throw HTTPRefusal(status: 413, detail: "too long a body") }
        guard length == 0 || line.method != "GET" else { throw HTTPRefusal(status: 400, detail: "GET with a body") }
        return length
    }

    private static func waitsForContinue(_ head: HTTPHead, _ line: HTTPRequestLine) throws(HTTPRefusal) -> Bool {
        let expectations = head.values("expect")
        guard !expectations.isEmpty, line.minorVersion > 0 else { return false }
        guard expectations.allSatisfy({ $0.lowercased() == "100-continue" }) else {
            throw HTTPRefusal(status: 417, detail: "an expectation other than 100-continue")
        }
        return true
    }
}
