public import Linux

/// supervisord's level words.
public enum Level: String, Sendable, CaseIterable {
    case crit = "CRIT"
    case erro = "ERRO"
    case warn = "WARN"
    case info = "INFO"
    case debg = "DEBG"
    case trac = "TRAC"
    case blat = "BLAT"

    /// 0 is the gravest.
    public var rank: Int { Self.allCases.firstIndex(of: self) ?? 0 }
}

/// One thing that happened: a level, a name (a noun with a past-tense verb), its fields, and the sentence
/// the text log shows.
public struct Event: Sendable, Equatable {
    public enum Value: Sendable, Equatable {
        case text(String)
        case number(Int64)
        case none
    }
    public struct Field: Sendable, Equatable {
        public let name: String
        public let value: Value
    }

    public let level: Level
    public let name: String
    public let message: String
    public let fields: [Field]

    public init(_ level: Level, _ name: String, _ message: String, _ fields: KeyValuePairs<String, Value> = [:]) {
        self.level = level
        self.name = name
        self.message = message
        self.fields = fields.map { Field(name: $0.key, value: $0.value) }
    }

    /// The text face without its stamp: `LEVEL sentence`. Control characters never reach the log raw, so
    /// that no name or server message can forge a line.
    public var text: String { "\(level.rawValue) \(printable(message))" }

    /// The JSON face without its opening brace and stamp: `"level":…,"event":…,…,"message":…}`.
    public var jsonTail: String {
        var out = "\"level\":\"\(level.rawValue)\",\"event\":\(quoted(name))"
        for field in fields {
            out += ",\(quoted(field.name)):"
            switch field.value {
            case .text(let text): out += quoted(text)
            case .number(let number): out += String(number)
            case .none: out += "null"
            }
        }
        return out + ",\"message\":\(quoted(message))}"
    }
}

/// How the log is written; the supervisor's own lines and its workers' lines share it.
public enum LogFace: String, Sendable {
    case text, json

    /// A line as the supervisor prints it, with its end of line.
    public func line(_ event: Event, at time: WallTime, program: String? = nil) -> String {
        switch self {
        case .text:
            guard let program else { return "\(time.local) \(event.text)\n" }
            return "\(time.local) \(event.level.rawValue) \(printable(program)): \(printable(event.message))\n"
        case .json:
            let by = program.map { "\"program\":\(quoted($0))," } ?? ""
            return "{\"time\":\"\(time.iso)\",\(by)\(event.jsonTail)\n"
        }
    }

    /// A line as a worker prints it, for the supervisor to stamp.
    public func workerLine(_ event: Event) -> String {
        switch self {
        case .text: return event.text + "\n"
        case .json: return "{" + event.jsonTail + "\n"
        }
    }

    /// Stamps a worker's line. What does not look like one (a crash report, a library's complaint) is
    /// passed on as a sentence at INFO.
    public func stamp(_ line: String, from program: String, at time: WallTime) -> String {
        switch self {
        case .text:
            let (level, message) = split(line)
            return "\(time.local) \(level.rawValue) \(printable(program)): \(printable(message))\n"
        case .json:
            if line.hasPrefix("{\"level\":\""), line.hasSuffix("}"), !line.unicodeScalars.contains(where: isControl) {
                return "{\"time\":\"\(time.iso)\",\"program\":\(quoted(program)),\(line.dropFirst())\n"
            }
            let (level, message) = split(line)
            return self.line(Event(level, "output", message), at: time, program: program)
        }
    }

    private func split(_ line: String) -> (Level, String) {
        for level in Level.allCases where line.hasPrefix(level.rawValue + " ") {
            return (level, String(line.dropFirst(level.rawValue.count + 1)))
        }
        return (.info, line)
    }
}

/// A JSON string (RFC 8259, section 7).
public func quoted(_ text: String) -> String {
    var out = "\""
    for scalar in text.unicodeScalars {
        switch scalar {
        case "\"": out += "\\\""
        case "\\": out += "\\\\"
        case "\n": out += "\\n"
        case "\t": out += "\\t"
        case "\r": out += "\\r"
        case _ where isControl(scalar): out += "\\u00" + hex(scalar.value)
        default: out.unicodeScalars.append(scalar)
        }
    }
    return out + "\""
}

/// Control characters as `\xNN`, so that one event stays one line.
public func printable(_ text: String) -> String {
    guard text.unicodeScalars.contains(where: isControl) else { return text }
    var out = ""
    for scalar in text.unicodeScalars {
        if isControl(scalar) { out += "\\x" + hex(scalar.value) } else { out.unicodeScalars.append(scalar) }
    }
    return out
}

/// C0, DEL and C1: 0x9b begins a terminal's control sequence as ESC [ does, 0x85 is a new line to some.
private func isControl(_ scalar: Unicode.Scalar) -> Bool { scalar.value < 32 || (127..<160).contains(scalar.value) }

private func hex(_ value: UInt32) -> String {
    let digits = String(value, radix: 16)
    return digits.count < 2 ? "0" + digits : digits
}
