public import Linux

/// Why a key can't be used: one line that names the file, what it is, and what would be right.
public struct KeyProblem: Error, Sendable, Equatable, CustomStringConvertible {
    public let path: String
    public let description: String
    /// A full disk, a missing right: nothing is wrong with the key itself.
    public let mayPass: Bool

    public init(_ path: String, _ what: String, mayPass: Bool = false) {
        self.path = path
        self.mayPass = mayPass
        self.description = "\(Self.shown(path)): \(what)"
    }
    public init(_ path: String, _ error: SystemError) { self.init(path, Self.shown(error.description), mayPass: true) }

    /// For a command line that a person may paste: quoted where a shell would take it apart.
    public static func quoted(_ path: String) -> String {
        let plain = path.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"): true
            case UInt8(ascii: "0")...UInt8(ascii: "9"): true
            default: "/._-+@:,%".utf8.contains(byte)
            }
        }
        if plain && !path.isEmpty { return path }
        return "'" + shown(path).split(separator: "'", omittingEmptySubsequences: false).joined(separator: "'\\''")
            + "'"
    }

    /// Keeps the promise of one line whatever the path holds.
    private static func shown(_ text: String) -> String {
        var scalars = String.UnicodeScalarView()
        for scalar in text.unicodeScalars {
            scalars.append(scalar.properties.generalCategory == .control ? "?" : scalar)
        }
        return String(scalars)
    }
}
