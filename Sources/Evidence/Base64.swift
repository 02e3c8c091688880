/// Base64 (RFC 4648, section 4).
public enum Base64 {
    private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
    private static let values: [UInt8: UInt32] = Dictionary(uniqueKeysWithValues: alphabet.enumerated().map { ($0.element, UInt32($0.offset)) })

    public static func encode(_ bytes: [UInt8], padded: Bool = true) -> String {
        var out: [UInt8] = []
        out.reserveCapacity((bytes.count + 2) / 3 * 4)
        var at = 0
        while at < bytes.count {
            let part = bytes[at..<min(at + 3, bytes.count)]
            var word: UInt32 = 0
            for step in 0..<3 { word = word << 8 | (step < part.count ? UInt32(part[at + step]) : 0) }
            for step in 0..<4 {
                if step <= part.count { out.append(alphabet[Int(word >> UInt32(18 - 6 * step) & 63)]) } else if padded { out.append(61) }
            }
            at += 3
        }
        return String(decoding: out, as: UTF8.self)
    }

    /// With or without padding; nil for anything else.
    public static func decode(_ text: some StringProtocol) -> [UInt8]? {
        var digits = Array(text.utf8)
        while digits.last == 61, digits.count % 4 == 0 || digits.count % 4 == 3, text.utf8.count - digits.count < 2 { digits.removeLast() }
        guard digits.count % 4 != 1 else { return nil }
        var out: [UInt8] = []
        var word: UInt32 = 0
        var bits: UInt32 = 0
        for digit in digits {
            guard let value = values[digit] else { return nil }
            word = word << 6 | value
            bits += 6
            if bits >= 8 {
                bits -= 8
                out.append(UInt8(truncatingIfNeeded: word >> bits))
            }
        }
        return out
    }
}
