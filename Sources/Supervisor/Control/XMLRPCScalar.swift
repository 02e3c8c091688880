extension XMLRPCValueReader {
    /// The value of `<type>text</type>`, or nil when the text is none of that type or there is no such type.
    static func scalar(_ type: String, _ text: String) -> ControlValue? {
        switch type {
        case "string", "dateTime.iso8601": return .string(text)
        case "int", "i4": return integer(text, within: Int(Int32.min)...Int(Int32.max))
        case "i8", "ex:i8": return integer(text, within: Int.min...Int.max)
        case "boolean": return text == "1" ? .bool(true) : text == "0" ? .bool(false) : nil
        case "double": return double(text)
        case "base64": return Base64.decode(text.utf8).map { .base64($0) }
        case "nil", "ex:nil": return text.isEmpty ? .null : nil
        default: return nil
        }
    }

    private static func integer(_ text: String, within range: ClosedRange<Int>) -> ControlValue? {
        guard text.utf8.count <= 20, let number = Int(text), range.contains(number) else { return nil }
        return .int(number)
    }

    /// Digits, a sign, a point, an exponent: the standard library would take "nan" and hexadecimals too.
    private static func double(_ text: String) -> ControlValue? {
        let taken = text.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "+"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "e"),
                UInt8(ascii: "E"):
                return true
            default: return false
            }
        }
        guard taken, text.utf8.count <= 400, let number = Double(text), number.isFinite else { return nil }
        return .double(number)
    }
}
