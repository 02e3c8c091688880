import Testing

@testable import Supervisor

/// Which requests are served, and what the others are told.
struct HTTPRequestTests {
    func read(_ text: String, credentials: BasicCredentials? = nil) -> HTTPRequestReader.Progress {
        var reader = HTTPRequestReader(credentials: credentials)
        return reader.feed(Array(text.utf8))
    }

    func status(_ text: String, credentials: BasicCredentials? = nil) -> Int? {
        guard case .refusal(let refusal) = read(text, credentials: credentials) else { return nil }
        return refusal.status
    }

    static let post = "POST /RPC2 HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"

    @Test(arguments: [
        post, "POST /RPC2/ HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello", "POST /RPC2?a=b HTTP/1.1\r\ncontent-length:5\r\n\r\nhello",
        "\r\nPOST http://x:9001/RPC2 HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
        "POST /%52PC2 HTTP/1.1\r\nContent-Length: \t05 \r\nX-A: \u{FC} \t!\r\n\r\nhello", post + "POST /RPC2 HTTP/1.1\r\n",
        // Python 3.11's http.client, curl 7.88 and supervisorctl 4.2.5, as seen on the wire.
        "POST /RPC2 HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: identity\r\nContent-Length: 5\r\nUser-Agent: Python-xmlrpc/3.11\r\n"
            + "Content-Type: text/xml\r\nAccept: text/xml\r\n\r\nhello",
        "POST /RPC2 HTTP/1.1\r\nHost: x\r\nUser-Agent: curl/7.88.1\r\nAccept: */*\r\nContent-Type: text/xml\r\nContent-Length: 5\r\n"
            + "Expect: 100-continue\r\n\r\nhello",
    ]) func `a method call is taken in all its spellings`(_ text: String) {
        #expect(read(text) == .request(HTTPRequest(target: .rpc(body: Array("hello".utf8)), minorVersion: 1)))
    }

    @Test(arguments: [
        ("/logtail/cat", HTTPRequest.Target.logTail(name: "cat", .stdout)), ("/logtail/g:a/stdout", .logTail(name: "g:a", .stdout)),
        ("/logtail/g%3Aa/stderr", .logTail(name: "g:a", .stderr)), ("/logtail/\u{FC}?x", .logTail(name: "\u{FC}", .stdout)),
        ("/mainlogtail", .mainLogTail),
    ]) func `logs are asked for by GET`(_ path: String, _ target: HTTPRequest.Target) {
        // The second empty line and the empty Host are supervisorctl's.
        let text =
            "GET \(path) HTTP/1.1\r\nHost: \r\nAccept-Encoding: chunked\r\nAccept: */*\r\nUser-agent: Supervisor HTTP Client\r\n\r\n\r\n"
        #expect(read(text) == .request(HTTPRequest(target: target, minorVersion: 1)))
        #expect(read("GET \(path) HTTP/1.0\r\n\r\n") == .request(HTTPRequest(target: target, minorVersion: 0)))
    }

    @Test(arguments: [
        ("garbage\r\n\r\n", 400), ("GET / HTTP/1.1\n\n", 400), ("GET / HTTP/1.1\r\rx", 400), ("GET  / HTTP/1.1\r\n\r\n", 400),
        ("GET / HTTP/1.1 \r\n\r\n", 400), ("GET /\r\n\r\n", 400), ("G@T / HTTP/1.1\r\n\r\n", 400), (" GET / HTTP/1.1\r\n\r\n", 400),
        ("GET x HTTP/1.1\r\n\r\n", 400), ("GET * HTTP/1.1\r\n\r\n", 400), ("GET /%0 HTTP/1.1\r\n\r\n", 400),
        ("GET /logtail/%00 HTTP/1.1\r\n\r\n", 400), ("GET /logtail/%0aa HTTP/1.1\r\n\r\n", 400), ("GET /logtail/%ff HTTP/1.1\r\n\r\n", 400),
        ("GET /\u{0}\u{1} HTTP/1.1\r\n\r\n", 400), ("GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n", 400), ("GET / HTTP/1.1\r\nA : b\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nnothing\r\n\r\n", 400), ("GET / HTTP/1.1\r\n: b\r\n\r\n", 400), ("GET / HTTP/1.1\r\nA: \u{7F}\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400), ("GET / HTTP/2.0\r\n\r\n", 505), ("GET / HTTP/1.2\r\n\r\n", 505),
        ("POST /RPC2 HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n", 400),
        ("POST /RPC2 HTTP/1.1\r\nContent-Length: +5\r\n\r\n", 400),
        ("POST /RPC2 HTTP/1.1\r\nContent-Length: 5, 5\r\n\r\n", 400), ("POST /RPC2 HTTP/1.1\r\nContent-Length: \r\n\r\n", 400),
        ("POST /RPC2 HTTP/1.1\r\nContent-Length: 0x5\r\n\r\n", 400), ("POST /RPC2 HTTP/1.1\r\n\r\n", 411),
        ("POST /RPC2 HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", 411),
        ("GET /mainlogtail HTTP/1.1\r\nTransfer-Encoding: x\r\n\r\n", 411),
        ("POST /RPC2 HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n", 400),
        ("GET /mainlogtail HTTP/1.1\r\nContent-Length: 1\r\n\r\n", 400), ("POST /RPC2 HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n", 413),
        ("POST /RPC2 HTTP/1.1\r\nContent-Length: 99999999999999999999999\r\n\r\n", 413),
        ("POST /RPC2 HTTP/1.1\r\nContent-Length: 1048577\r\nExpect: 100-continue\r\n\r\n", 413),
        ("POST /RPC2 HTTP/1.1\r\nContent-Length: 5\r\nExpect: a-pony\r\n\r\n", 417), ("HEAD /RPC2 HTTP/1.1\r\n\r\n", 405),
        ("PUT /RPC2 HTTP/1.1\r\nContent-Length: 1\r\n\r\nx", 405), ("GET /RPC2 HTTP/1.1\r\n\r\n", 405),
        ("POST /mainlogtail HTTP/1.1\r\nContent-Length: 0\r\n\r\n", 405), ("OPTIONS / HTTP/1.1\r\n\r\n", 405),
        ("GET / HTTP/1.1\r\n\r\n", 404),
        ("GET /index.html HTTP/1.1\r\n\r\n", 404), ("GET /logtail HTTP/1.1\r\n\r\n", 404), ("GET /logtail/ HTTP/1.1\r\n\r\n", 404),
        ("GET /logtail/a/b HTTP/1.1\r\n\r\n", 404), ("GET /logtail/a/stdout/ HTTP/1.1\r\n\r\n", 404),
        ("GET /logtail/../x HTTP/1.1\r\n\r\n", 404),
        ("GET //mainlogtail HTTP/1.1\r\n\r\n", 404), ("GET /RPC2x HTTP/1.1\r\n\r\n", 404),
    ]) func `every other request is told why not`(_ text: String, _ expected: Int) {
        #expect(status(text) == expected)
    }

    @Test func `a head of 16 KiB or 64 fields is the largest`() {
        let line = "GET /mainlogtail HTTP/1.1\r\n"
        let room = 16 * 1024 - line.utf8.count - "A: \r\n\r\n".utf8.count
        #expect(status(line + "A: " + String(repeating: "x", count: room) + "\r\n\r\n") == nil)
        #expect(status(line + "A: " + String(repeating: "x", count: room + 1) + "\r\n\r\n") == 431)
        #expect(status(String(repeating: "x", count: 17_000)) == 431)
        #expect(status(String(repeating: "\r\n", count: 8193)) == 431)
        #expect(status(line + String(repeating: "A: b\r\n", count: 64) + "\r\n") == nil)
        #expect(status(line + String(repeating: "A: b\r\n", count: 65) + "\r\n") == 431)
    }

    @Test func `a body of 1 MiB is the largest, and a longer one is refused when it is over`() {
        var reader = HTTPRequestReader()
        #expect(reader.feed(Array("POST /RPC2 HTTP/1.1\r\nContent-Length: 1048576\r\n\r\n".utf8)) == .needMore)
        #expect(
            reader.feed([UInt8](repeating: 65, count: 1 << 20))
                == .request(HTTPRequest(target: .rpc(body: [UInt8](repeating: 65, count: 1 << 20)), minorVersion: 1)))
        reader = HTTPRequestReader()
        #expect(reader.feed(Array("POST /RPC2 HTTP/1.1\r\nContent-Length: 1048577\r\n\r\n".utf8)) == .needMore)
        #expect(reader.feed([UInt8](repeating: 65, count: 1 << 20)) == .needMore)
        guard case .refusal(let refusal) = reader.feed([65]) else {
            Issue.record("not refused")
            return
        }
        #expect(refusal.status == 413)
    }

    @Test func `a request in single bytes is the same request`() {
        var reader = HTTPRequestReader()
        var told: [HTTPRequestReader.Progress] = []
        for byte in Self.post.utf8 { told.append(reader.feed([byte])) }
        #expect(told.dropLast().allSatisfy { $0 == .needMore })
        #expect(told.last == read(Self.post))
        #expect(reader.feed(Array("more".utf8)) == read(Self.post), "the answer stays")
    }

    @Test func `a client that waits is told to go on, once, and only one that waits`() {
        let head = "POST /RPC2 HTTP/1.1\r\nContent-Length: 2\r\nExpect: 100-Continue\r\n\r\n"
        var reader = HTTPRequestReader()
        #expect(reader.feed(Array(head.utf8)) == .sendContinue)
        #expect(reader.feed([]) == .needMore)
        #expect(reader.feed([65, 66]) == .request(HTTPRequest(target: .rpc(body: [65, 66]), minorVersion: 1)))
        #expect(read(head + "AB") == .request(HTTPRequest(target: .rpc(body: [65, 66]), minorVersion: 1)))
        #expect(read(head.replacing("1.1", with: "1.0")) == .needMore, "HTTP/1.0 knows no interim answers")
        #expect(status(head.replacing("/RPC2", with: "/x")) == 404, "refused before the body is sent")
        #expect(status(head, credentials: BasicCredentials(user: "a", password: "b")) == 401)
    }

    @Test(arguments: [
        ("secret", "Basic am9lOnNlY3JldA==", true), ("secret", "basic  am9lOnNlY3JldA==", true), ("secret", "Basic am9lOndyb25n", false),
        ("secret", "Basic amltOnNlY3JldA==", false), ("secret", "Basic am9lOnNlY3JldHg=", false), ("secret", "Basic am9lOg==", false),
        ("secret", "Basic am9l", false), ("secret", "Basic !", false), ("secret", "Basic", false), ("secret", "", false),
        ("secret", "Digest am9lOnNlY3JldA==", false), ("secret", "am9lOnNlY3JldA==", false),
        // SHA-1 of "secret", from sha1sum.
        ("{SHA}e5e9fa1ba31ecd1ae84f75caaa474f3a663f05f4", "Basic am9lOnNlY3JldA==", true),
        ("{SHA}E5E9FA1BA31ECD1AE84F75CAAA474F3A663F05F4", "Basic am9lOnNlY3JldA==", true),
        ("{SHA}e5e9fa1ba31ecd1ae84f75caaa474f3a663f05f5", "Basic am9lOnNlY3JldA==", false),
        ("{SHA}", "Basic am9lOg==", false), ("", "Basic am9lOg==", true),
    ]) func `only the right user and password are admitted`(_ password: String, _ authorization: String, _ admitted: Bool) {
        let credentials = BasicCredentials(user: "joe", password: password)
        let text = "GET /mainlogtail HTTP/1.1\r\nAuthorization: \(authorization)\r\n\r\n"
        #expect(status(text, credentials: credentials) == (admitted ? nil : 401))
        #expect(status(text.replacing("/mainlogtail", with: "/x"), credentials: credentials) == (admitted ? 404 : 401))
        #expect(status("GET /mainlogtail HTTP/1.1\r\n\r\n", credentials: credentials) == 401)
    }

    @Test func `two passwords are none, and our own client's is admitted`() {
        let credentials = BasicCredentials(user: "joe", password: "s:\u{FC}")
        let line = "Authorization: \(credentials.authorization)\r\n"
        #expect(status("GET /mainlogtail HTTP/1.1\r\n\(line)\r\n", credentials: credentials) == nil)
        #expect(status("GET /mainlogtail HTTP/1.1\r\n\(line)\(line)\r\n", credentials: credentials) == 401)
    }

    @Test(arguments: [
        ("", "da39a3ee5e6b4b0d3255bfef95601890afd80709"), ("abc", "a9993e364706816aba3e25717850c26c9cd0d89d"),
        ("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", "84983e441c3bd26ebaae4aa1f95129e5e54670f1"),
    ]) func `SHA-1 is RFC 3174's`(_ text: String, _ expected: String) {
        let digest = SHA1.digest(Array(text.utf8)).map { String($0, radix: 16) }.map { $0.count == 1 ? "0\($0)" : $0 }.joined()
        #expect(digest == expected)
    }
}
