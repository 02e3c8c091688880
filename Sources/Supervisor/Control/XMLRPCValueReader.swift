/// How much one XML-RPC document may hold.
public struct XMLRPCLimits: Sendable, Equatable {
    /// Arrays and structures within each other.
    public var depth: Int
    /// Values of any kind, containers included.
    public var values: Int

    public init(depth: Int, values: Int) {
        self.depth = depth
        self.values = values
    }

    /// What a client may ask of the supervisor.
    public static let call = XMLRPCLimits(depth: 16, values: 10_000)
    /// What a client takes from the supervisor: thirty values for each program of getAllConfigInfo.
    public static let response = XMLRPCLimits(depth: 16, values: 1_000_000)
}

/// Reads `<value>` elements (xmlrpc.com/spec), one token ahead.
///
/// Beyond the specification: `nil` and `i8`, also with Apache's `ex:`. A dateTime stays the string it is, as nothing here has a use
/// for it. Blanks between elements are skipped; text anywhere else is refused.
struct XMLRPCValueReader {
    private var tokens: XMLTokenizer
    private(set) var token: XMLTokenizer.Token
    private let limits: XMLRPCLimits
    private var values = 0

    init(_ document: [UInt8], limits: XMLRPCLimits) throws(XMLRPCProblem) {
        tokens = try XMLTokenizer(document)
        token = try tokens.next()
        self.limits = limits
    }

    mutating func value(depth: Int = 0) throws(XMLRPCProblem) -> ControlValue {
        try open("value")
        values += 1
        guard values <= limits.values else { throw problem("too many values") }
        if case .text(let text) = token {
            try advance()
            if token == .end("value") {
                try advance()
                return .string(String(decoding: text, as: UTF8.self))
            }
            guard text.allSatisfy(XMLText.isBlank) else { throw problem("text beside an element") }
        }
        let result: ControlValue
        switch token {
        case .end("value"):
            try advance()
            return .string("")
        case .start("array"): result = .array(try array(depth: depth + 1))
        case .start("struct"): result = .structure(try structure(depth: depth + 1))
        case .start(let name):
            let text = try scalarText(name)
            guard let scalar = Self.scalar(name, text) else { throw problem("no value of type \(name)") }
            result = scalar
        default: throw problem("a value has no element")
        }
        try close("value")
        return result
    }

    // MARK: containers

    private mutating func array(depth: Int) throws(XMLRPCProblem) -> [ControlValue] {
        guard depth <= limits.depth else { throw problem("nested too deep") }
        try open("array")
        try open("data")
        var elements: [ControlValue] = []
        while try isNext("value") { elements.append(try value(depth: depth)) }
        try close("data")
        try close("array")
        return elements
    }

    private mutating func structure(depth: Int) throws(XMLRPCProblem) -> [(String, ControlValue)] {
        guard depth <= limits.depth else { throw problem("nested too deep") }
        try open("struct")
        var members: [(String, ControlValue)] = []
        while try isNext("member") {
            try open("member")
            try skipBlanks()
            let name = try scalarText("name")
            members.append((name, try value(depth: depth)))
            try close("member")
        }
        try close("struct")
        return members
    }

    // MARK: elements

    /// `<name>text</name>`; the token is at its start.
    mutating func scalarText(_ name: String) throws(XMLRPCProblem) -> String {
        guard token == .start(name) else { throw problem("\(name) is missing") }
        try advance()
        var result = ""
        if case .text(let text) = token {
            result = String(decoding: text, as: UTF8.self)
            try advance()
        }
        guard token == .end(name) else { throw problem("\(name) has another element in it") }
        try advance()
        return result
    }

    mutating func open(_ name: String) throws(XMLRPCProblem) {
        try skipBlanks()
        guard token == .start(name) else { throw problem("\(name) is missing") }
        try advance()
    }

    mutating func close(_ name: String) throws(XMLRPCProblem) {
        try skipBlanks()
        guard token == .end(name) else { throw problem("\(name) is not closed") }
        try advance()
    }

    mutating func isNext(_ name: String) throws(XMLRPCProblem) -> Bool {
        try skipBlanks()
        return token == .start(name)
    }

    mutating func finish() throws(XMLRPCProblem) {
        try skipBlanks()
        guard token == .finished else { throw problem("something follows the document") }
    }

    mutating func skipBlanks() throws(XMLRPCProblem) {
        guard case .text(let text) = token else { return }
        guard text.allSatisfy(XMLText.isBlank) else { throw problem("text between elements") }
        try advance()
    }

    private mutating func advance() throws(XMLRPCProblem) { token = try tokens.next() }

    func problem(_ reason: String) -> XMLRPCProblem { tokens.problem(reason) }
}
