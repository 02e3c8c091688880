/// Where a supervisor listens, and what a client writes to it.
public enum ControlEndpoint: Sendable, Equatable {
    case unix(path: String)
    case tcp(host: String, port: Int)

    /// `unix:///path` or `http://host[:port]` (port 80 if none, as with the original; `[…]` around an IPv6 address).
    /// nil for anything else.
    public init?(_ url: String) {
        if url.hasPrefix("unix://") {
            let path = String(url.dropFirst(7))
            guard path.hasPrefix("/"), !path.utf8.contains(0) else { return nil }
            self = .unix(path: path)
            return
        }
        guard url.hasPrefix("http://") else { return nil }
        let authority = url.dropFirst(7).prefix { $0 != "/" }
        var host = authority
        var port = 80
        let afterBracket = authority.lastIndex(of: "]") ?? authority.startIndex
        if let colon = authority[afterBracket...].firstIndex(of: ":") {
            let digits = authority[authority.index(after: colon)...]
            guard digits.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }),
                let number = digits.isEmpty ? 80 : Int(digits), (1...65535).contains(number)
            else { return nil }
            port = number
            host = authority[..<colon]
        }
        if host.hasPrefix("["), host.hasSuffix("]") { host = host.dropFirst().dropLast() }
        guard !host.isEmpty, host.utf8.allSatisfy({ $0 > 0x20 && $0 != 0x7F }) else { return nil }
        self = .tcp(host: String(host), port: port)
    }

    /// For the Host field, which a Unix socket has no value for.
    var host: String {
        switch self {
        case .unix: return "localhost"
        case .tcp(let host, let port): return host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
        }
    }

    /// The request of one method call: POST /RPC2.
    public func post(_ call: XMLRPCCall, credentials: BasicCredentials?) -> [UInt8] {
        let body = XMLRPCWriter.call(call.method, call.parameters)
        return head("POST", "/RPC2", credentials, ["Content-Type: text/xml", "Content-Length: \(body.count)"]) + body
    }

    /// The request for a log, such as `/logtail/group:name/stdout`. Bytes a path does not have are escaped.
    public func get(_ path: String, credentials: BasicCredentials?) -> [UInt8] { head("GET", Self.escaped(path), credentials, []) }

    private func head(_ method: String, _ path: String, _ credentials: BasicCredentials?, _ fields: [String]) -> [UInt8] {
        var lines = ["\(method) \(path) HTTP/1.1", "Host: \(host)", "User-Agent: sensor", "Connection: close"] + fields
        if let credentials { lines.append("Authorization: \(credentials.authorization)") }
        return Array((lines.joined(separator: "\r\n") + "\r\n\r\n").utf8)
    }

    static func escaped(_ path: String) -> String {
        var result: [UInt8] = []
        for byte in path.utf8 {
            let plain = HTTPHeadReader.isTokenByte(byte) && byte != UInt8(ascii: "%") && byte != UInt8(ascii: "#")
            if plain || byte == UInt8(ascii: "/") || byte == UInt8(ascii: ":") {
                result.append(byte)
            } else {
                result += [UInt8(ascii: "%"), SHA1.digit(byte >> 4), SHA1.digit(byte & 15)]
            }
        }
        return String(decoding: result, as: UTF8.self)
    }
}
