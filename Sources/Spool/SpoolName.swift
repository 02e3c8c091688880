/// The contract between capture and shipper. What holds at every moment, crashes included:
///
/// - `<sensor>@<interface>-<stamp>-<seq>.pcap` is finished: whole, fsynced, never written again. Capture makes
///   it by a rename that replaces nothing; the shipper removes it when the target has it; whoever keeps the
///   budget renames it to `.<…>.dropped` before removing it.
/// - `.<…>.pcap.part` is being written by capture, or was when capture died. Only the capture program of its
///   interface touches it: at its next start the file is cut at its last whole record and finished.
/// - `.<…>.pcap.meta` holds capture's facts; it is down before the rename to `.pcap`.
/// - `<…>.pcap.json` is the manifest, made once by the shipper before the pcap's final name appears at the target.
/// - A pcap that is being shipped is held with flock(2); the budget passes it over.
/// - Order within an interface is the sequence number, never the stamp: clocks jump.
public struct SpoolName: Hashable, Sendable, Comparable {
    public let sensor: String
    /// As the file names carry it, see `escape`.
    public let interface: String
    public let stamp: String
    public let sequence: UInt64

    public init(sensor: String, interface: String, stamp: String, sequence: UInt64) {
        self.sensor = sensor
        self.interface = Self.escape(interface)
        self.stamp = stamp
        self.sequence = sequence
    }

    /// nil for anything that is not exactly such a name.
    public init?(_ file: String) {
        guard file.hasSuffix(".pcap"), let at = file.firstIndex(of: "@") else { return nil }
        let stem = file.dropLast(5)
        let parts = stem[stem.index(after: at)...].split(separator: "-", omittingEmptySubsequences: false)
        guard parts.count >= 3, let digits = parts.last, digits.count == 10, let sequence = UInt64(digits),
            digits.allSatisfy({ $0.isASCII && $0.isNumber })
        else { return nil }
        let stamp = parts[parts.count - 2]
        let shape = stamp.utf8.map { (0x30...0x39).contains($0) ? "0" : Character(Unicode.Scalar($0)) }
        guard String(shape) == "00000000T000000Z" else { return nil }
        self.sensor = String(stem[..<at])
        self.interface = parts.dropLast(2).joined(separator: "-")
        self.stamp = String(stamp)
        self.sequence = sequence
        guard !sensor.isEmpty, !sensor.hasPrefix("."), sensor.utf8.allSatisfy(Self.isPlain), Self.isEscaped(interface),
            self.pcap == file
        else { return nil }
    }

    public var pcap: String {
        let digits = String(sequence)
        return "\(sensor)@\(interface)-\(stamp)-\(String(repeating: "0", count: max(0, 10 - digits.count)))\(digits).pcap"
    }
    public var part: String { ".\(pcap).part" }
    public var meta: String { Self.meta(of: pcap) }

    public static func meta(of pcap: String) -> String { ".\(pcap).meta" }
    public static func manifest(of pcap: String) -> String { "\(pcap).json" }
    public static func dropped(of pcap: String) -> String { ".\(pcap).dropped" }

    /// The name a hidden part belongs to.
    public static func ofPart(_ file: String) -> SpoolName? {
        guard file.hasPrefix("."), file.hasSuffix(".part") else { return nil }
        return SpoolName(String(file.dropFirst().dropLast(5)))
    }

    /// The name a dropped file had.
    public static func ofDropped(_ file: String) -> SpoolName? {
        guard file.hasPrefix("."), file.hasSuffix(".dropped") else { return nil }
        return SpoolName(String(file.dropFirst().dropLast(8)))
    }

    /// Bytes outside `[A-Za-z0-9._-]` as `%XX`: any legal interface name becomes one safe path component.
    public static func escape(_ interface: String) -> String {
        var out = ""
        for byte in interface.utf8 {
            if isPlain(byte) {
                out.unicodeScalars.append(Unicode.Scalar(byte))
            } else {
                let digits = String(byte, radix: 16, uppercase: true)
                out += "%" + (digits.count < 2 ? "0" : "") + digits
            }
        }
        return out
    }

    /// The interface behind an escaped name.
    public static func unescape(_ escaped: String) -> String {
        var bytes: [UInt8] = []
        var rest = Array(escaped.utf8)[...]
        while let byte = rest.popFirst() {
            if byte == 0x25, rest.count >= 2, let value = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16) {
                bytes.append(value)
                rest = rest.dropFirst(2)
            } else {
                bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    private static func isPlain(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5a, 0x61...0x7a, 0x2e, 0x5f, 0x2d: true
        default: false
        }
    }

    /// Whether `escape` could have made it: one interface has one escaped name.
    private static func isEscaped(_ text: String) -> Bool {
        var bytes = Array(text.utf8)[...]
        while let byte = bytes.popFirst() {
            if isPlain(byte) { continue }
            let digits = bytes.prefix(2)
            guard byte == UInt8(ascii: "%"), let value = UInt8(String(decoding: digits, as: UTF8.self), radix: 16), !isPlain(value),
                digits.count == 2, digits.allSatisfy({ (0x30...0x39).contains($0) || (0x41...0x46).contains($0) })
            else { return false }
            bytes = bytes.dropFirst(2)
        }
        return !text.isEmpty
    }

    public static func < (a: Self, b: Self) -> Bool {
        (a.sensor, a.interface, a.sequence) < (b.sensor, b.interface, b.sequence)
    }
}
