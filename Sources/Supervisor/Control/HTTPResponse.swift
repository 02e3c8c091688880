/// An answer with a body of known length (RFC 9112), after which the connection is closed.
public struct HTTPResponse: Sendable, Equatable {
    public var status: Int
    public var contentType: String
    public var body: [UInt8]
    /// `WWW-Authenticate`, `Allow`.
    var extraField: String?
    var omitsBody = false

    /// 200 with a document of XML-RPC, answers and faults alike.
    public static func xml(_ document: [UInt8]) -> HTTPResponse { HTTPResponse(status: 200, contentType: "text/xml", body: document) }

    /// The status and its name in a line of text. 401 asks for Basic authentication in the realm "default", 405 names the methods.
    public static func refusal(_ refusal: HTTPRefusal) -> HTTPResponse {
        let line = "\(refusal.status) \(reason(refusal.status))\n"
        var response = HTTPResponse(status: refusal.status, contentType: "text/plain;charset=utf-8", body: Array(line.utf8))
        if refusal.status == 401 { response.extraField = "WWW-Authenticate: Basic realm=\"default\"" }
        if let allowed = refusal.allowed { response.extraField = "Allow: \(allowed)" }
        response.omitsBody = refusal.omitsBody
        return response
    }

    /// What a body that is no method call gets.
    public static let badRequest = HTTPResponse.refusal(HTTPRefusal(status: 400, detail: ""))
    /// No such process, or it has no log.
    public static let notFound = HTTPResponse.refusal(HTTPRefusal(status: 404, detail: ""))

    /// RFC 9110, 15.2.1.
    public static let continueInterim = Array("HTTP/1.1 100 Continue\r\n\r\n".utf8)

    /// All of it, head and body.
    public var bytes: [UInt8] {
        var head = "HTTP/1.1 \(status) \(Self.reason(status))\r\nConnection: close\r\n"
        if let extraField { head += "\(extraField)\r\n" }
        head += "Content-Type: \(contentType)\r\nContent-Length: \(body.count)\r\n\r\n"
        return Array(head.utf8) + (omitsBody ? [] : body)
    }

    static func reason(_ status: Int) -> String {
        switch status {
        case 200: return "OK"
        case 400: return "Bad Request"
        case 401: return "Unauthorized"
        case 404: return "Not Found"
        case 405: return "Method Not Allowed"
        case 411: return "Length Required"
        case 413: return "Request Entity Too Large"
        case 417: return "Expectation Failed"
        case 431: return "Request Header Fields Too Large"
        case 500: return "Internal Server Error"
        case 503: return "Service Unavailable"
        case 505: return "HTTP Version Not Supported"
        default: return "Unknown"
        }
    }
}

/// The answer to a GET for a log: text without end, in chunks (RFC 9112, 7.1) for a client of HTTP/1.1, plain for one of 1.0.
public struct LogTailResponse: Sendable, Equatable {
    public let chunked: Bool

    public init(minorVersion: Int) { chunked = minorVersion > 0 }

    public var head: [UInt8] {
        Array(
            ("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: text/plain;charset=utf-8\r\nX-Accel-Buffering: no\r\n"
                + (chunked ? "Transfer-Encoding: chunked\r\n\r\n" : "\r\n")).utf8)
    }

    /// `text` as it goes out; nothing for no text, as an empty chunk would be the end.
    public func piece(_ text: some Collection<UInt8>) -> [UInt8] {
        guard !text.isEmpty else { return [] }
        return chunked ? Array("\(String(text.count, radix: 16))\r\n".utf8) + text + [13, 10] : Array(text)
    }

    /// Goes out before the connection is closed, when the program or its log is no more.
    public var end: [UInt8] { chunked ? Array("0\r\n\r\n".utf8) : [] }
}
