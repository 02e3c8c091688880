public enum StrictHostKeyChecking: Sendable { case ask, yes, no, acceptNew }
public enum AddressFamily: Sendable { case any, inet, inet6 }

/// scp's own options, as far as they mean something here.
public struct SCPArguments: Sendable, Equatable {
    public var port: UInt16?
    public var identityFile: String?
    public var limitKbit: Int?
    public var user: String?
    public var strictHostKeyChecking = StrictHostKeyChecking.ask
    public var knownHostsFile: String?
    public var hostKeyAlgorithms: [String] = []
    public var ciphers: [String] = []
    public var compression = false
    public var connectTimeout: Int?
    public var serverAliveInterval: Int?
    public var addressFamily = AddressFamily.any
    /// The first mention of an option holds, as in ssh.
    private var seen: Set<String> = []

    public init() {}

    private static let name = "SCP_ARGUMENTS"
    private static let allowed =
        "-P -i -l -4 -6 -C -q -p and -o with Port User IdentityFile StrictHostKeyChecking UserKnownHostsFile HostKeyAlgorithms Ciphers Compression ConnectTimeout ServerAliveInterval AddressFamily"

    public static func parse(_ text: String) throws(SettingProblem) -> SCPArguments {
        var result = SCPArguments()
        var words = try split(text)[...]
        while let word = words.popFirst() {
            guard word.hasPrefix("-"), word.count > 1 else {
                throw SettingProblem(name, word, "only options here, the target is SCP_TARGET: \(allowed)")
            }
            var letters = word.dropFirst()[...]
            while let letter = letters.popFirst() {
                switch letter {
                // As in ssh these hold over -o, whichever comes first.
                case "4", "6":
                    result.addressFamily = letter == "4" ? .inet : .inet6
                    result.seen.insert("addressfamily")
                case "C":
                    result.compression = true
                    result.seen.insert("compression")
                case "q", "p": break
                case "P", "i", "l", "o":
                    let value: String
                    if !letters.isEmpty {
                        value = String(letters)
                        letters = ""
                    } else if let next = words.popFirst() {
                        value = next
                    } else {
                        throw SettingProblem(name, "-\(letter)", "a value after -\(letter)")
                    }
                    switch letter {
                    case "P": try result.set("Port", value)
                    case "i": try result.set("IdentityFile", value)
                    case "l":
                        guard let limit = Int(value), limit > 0 else {
                            throw SettingProblem(name, "-l \(value)", "Kbit/s, a whole number above 0")
                        }
                        result.limitKbit = limit
                    default:
                        let parts = value.split(maxSplits: 1, omittingEmptySubsequences: true) { $0 == "=" || $0 == " " }
                        guard parts.count == 2 else { throw SettingProblem(name, "-o \(value)", "-o Key=Value") }
                        try result.set(String(parts[0]), String(parts[1].drop { $0 == " " || $0 == "=" }))
                    }
                default: throw SettingProblem(name, "-\(letter)", allowed)
                }
            }
        }
        return result
    }

    private mutating func set(_ key: String, _ value: String) throws(SettingProblem) {
        let key = key.lowercased()
        func wrong(_ expected: String) -> SettingProblem { SettingProblem(Self.name, "\(key)=\(value)", expected) }
        func number() throws(SettingProblem) -> Int {
            guard let number = Int(value), number >= 0, number <= 1_000_000 else { throw wrong("a number of seconds") }
            return number
        }
        func yes() throws(SettingProblem) -> Bool {
            switch value.lowercased() {
            case "yes", "true": return true
            case "no", "false": return false
            default: throw wrong("yes or no")
            }
        }
        let first = seen.insert(key).inserted
        switch key {
        case "port":
            guard let port = UInt16(value), port > 0 else { throw wrong("a port from 1 to 65535") }
            if first { self.port = port }
        case "user": if first { user = value }
        case "identityfile": if first { identityFile = value }
        case "userknownhostsfile": if first { knownHostsFile = value }
        case "hostkeyalgorithms": if first { hostKeyAlgorithms = value.split(separator: ",").map(String.init) }
        case "ciphers": if first { ciphers = value.split(separator: ",").map(String.init) }
        case "compression":
            let on = try yes()
            if first { compression = on }
        case "connecttimeout":
            let seconds = try number()
            if first { connectTimeout = seconds }
        case "serveraliveinterval":
            let seconds = try number()
            if first { serverAliveInterval = seconds }
        case "stricthostkeychecking":
            let mode: StrictHostKeyChecking
            switch value.lowercased() {
            case "yes", "true": mode = .yes
            case "no", "false", "off": mode = .no
            case "accept-new": mode = .acceptNew
            case "ask": mode = .ask
            default: throw wrong("yes, no, accept-new or ask")
            }
            if first { strictHostKeyChecking = mode }
        case "addressfamily":
            let family: AddressFamily
            switch value.lowercased() {
            case "any": family = .any
            case "inet": family = .inet
            case "inet6": family = .inet6
            default: throw wrong("any, inet or inet6")
            }
            if first { addressFamily = family }
        default: throw wrong("one of \(Self.allowed)")
        }
    }

    /// Words as a POSIX shell splits them: blanks, single and double quotes, backslash.
    private static func split(_ text: String) throws(SettingProblem) -> [String] {
        var words: [String] = []
        var word: String?
        var quote: Character?
        var characters = text[...]
        while let c = characters.popFirst() {
            if let open = quote {
                if c == open {
                    quote = nil
                } else if c == "\\", open == "\"", let next = characters.first, "\"\\$`".contains(next) {
                    word?.append(next)
                    characters.removeFirst()
                } else {
                    word?.append(c)
                }
                continue
            }
            switch c {
            case " ", "\t", "\n":
                if let done = word { words.append(done) }
                word = nil
            case "'", "\"":
                quote = c
                word = word ?? ""
            case "\\":
                word = (word ?? "") + (characters.popFirst().map(String.init) ?? "")
            default: word = (word ?? "") + String(c)
            }
        }
        if quote != nil { throw SettingProblem(name, text, "a closing quote") }
        if let done = word { words.append(done) }
        return words
    }
}
