/// Which characters XML 1.0 has, and how they are written (2.2, 2.4, 4.1, 4.6).
enum XMLText {
    static func isBlank(_ byte: UInt8) -> Bool {
        byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\n") || byte == UInt8(ascii: "\r") || byte == UInt8(ascii: "\t")
    }

    static func beginsName(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "_"): return true
        default: return false
        }
    }

    /// The names of XML-RPC and of its extensions are ASCII.
    static func isNameByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "-"), UInt8(ascii: ":"): return true
        default: return beginsName(byte)
        }
    }

    /// Where the first byte stands that makes this no text for XML: a control byte, U+FFFE, U+FFFF; 0 for what is no UTF-8.
    static func firstBadByte(_ bytes: [UInt8]) -> Int? {
        for (index, byte) in bytes.enumerated() {
            if byte < 0x20 && !isBlank(byte) { return index }
            if byte == 0xEF, index + 2 < bytes.count, bytes[index + 1] == 0xBF, bytes[index + 2] >= 0xBE { return index }
        }
        return String(validating: bytes, as: UTF8.self) == nil ? 0 : nil
    }

    static func isCharacter(_ value: UInt32) -> Bool {
        switch value {
        case 0x9, 0xA, 0xD, 0x20...0xD7FF, 0xE000...0xFFFD, 0x10000...0x10FFFF: return true
        default: return false
        }
    }

    /// What stands between `&` and `;`, or nil where XML-RPC has no such thing.
    static func character(named name: ArraySlice<UInt8>) -> Unicode.Scalar? {
        guard name.first == UInt8(ascii: "#") else {
            switch String(decoding: name, as: UTF8.self) {
            case "lt": return "<"
            case "gt": return ">"
            case "amp": return "&"
            case "quot": return "\""
            case "apos": return "'"
            default: return nil
            }
        }
        let hexadecimal = name.dropFirst().first == UInt8(ascii: "x")
        let digits = name.dropFirst(hexadecimal ? 2 : 1)
        // A sign is no digit, but the standard library takes one.
        guard let first = digits.first, first != UInt8(ascii: "+"), first != UInt8(ascii: "-") else { return nil }
        guard let value = UInt32(String(decoding: digits, as: UTF8.self), radix: hexadecimal ? 16 : 10), isCharacter(value) else {
            return nil
        }
        return Unicode.Scalar(value)
    }

    /// Appends `text` so that every parser reads it back: markup and CR are escaped, what XML does not have is shown instead.
    ///
    /// A control character becomes its picture (ESC is U+241B), U+FFFE and U+FFFF become U+FFFD. The original writes such bytes
    /// as they are, on which Python's client gives up ("not well-formed"): one coloured line makes `tail` fail.
    static func append(_ text: String, to output: inout [UInt8]) {
        for scalar in text.unicodeScalars {
            switch scalar {
            case "<": output += "&lt;".utf8
            case ">": output += "&gt;".utf8
            case "&": output += "&amp;".utf8
            case "\r": output += "&#13;".utf8
            default:
                let value = scalar.value
                let shown = isCharacter(value) ? scalar : value < 0x20 ? Unicode.Scalar(0x2400 + value) ?? "\u{FFFD}" : "\u{FFFD}"
                if let units = UTF8.encode(shown) { output += units }
            }
        }
    }
}
