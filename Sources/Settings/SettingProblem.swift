/// A setting that is wrong: one line that says which, what it is, and what would be right.
public struct SettingProblem: Error, CustomStringConvertible, Sendable, Equatable {
    public let name: String
    public let value: String
    public let expected: String

    public init(_ name: String, _ value: String, _ expected: String) {
        self.name = name
        self.value = value
        self.expected = expected
    }

    public var description: String {
        var shown = ""
        for scalar in value.unicodeScalars {
            // C0, DEL and C1: 0x9b begins a terminal's control sequence as ESC [ does.
            if scalar.value < 32 || (127..<160).contains(scalar.value) {
                shown += scalar.value < 16 ? "\\x0" : "\\x"
                shown += String(scalar.value, radix: 16)
            } else {
                shown.unicodeScalars.append(scalar)
            }
        }
        return "\(name)='\(shown)' is wrong: expected \(expected)"
    }
}
