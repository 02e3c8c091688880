/// A method and its parameters, as a client sent them.
public struct XMLRPCCall: Sendable, Equatable {
    public var method: String
    public var parameters: [ControlValue]

    public init(method: String, parameters: [ControlValue] = []) {
        self.method = method
        self.parameters = parameters
    }
}

/// Reads a `<methodCall>` (xmlrpc.com/spec).
public enum XMLRPCCallReader {
    /// A longer name is no method of ours.
    public static let longestMethod = 255

    /// The whole body of a request. Throws for anything that is not one call within `limits`; the answer to that is HTTP 400, as the
    /// original gives, never a fault. `<params>` may be missing. A name that no method bears is none of this reader's business.
    public static func read(_ body: [UInt8], limits: XMLRPCLimits = .call) throws(XMLRPCProblem) -> XMLRPCCall {
        var reader = try XMLRPCValueReader(body, limits: limits)
        try reader.open("methodCall")
        try reader.skipBlanks()
        let method = try reader.scalarText("methodName")
        guard !method.isEmpty, method.utf8.count <= longestMethod else { throw reader.problem("no name of a method") }
        let parameters = try reader.isNext("params") ? try reader.parameters() : []
        try reader.close("methodCall")
        try reader.finish()
        return XMLRPCCall(method: method, parameters: parameters)
    }
}

extension XMLRPCValueReader {
    /// `<params>` with a `<value>` in each `<param>`.
    mutating func parameters() throws(XMLRPCProblem) -> [ControlValue] {
        try open("params")
        var values: [ControlValue] = []
        while try isNext("param") {
            try open("param")
            values.append(try value())
            try close("param")
        }
        try close("params")
        return values
    }
}
