/// supervisord's `environment=`: `A="with,comma",B=plain`. Quotes protect a whole value; without them it
/// may hold letters, digits and `_/.+-():` only, and a `#` begins a comment.
struct KeyValueText: Equatable {
    private(set) var pairs: [String: String] = [:]
    /// Keys after whose value something other than a comma stood, which the original passes over silently:
    /// a part of the value is lost.
    private(set) var cutShort: [String] = []

    init(_ text: String) throws(ConfigurationError) {
        var tokens: [String] = []
        var lexer = Lexer(text)
        while let token = try lexer.next() { tokens.append(token) }
        var index = 0
        while index < tokens.count {
            guard index + 2 < tokens.count, tokens[index + 1] == "=" else {
                throw ConfigurationError("Unexpected end of key/value pairs in value '\(text)'")
            }
            pairs[tokens[index]] = Self.unquoted(tokens[index + 2])
            if index + 3 < tokens.count, tokens[index + 3] != "," { cutShort.append(tokens[index]) }
            index += 4
        }
    }

    /// What to say about values cut short in `section`.
    func warnings(for section: String) -> [String] {
        cutShort.map { "For [\(section)], environment: a part of the value of \($0) was lost, put it in quotes" }
    }

    private static func unquoted(_ token: String) -> String {
        let scalars = token.unicodeScalars
        let isQuote = { (scalar: Unicode.Scalar) in scalar == "'" || scalar == "\"" }
        guard let first = scalars.firstIndex(where: { !isQuote($0) }), let last = scalars.lastIndex(where: { !isQuote($0) }) else {
            return ""
        }
        return String(scalars[first...last])
    }

    private struct Lexer {
        private let text: [Unicode.Scalar]
        private var index = 0

        init(_ text: String) { self.text = Array(text.unicodeScalars) }

        /// A word, a quotation with its quotes, or a single other character.
        mutating func next() throws(ConfigurationError) -> String? {
            while index < text.count {
                let scalar = text[index]
                switch scalar {
                case " ", "\t", "\r", "\n": index += 1
                case "#": skipLine()
                case "'", "\"": return try quotation(scalar)
                case _ where Self.isWord(scalar): return word()
                default:
                    index += 1
                    return String(scalar)
                }
            }
            return nil
        }

        private mutating func quotation(_ quote: Unicode.Scalar) throws(ConfigurationError) -> String {
            guard let end = text[(index + 1)...].firstIndex(of: quote) else {
                throw ConfigurationError("\(ShellWords.Problem.unclosedQuotation)")
            }
            defer { index = end + 1 }
            return String(scalars: text[index...end])
        }

        /// Quotes inside a word are part of it, and a comment does not end it.
        private mutating func word() -> String {
            var word = String.UnicodeScalarView()
            while index < text.count {
                let scalar = text[index]
                if scalar == "#" {
                    skipLine()
                } else if Self.isWord(scalar) || scalar == "'" || scalar == "\"" {
                    word.append(scalar)
                    index += 1
                } else {
                    break
                }
            }
            return String(word)
        }

        private mutating func skipLine() {
            index = (text[index...].firstIndex(of: "\n") ?? text.count - 1) + 1
        }

        private static func isWord(_ scalar: Unicode.Scalar) -> Bool {
            switch scalar {
            case "a"..."z", "A"..."Z", "0"..."9", "_", "/", ".", "+", "-", "(", ")", ":": true
            default: false
            }
        }
    }
}
