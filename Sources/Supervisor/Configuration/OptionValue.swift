/// How supervisord reads the text of an option.
enum OptionValue {
    static func boolean(_ text: String) throws(ConfigurationError) -> Bool {
        switch text.lowercased() {
        case "yes", "true", "on", "1": return true
        case "no", "false", "off", "0": return false
        default: throw ConfigurationError("not a valid boolean value: \(text.repr)")
        }
    }

    /// A duration in whole seconds; no process lives to see the longest.
    static func seconds(_ text: String) throws(ConfigurationError) -> Double {
        Double(min(max(try PythonInteger.decimal(text), -1_000_000_000), 1_000_000_000))
    }

    /// A number with KB, MB or GB behind it, of 1024 each, or of bytes; never below 0.
    static func bytes(_ text: String) throws(ConfigurationError) -> Int64 {
        let lower = text.lowercased()
        let factors: [(String, Int)] = [("kb", 1 << 10), ("mb", 1 << 20), ("gb", 1 << 30)]
        let unit = factors.first { lower.hasSuffix($0.0) }
        let number = try PythonInteger.decimal(unit == nil ? lower : String(lower.dropLast(2)))
        let (product, isTooLarge) = max(0, number).multipliedReportingOverflow(by: unit?.1 ?? 1)
        return Int64(isTooLarge ? Int.max : product)
    }

    static func octal(_ text: String) throws(ConfigurationError) -> UInt32 {
        guard let value = PythonInteger.octal(text), let mode = UInt32(exactly: value), mode <= 0o7777 else {
            throw ConfigurationError("\(text) can not be converted to an octal type")
        }
        return mode
    }

    /// Numbers from 0 to 255 with commas between; nothing: no code is expected.
    static func exitcodes(_ text: String) throws(ConfigurationError) -> Set<Int32> {
        var codes: Set<Int32> = []
        for part in text.isEmpty ? [] : text.split(separator: ",", omittingEmptySubsequences: false) {
            guard let code = PythonInteger.parse(String(part), base: 10), (0...255).contains(code) else {
                throw ConfigurationError("not a valid list of exit codes: \(text.repr)")
            }
            codes.insert(Int32(code))
        }
        return codes
    }

    static func autorestart(_ text: String) throws(ConfigurationError) -> ProgramSpec.Autorestart {
        let lower = text.lowercased()
        if lower == "unexpected" { return .unexpected }
        guard let answer = try? boolean(lower) else { throw ConfigurationError("invalid 'autorestart' value \(lower.repr)") }
        return answer ? .always : .never
    }

    static func level(_ text: String) throws(ConfigurationError) -> LogLevel {
        guard let level = LogLevel.allCases.first(where: { $0.name == text.lowercased() }) else {
            throw ConfigurationError("bad logging level name \(text.repr)")
        }
        return level
    }

    /// What stands between commas, without blanks around it.
    static func list(_ text: String) -> [String] {
        text.isEmpty ? [] : text.unicodeScalars.split(separator: ",", omittingEmptySubsequences: false).map { String($0.trimmed) }
    }

    /// A program's or group's name, without blanks around it.
    static func name(_ text: String) throws(ConfigurationError) -> String {
        let name = text.trimmed
        for character in [" ", ":", "/"] where name.utf8.contains(character.utf8.first ?? 0) {
            throw ConfigurationError("Invalid name: \(text.repr) because of character: \(character.repr)")
        }
        return name
    }

    /// Longest wait between two tries, in seconds.
    static func backoff(_ text: String) throws(ConfigurationError) -> Double {
        let value = try seconds(text)
        guard value >= 1 else { throw ConfigurationError("max_backoff is below one second: \(text.repr)") }
        return value
    }
}
