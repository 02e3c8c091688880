/// Makes whole lines of what arrives in pieces.
struct LineAssembler {
    /// A longer line is passed on in parts: one program must not use up the supervisor's memory.
    static let longest = 65_536
    private var partial: [UInt8] = []

    /// Returns the lines that are complete now, each with its LF.
    mutating func add(_ bytes: ArraySlice<UInt8>) -> [UInt8] {
        guard let end = bytes.lastIndex(of: 10) else {
            partial += bytes
            return partial.count >= Self.longest ? self.end() : []
        }
        let whole = partial + bytes[...end]
        partial = Array(bytes[(end + 1)...])
        return partial.count >= Self.longest ? whole + self.end() : whole
    }

    /// At the end of the stream: the line that never got its LF gets one.
    mutating func end() -> [UInt8] {
        if partial.isEmpty { return [] }
        defer { partial = [] }
        return partial + [10]
    }
}

/// Takes terminal control sequences (ECMA-48: CSI, OSC and two-byte escapes) out of a line.
func withoutEscapes(_ line: ArraySlice<UInt8>) -> [UInt8] {
    enum State { case text, escape, control, string, stringEscape }
    var state = State.text
    var out: [UInt8] = []
    out.reserveCapacity(line.count)
    for byte in line {
        switch state {
        case .text: if byte == 0x1b { state = .escape } else { out.append(byte) }
        case .escape:
            switch byte {
            case UInt8(ascii: "["): state = .control
            case UInt8(ascii: "]"): state = .string
            case 0x20...0x2f: break  // more of an escape of several bytes is to come
            default: state = .text
            }
        case .control:
            if (0x40...0x7e).contains(byte) { state = .text }
            if byte == 10 {
                state = .text
                out.append(10)
            }
        case .string:
            switch byte {
            case 7: state = .text
            case 0x1b: state = .stringEscape
            case 10:
                state = .text
                out.append(10)
            default: break
            }
        case .stringEscape: state = .text
        }
    }
    return out
}
