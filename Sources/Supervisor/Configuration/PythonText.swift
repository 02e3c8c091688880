// The reference is a Python program: its blanks, its quoting in messages and its order are Python's.

extension Unicode.Scalar {
    /// What Python strips: more than ASCII's blanks, and the four separators 0x1c to 0x1f.
    var isBlank: Bool {
        switch value {
        case 0x09...0x0d, 0x1c...0x20, 0x85, 0xa0, 0x1680, 0x2000...0x200a, 0x2028, 0x2029, 0x202f, 0x205f, 0x3000: true
        default: false
        }
    }

    fileprivate var isPlain: Bool {
        if (0x20...0x7e).contains(value) { return true }
        switch properties.generalCategory {
        case .control, .format, .surrogate, .privateUse, .unassigned, .lineSeparator, .paragraphSeparator, .spaceSeparator:
            return false
        default: return true
        }
    }
}

extension BidirectionalCollection where Element == Unicode.Scalar {
    var trimmed: SubSequence {
        guard let first = firstIndex(where: { !$0.isBlank }), let last = lastIndex(where: { !$0.isBlank }) else {
            return self[startIndex..<startIndex]
        }
        return self[first...last]
    }
}

extension String {
    init(scalars: some Sequence<Unicode.Scalar>) {
        var view = UnicodeScalarView()
        view.append(contentsOf: scalars)
        self.init(view)
    }

    var trimmed: String { String(unicodeScalars.trimmed) }

    /// The text as messages quote it: in single quotes, or in double ones where it holds single ones only.
    var repr: String {
        let single = unicodeScalars.contains("'") && !unicodeScalars.contains("\"")
        let quote: Unicode.Scalar = single ? "\"" : "'"
        var out = String(quote)
        for scalar in unicodeScalars {
            switch scalar {
            case quote, "\\": out += "\\\(scalar)"
            case "\n": out += "\\n"
            case "\r": out += "\\r"
            case "\t": out += "\\t"
            case _ where scalar.isPlain: out.unicodeScalars.append(scalar)
            default: out += Self.escape(scalar)
            }
        }
        return out + String(quote)
    }

    /// `repr` in ASCII alone.
    var asciiRepr: String {
        var out = ""
        for scalar in repr.unicodeScalars {
            if scalar.isASCII { out.unicodeScalars.append(scalar) } else { out += Self.escape(scalar) }
        }
        return out
    }

    private static func escape(_ scalar: Unicode.Scalar) -> String {
        let digits = String(scalar.value, radix: 16)
        let (letter, width) = scalar.value < 0x100 ? ("x", 2) : scalar.value < 0x10000 ? ("u", 4) : ("U", 8)
        return "\\" + letter + String(repeating: "0", count: width - digits.count) + digits
    }

    /// By code point, whatever Unicode calls equivalent.
    func precedes(_ other: String) -> Bool { utf8.lexicographicallyPrecedes(other.utf8) }
}
