import Glibc

/// The standard descriptors of a command that a person or a script runs: nothing is buffered, nobody is told of failures.
public enum Console {
    public static func write(_ bytes: [UInt8], to descriptor: Int32) {
        var done = 0
        while done < bytes.count {
            let wrote = unsafe bytes.withUnsafeBytes { unsafe Glibc.write(descriptor, $0.baseAddress! + done, $0.count - done) }
            if wrote < 0, errno == EINTR { continue }
            if wrote <= 0 { return }
            done += wrote
        }
    }
    public static func write(_ text: String, to descriptor: Int32) { write(Array(text.utf8), to: descriptor) }

    /// A line of standard input without its LF; nil at the end. Not a byte more is taken than it has.
    public static func line() -> String? {
        var line: [UInt8] = []
        var byte: UInt8 = 0
        while true {
            let got = unsafe read(0, &byte, 1)
            if got < 0, errno == EINTR { continue }
            if got <= 0 { return line.isEmpty ? nil : String(decoding: line, as: UTF8.self) }
            if byte == 10 { return String(decoding: line, as: UTF8.self) }
            line.append(byte)
        }
    }
}
