/// Whole numbers as Python's int() reads them: blanks around, a sign, single underscores between digits,
/// the decimal digits of any script.
enum PythonInteger {
    /// Python's integers have no end; ours stop here, far from where adding to one could overflow.
    static let limit = 1 << 56

    static func decimal(_ text: String) throws(ConfigurationError) -> Int {
        guard let value = parse(text, base: 10) else {
            throw ConfigurationError("invalid literal for int() with base 10: \(text.repr)")
        }
        return value
    }

    /// Also with `0o` in front.
    static func octal(_ text: String) -> Int? { parse(text, base: 8) }

    static func parse(_ text: String, base: Int) -> Int? {
        var rest = text.unicodeScalars.trimmed
        let isNegative = rest.first == "-"
        if isNegative || rest.first == "+" { rest = rest.dropFirst() }
        var wantsDigit = true
        if base == 8, rest.first == "0", let letter = rest.dropFirst().first, letter == "o" || letter == "O" {
            rest = rest.dropFirst(2)
            if rest.first == "_" { rest = rest.dropFirst() }
        }
        var value = 0
        for scalar in rest {
            if scalar == "_" {
                if wantsDigit { return nil }
                wantsDigit = true
                continue
            }
            guard let digit = digit(scalar), digit < base else { return nil }
            value = min(value * base + digit, limit)
            wantsDigit = false
        }
        return wantsDigit ? nil : isNegative ? -value : value
    }

    private static func digit(_ scalar: Unicode.Scalar) -> Int? {
        if ("0"..."9").contains(scalar) { return Int(scalar.value) - 48 }
        guard !scalar.isASCII, scalar.properties.numericType == .decimal else { return nil }
        return scalar.properties.numericValue.map { Int($0) }
    }
}
