import Testing

@testable import Supervisor

/// Answers, written and read.
struct HTTPResponseTests {
    func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }

    @Test func `an answer has its length and says that it is the last`() {
        #expect(
            text(HTTPResponse.xml(Array("<a/>".utf8)).bytes)
                == "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: text/xml\r\nContent-Length: 4\r\n\r\n<a/>")
    }

    @Test func `401 asks for Basic authentication as the original does`() {
        let answer = text(HTTPResponse.refusal(HTTPRefusal(status: 401, detail: "")).bytes)
        #expect(answer.hasPrefix("HTTP/1.1 401 Unauthorized\r\n"))
        #expect(answer.contains("\r\nWWW-Authenticate: Basic realm=\"default\"\r\n"))
    }

    @Test func `405 names the methods, and an answer to HEAD has no body`() {
        var reader = HTTPRequestReader()
        guard case .refusal(let refusal) = reader.feed(Array("HEAD /RPC2 HTTP/1.1\r\n\r\n".utf8)) else {
            Issue.record("not refused")
            return
        }
        let answer = text(HTTPResponse.refusal(refusal).bytes)
        #expect(answer.contains("\r\nAllow: GET, POST\r\n"))
        #expect(answer.hasSuffix("\r\n\r\n"))
    }

    @Test(arguments: [400, 401, 404, 405, 411, 413, 417, 431, 500, 503, 505]) func `every status we send has a name`(_ status: Int) {
        #expect(HTTPResponse.reason(status) != "Unknown")
    }

    @Test func `nothing of a request comes back in a refusal`() {
        var reader = HTTPRequestReader()
        guard case .refusal(let refusal) = reader.feed(Array("GET /<script> HTTP/1.1\r\n\r\n".utf8)) else {
            Issue.record("not refused")
            return
        }
        #expect(!text(HTTPResponse.refusal(refusal).bytes).contains("script"))
    }

    @Test func `a log goes out in chunks to HTTP 1.1, plain to 1.0, and an empty piece is nothing`() throws {
        let log = LogTailResponse(minorVersion: 1)
        #expect(text(log.head).hasSuffix("Transfer-Encoding: chunked\r\n\r\n"))
        #expect(text(log.piece(Array("hello, world 1234\n".utf8))) == "12\r\nhello, world 1234\n\r\n")
        #expect(log.piece([]) == [])
        #expect(text(log.end) == "0\r\n\r\n")
        let plain = LogTailResponse(minorVersion: 0)
        #expect(!text(plain.head).contains("chunked"))
        #expect(plain.piece([1, 2]) == [1, 2])
        #expect(plain.end == [])
        var reader = HTTPResponseReader()
        #expect(text(try reader.feed(log.head + log.piece([65]) + log.piece([66, 67]) + log.end)) == "ABC")
        #expect(reader.isComplete)
    }

    static let answers = [
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhellomore",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 200 OK\r\nServer: Medusa/1.12\r\nContent-Length: 5\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n003;x=y\r\nllo\r\n0\r\nTrailer: a\r\n\r\n",
    ]

    @Test(arguments: answers) func `length, chunks and interim answers are read, in one piece and in single bytes`(_ answer: String) throws
    {
        var reader = HTTPResponseReader()
        #expect(text(try reader.feed(Array(answer.utf8))) == "hello")
        #expect(reader.isComplete)
        #expect(reader.status == 200)
        try reader.finish()
        var single = HTTPResponseReader()
        var body: [UInt8] = []
        for byte in answer.utf8 { body += try single.feed([byte]) }
        #expect(text(body) == "hello")
        #expect(single.isComplete)
    }

    @Test func `without a length the answer ends with the connection`() throws {
        var reader = HTTPResponseReader()
        #expect(text(try reader.feed(Array("HTTP/1.0 404 Not Found\r\n\r\nhel".utf8))) == "hel")
        #expect(text(try reader.feed(Array("lo".utf8))) == "lo")
        #expect(!reader.isComplete)
        try reader.finish()
        #expect(reader.isComplete)
        #expect(reader.status == 404)
        #expect(reader.reason == "Not Found")
    }

    @Test(arguments: [
        "", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n",
    ]) func `an answer cut short is no answer`(_ answer: String) throws {
        var reader = HTTPResponseReader()
        _ = try reader.feed(Array(answer.utf8))
        #expect(throws: HTTPResponseProblem.self) { try reader.finish() }
    }

    @Test(arguments: [
        "SSH-2.0-OpenSSH\r\n\r\n", "HTTP/1.1 20 OK\r\n\r\n", "HTTP/1.1 999 OK\r\n\r\n", "HTTP/1.1 +20 OK\r\n\r\n", "HTTP/2 200\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n123456789\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\nab",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\(String(repeating: "A: b\r\n", count: 200))",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;\(String(repeating: "x", count: 2000))",
        "HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\nhello world",
    ]) func `what is no answer of HTTP, or too long, is refused`(_ answer: String) {
        var reader = HTTPResponseReader(maxBody: 10)
        #expect(throws: HTTPResponseProblem.self) { try reader.feed(Array(answer.utf8)) }
    }

    @Test func `our client's requests are served by our server`() throws {
        let endpoint = try #require(ControlEndpoint("unix:///run/s.sock"))
        let call = XMLRPCCall(method: "supervisor.stopProcess", parameters: [.string("g:*")])
        var reader = HTTPRequestReader(credentials: BasicCredentials(user: "u", password: "p"))
        let request = endpoint.post(call, credentials: BasicCredentials(user: "u", password: "p"))
        guard case .request(let served) = reader.feed(request), case .rpc(let body) = served.target else {
            Issue.record("not served: \(text(request))")
            return
        }
        #expect(try XMLRPCCallReader.read(body) == call)
        reader = HTTPRequestReader()
        let get = endpoint.get("/logtail/g:\u{FC} %#?b/stderr", credentials: nil)
        #expect(reader.feed(get) == .request(HTTPRequest(target: .logTail(name: "g:\u{FC} %#?b", .stderr), minorVersion: 1)))
    }

    @Test(arguments: [
        ("unix:///run/s.sock", ControlEndpoint.unix(path: "/run/s.sock")), ("http://localhost:9001", .tcp(host: "localhost", port: 9001)),
        ("http://10.0.0.1", .tcp(host: "10.0.0.1", port: 80)), ("http://[::1]:9001/", .tcp(host: "::1", port: 9001)),
        ("http://[::1]", .tcp(host: "::1", port: 80)),
    ]) func `a server's URL names a socket or a host and port`(_ url: String, _ endpoint: ControlEndpoint) {
        #expect(ControlEndpoint(url) == endpoint)
    }

    @Test(arguments: [
        "", "x", "unix://", "unix://rel", "https://x", "http://", "http://:1", "http://x:0", "http://x:65536", "http://x:y", "http://a b",
    ])
    func `what names neither is refused`(_ url: String) { #expect(ControlEndpoint(url) == nil) }
}
