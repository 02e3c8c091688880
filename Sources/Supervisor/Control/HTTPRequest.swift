/// What a client of the control socket may ask for.
public struct HTTPRequest: Sendable, Equatable {
    public enum Channel: String, Sendable { case stdout, stderr }

    public enum Target: Sendable, Equatable {
        /// POST /RPC2 with a method call as its body.
        case rpc(body: [UInt8])
        /// GET /logtail/NAME, /logtail/NAME/stdout, /logtail/NAME/stderr. The name is as the client wrote it, such as `group:name`.
        case logTail(name: String, Channel)
        /// GET /mainlogtail
        case mainLogTail
    }

    public var target: Target
    /// 0 or 1: of HTTP/1.0 and 1.1. Only a client of 1.1 understands chunks.
    public var minorVersion: Int

    public init(target: Target, minorVersion: Int) {
        self.target = target
        self.minorVersion = minorVersion
    }
}

/// Why a request is not served, as a status of RFC 9110, 15.
public struct HTTPRefusal: Error, Sendable, Equatable {
    public var status: Int
    /// For a log, in our words; nothing of it goes to the client.
    public var detail: String
    /// The methods the resource has, for 405.
    public var allowed: String?
    /// An answer to HEAD has no body.
    public var omitsBody = false

    public init(status: Int, detail: String, allowed: String? = nil) {
        self.status = status
        self.detail = detail
        self.allowed = allowed
    }
}

/// `METHOD TARGET HTTP/1.x` and what it means here.
struct HTTPRequestLine: Sendable, Equatable {
    enum Resource: Equatable {
        case rpc
        case logTail(String, HTTPRequest.Channel)
        case mainLogTail
    }

    var method: String
    var path: [UInt8]
    var minorVersion: Int

    init(_ line: String) throws(HTTPRefusal) {
        let parts = line.utf8.split(separator: UInt8(ascii: " "), omittingEmptySubsequences: false)
        guard parts.count == 3, !parts[0].isEmpty, parts[0].allSatisfy(HTTPHeadReader.isTokenByte), !parts[1].isEmpty else {
            throw HTTPRefusal(status: 400, detail: "no request line")
        }
        switch String(parts[2]) {
        case "HTTP/1.0": minorVersion = 0
        case "HTTP/1.1": minorVersion = 1
        case let other where other?.hasPrefix("HTTP/") == true: throw HTTPRefusal(status: 505, detail: "another version of HTTP")
        default: throw HTTPRefusal(status: 400, detail: "no version of HTTP")
        }
        method = String(decoding: parts[0], as: UTF8.self)
        guard let path = Self.path(Array(parts[1])) else { throw HTTPRefusal(status: 400, detail: "no path") }
        self.path = path
    }

    /// The path of an origin or absolute form (RFC 9112, 3.2), unescaped, without its query; nil for what is neither.
    static func path(_ target: [UInt8]) -> [UInt8]? {
        var rest = target[...]
        let scheme = "http://".utf8
        if rest.starts(with: scheme) {
            rest = rest.dropFirst(scheme.count).drop { $0 != UInt8(ascii: "/") }
        }
        guard rest.first == UInt8(ascii: "/") else { return nil }
        if let end = rest.firstIndex(where: { $0 == UInt8(ascii: "?") || $0 == UInt8(ascii: "#") }) { rest = rest[..<end] }
        var path: [UInt8] = []
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "%") else {
                path.append(byte)
                continue
            }
            guard let high = rest.popFirst().flatMap(hexadecimal), let low = rest.popFirst().flatMap(hexadecimal) else { return nil }
            let value = high << 4 | low
            guard value >= 0x20, value != 0x7F else { return nil }
            path.append(value)
        }
        return String(validating: path, as: UTF8.self) == nil ? nil : path
    }

    static func hexadecimal(_ byte: UInt8) -> UInt8? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): return byte - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): return byte - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): return byte - UInt8(ascii: "A") + 10
        default: return nil
        }
    }

    /// What is asked for, or 404 and 405.
    func resource() throws(HTTPRefusal) -> Resource {
        guard method == "GET" || method == "POST" else {
            throw HTTPRefusal(status: 405, detail: "a method nothing here has", allowed: "GET, POST")
        }
        guard let (resource, needed) = Self.resource(String(decoding: path, as: UTF8.self)) else {
            throw HTTPRefusal(status: 404, detail: "nothing of this path")
        }
        guard method == needed else { throw HTTPRefusal(status: 405, detail: "a method this path does not have", allowed: needed) }
        return resource
    }

    private static func resource(_ path: String) -> (Resource, method: String)? {
        let parts = path.split(separator: "/", omittingEmptySubsequences: false).dropFirst().map(String.init)
        switch (parts.first, parts.count) {
        case ("RPC2", 1): return (.rpc, "POST")
        case ("RPC2", 2) where parts[1].isEmpty: return (.rpc, "POST")
        case ("mainlogtail", 1): return (.mainLogTail, "GET")
        case ("logtail", 2) where !parts[1].isEmpty: return (.logTail(parts[1], .stdout), "GET")
        case ("logtail", 3) where !parts[1].isEmpty:
            guard let channel = HTTPRequest.Channel(rawValue: parts[2]) else { return nil }
            return (.logTail(parts[1], channel), "GET")
        default: return nil
        }
    }
}
