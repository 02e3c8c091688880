/// The lines of a configuration file.
enum INILines {
    struct Line {
        /// Without its end.
        var text: ArraySlice<Unicode.Scalar>
        /// Only a file's last line can lack it.
        var hasEnd = true

        /// As messages quote it.
        var repr: String { (String(scalars: text) + (hasEnd ? "\n" : "")).repr }
    }

    /// `\r\n` and a lone `\r` end a line too. What is no text is refused.
    static func of(_ bytes: [UInt8], file: String) throws(ConfigurationError) -> [Line] {
        if let fault = fault(in: bytes) {
            let line = bytes[..<fault.offset].count { $0 == UInt8(ascii: "\n") } + 1
            throw ConfigurationError("\(fault.text) (file: \(file.repr), line: \(line))")
        }
        let scalars = Array(String(decoding: bytes, as: UTF8.self).unicodeScalars)
        var lines: [Line] = []
        var start = 0
        var index = 0
        while index < scalars.count {
            let scalar = scalars[index]
            if scalar == "\n" || scalar == "\r" {
                lines.append(Line(text: scalars[start..<index]))
                if scalar == "\r", index + 1 < scalars.count, scalars[index + 1] == "\n" { index += 1 }
                start = index + 1
            }
            index += 1
        }
        if start < scalars.count { lines.append(Line(text: scalars[start...], hasEnd: false)) }
        return lines
    }

    private static func fault(in bytes: [UInt8]) -> (offset: Int, text: String)? {
        do {
            _ = try UTF8Span(validating: bytes.span)
        } catch {
            let offset = error.byteOffsets.lowerBound
            let why =
                switch error.kind {
                case .truncatedScalar: error.byteOffsets.upperBound >= bytes.count ? "unexpected end of data" : "invalid continuation byte"
                default: "invalid start byte"
                }
            let byte = String(bytes[offset], radix: 16)
            let digits = byte.count < 2 ? "0" + byte : byte
            return (offset, "'utf-8' codec can't decode byte 0x\(digits) in position \(offset): \(why)")
        }
        // A path, an argument or a variable with a NUL would be cut short without a word.
        return bytes.firstIndex(of: 0).map { ($0, "File contains a NUL byte in position \($0).") }
    }
}
