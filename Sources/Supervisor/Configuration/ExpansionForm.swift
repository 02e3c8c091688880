/// What stands between `%(name)` and the end of its letter: `-8`, `02`, `.3`, and the letter itself.
struct ExpansionForm {
    /// There is no name here, and an earlier one has used up what there was to write.
    private var isSpent: Bool
    private var isLeft = false, hasSign = false, hasBlank = false, isAlternate = false, isZeroed = false
    private var width = 0
    private var precision: Int?
    private var letter: Unicode.Scalar = "s"

    /// Padding is for columns, not for filling the memory.
    static let widest = 65_536

    init(isSpent: Bool) { self.isSpent = isSpent }

    mutating func read(_ text: [Unicode.Scalar], _ index: inout Int, _ value: ExpansionValue?) throws(Expansion.Fault) {
        flags: while index < text.count {
            switch text[index] {
            case "-": isLeft = true
            case "+": hasSign = true
            case " ": hasBlank = true
            case "#": isAlternate = true
            case "0": isZeroed = true
            default: break flags
            }
            index += 1
        }
        width = try number(text, &index, value, "width too big") ?? 0
        if index < text.count, text[index] == "." {
            index += 1
            precision = try number(text, &index, value, "precision too big") ?? 0
        }
        if index < text.count, "hlL".unicodeScalars.contains(text[index]) { index += 1 }
        guard index < text.count else { throw .malformed("incomplete format") }
        if isSpent { throw .malformed("not enough arguments for format string") }
        letter = text[index]
        index += 1
    }

    /// `index` is the letter's place in the whole text.
    func apply(to value: ExpansionValue?, at index: Int) throws(Expansion.Fault) -> String {
        switch letter {
        case "s", "r", "a": return padded(try words(value), isNumber: false)
        case "c": return padded(try character(value), isNumber: false)
        case "d", "i", "u": return padded(try decimal(try number(value, "a real number is required"), radix: 10), isNumber: true)
        case "x", "X", "o":
            let text = try decimal(try number(value, "an integer is required"), radix: letter == "o" ? 8 : 16)
            return padded(letter == "X" ? text.uppercased() : text, isNumber: true)
        case "e", "E", "f", "F", "g", "G":
            guard case .number? = value else { throw .malformed("must be real number, not \(kind(value))") }
            // Process numbers with a fraction or an exponent serve nobody.
            throw .malformed("a number can be written with d, x, o or s only")
        default:
            let shown = (32...126).contains(letter.value) ? String(letter) : "?"
            throw .malformed("unsupported format character '\(shown)' (0x\(String(letter.value, radix: 16))) at index \(index)")
        }
    }

    private func words(_ value: ExpansionValue?) throws(Expansion.Fault) -> String {
        var text =
            switch value {
            // The original writes out all names and values here, which nobody can want.
            case nil: throw .malformed("not enough arguments for format string")
            case .number(let number): String(number)
            case .text(let text): letter == "s" ? text : letter == "r" ? text.repr : text.asciiRepr
            }
        if let precision, precision < text.unicodeScalars.count { text = String(scalars: text.unicodeScalars.prefix(precision)) }
        return text
    }

    private func character(_ value: ExpansionValue?) throws(Expansion.Fault) -> String {
        switch value {
        case .text(let text) where text.unicodeScalars.count == 1: return text
        case .number(let number):
            guard let code = UInt32(exactly: number), code < 0x110000 else { throw .malformed("%c arg not in range(0x110000)") }
            guard let scalar = Unicode.Scalar(code) else { throw .malformed("%c arg is no character") }
            return String(scalar)
        default: throw .malformed("%c requires int or char")
        }
    }

    private func number(_ value: ExpansionValue?, _ need: String) throws(Expansion.Fault) -> Int {
        guard case .number(let number)? = value else { throw .malformed("%\(letter) format: \(need), not \(kind(value))") }
        return number
    }

    private func kind(_ value: ExpansionValue?) -> String {
        switch value {
        case nil: "dict"
        case .text: "str"
        case .number: "int"
        }
    }

    /// Sign, `0x` or `0o`, digits: zeros come between the two.
    private func decimal(_ number: Int, radix: Int) throws(Expansion.Fault) -> String {
        let sign = number < 0 ? "-" : hasSign ? "+" : hasBlank ? " " : ""
        let prefix = isAlternate && radix != 10 ? (radix == 8 ? "0o" : "0x") : ""
        var digits = String(number.magnitude, radix: radix)
        var least = precision ?? 1
        if isZeroed, !isLeft { least = max(least, width - sign.utf8.count - prefix.utf8.count) }
        digits = String(repeating: "0", count: max(0, least - digits.utf8.count)) + digits
        return sign + prefix + digits
    }

    private func padded(_ text: String, isNumber: Bool) -> String {
        let missing = width - text.unicodeScalars.count
        guard missing > 0 else { return text }
        let blanks = String(repeating: " ", count: missing)
        return isLeft ? text + blanks : blanks + text
    }

    private mutating func number(
        _ text: [Unicode.Scalar], _ index: inout Int, _ value: ExpansionValue?, _ problem: String
    ) throws(Expansion.Fault) -> Int? {
        if index < text.count, text[index] == "*" {
            if !isSpent {
                guard case .number? = value else { throw .malformed("* wants int") }
            }
            // A name gives one value: it cannot be both the width and what is written.
            isSpent = true
            index += 1
            return nil
        }
        var number: Int?
        while index < text.count, ("0"..."9").contains(text[index]) {
            number = (number ?? 0) * 10 + Int(text[index].value) - 48
            if number ?? 0 > Self.widest { throw .malformed(problem) }
            index += 1
        }
        return number
    }
}
