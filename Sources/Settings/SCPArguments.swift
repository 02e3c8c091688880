public enum StrictHostKeyChecking: Sendable { case ask, yes, no, acceptNew }
public enum AddressFamily: Sendable { case any, inet, inet6 }

/// scp's own options, as far as they mean something here.
///
/// What holds where an option is given twice is what scp 9.2 and the ssh that it starts make of it: of `-P` and `-l` the last, of
/// `-o` the first, `-o Port` over `-P`, of `-4` and `-6` the last and over `-o`; key files add up.
public struct SCPArguments: Sendable, Equatable {
    public var port: UInt16?
    /// Tried in this order.
    public var identityFiles: [String] = []
    public var limitKbit: Int?
    public var user: String?
    public var strictHostKeyChecking = StrictHostKeyChecking.ask
    /// As given: `~` stands. The first is the one that is learned into; empty also for `none`.
    public var knownHostsFiles: [String] = []
    public var hostKeyAlgorithms: [String] = []
    public var ciphers: [String] = []
    public var compression = false
    public var connectTimeout: Int?
    public var serverAliveInterval: Int?
    public var addressFamily = AddressFamily.any
    /// The first mention of an option holds, as in ssh.
    private var seen: Set<String> = []

    public init() {}

    /// The first of them; set: the only one.
    public var identityFile: String? {
        get { identityFiles.first }
        set { identityFiles = newValue.map { [$0] } ?? [] }
    }

    private static let name = "SCP_ARGUMENTS"
    static let allowed =
        "-P -i -l -4 -6 -C -q -p and -o with Port User IdentityFile StrictHostKeyChecking UserKnownHostsFile HostKeyAlgorithms Ciphers Compression ConnectTimeout ServerAliveInterval AddressFamily"

    public static func parse(_ text: String) throws(SettingProblem) -> SCPArguments {
        var result = SCPArguments()
        var flagPort: UInt16?
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
                    case "P": flagPort = try port(value, shown: "-P \(value)")
                    case "i": result.identityFiles.append(try path(value, shown: "-i \(value)"))
                    case "l":
                        guard let limit = Int(value), (1...104_857_600).contains(limit) else {
                            throw SettingProblem(name, "-l \(value)", "Kbit/s, a whole number from 1 to 104857600")
                        }
                        result.limitKbit = limit
                    default: try result.option(value, next: &words)
                    }
                default: throw SettingProblem(name, "-\(letter)", SCPRefusal.flag(letter) + "; taken are \(allowed)")
                }
            }
        }
        result.port = result.port ?? flagPort
        return result
    }

    /// `Key=Value`, `Key Value`, `Key = "Value"`; where nobody quoted it the value may be the next word.
    private mutating func option(_ text: String, next words: inout ArraySlice<String>) throws(SettingProblem) {
        let isBlank: (Character) -> Bool = { $0 == " " || $0 == "\t" }
        let trimmed = text.drop(while: isBlank)
        let key = trimmed.prefix { !isBlank($0) && $0 != "=" }
        var rest = trimmed[key.endIndex...].drop(while: isBlank)
        if rest.first == "=" { rest = rest.dropFirst().drop(while: isBlank) }
        if rest.isEmpty, key.endIndex == trimmed.endIndex, !key.isEmpty, let next = words.first, !next.hasPrefix("-") {
            rest = words.removeFirst()[...]
        }
        if !key.isEmpty, let why = SCPRefusal.option(String(key)) {
            throw SettingProblem(Self.name, rest.isEmpty ? String(key) : "\(key)=\(rest)", "\(why); taken are \(Self.allowed)")
        }
        guard !key.isEmpty, !rest.isEmpty else { throw SettingProblem(Self.name, "-o \(text)", "-o Key=Value") }
        let values = try Self.split(String(rest))
        let shown = "\(key)=\(rest)"
        guard let value = values.first, !value.isEmpty else { throw SettingProblem(Self.name, "-o \(text)", "-o Key=Value") }
        if values.count > 1, key.lowercased() != "userknownhostsfile" {
            throw SettingProblem(Self.name, shown, "one value, quoted where it has blanks")
        }
        try set(key.lowercased(), values, shown)
    }

    private mutating func set(_ key: String, _ values: [String], _ shown: String) throws(SettingProblem) {
        let value = values[0]
        func wrong(_ expected: String) -> SettingProblem { SettingProblem(Self.name, shown, expected) }
        func yes() throws(SettingProblem) -> Bool {
            switch value.lowercased() {
            case "yes", "true": return true
            case "no", "false": return false
            default: throw wrong("yes or no")
            }
        }
        func list() -> [String] { value.split(separator: ",").map(String.init) }
        let first = seen.insert(key).inserted
        switch key {
        case "port":
            let port = try Self.port(value, shown: shown)
            if first { self.port = port }
        case "user": if first { user = value }
        case "identityfile":
            if value.lowercased() == "none" { throw wrong("a key file; the keys of an agent come by SSH_AUTH_SOCK") }
            identityFiles.append(try Self.path(value, shown: shown))
        case "userknownhostsfile":
            var files: [String] = []
            for value in values { files.append(try Self.path(value, shown: shown)) }
            let isNone = files.contains { $0.lowercased() == "none" }
            if isNone, files.count > 1 { throw wrong("none alone, or files only") }
            if first { knownHostsFiles = isNone ? [] : files }
        case "hostkeyalgorithms": if first { hostKeyAlgorithms = list() }
        case "ciphers":
            if let sign = value.first, "+-^".contains(sign) { throw wrong("names of ciphers, comma-separated, without + - ^ before them") }
            if first { ciphers = list() }
        case "compression":
            let on = try yes()
            if first { compression = on }
        case "connecttimeout":
            let seconds = value.lowercased() == "none" ? nil : try Self.seconds(value, shown: shown)
            if first { connectTimeout = seconds }
        case "serveraliveinterval":
            let seconds = try Self.seconds(value, shown: shown)
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
        default: throw wrong("an option that means something here; taken are \(Self.allowed)")
        }
    }

    // MARK: values

    private static func port(_ text: String, shown: String) throws(SettingProblem) -> UInt16 {
        guard let port = UInt16(text), port > 0 else { throw SettingProblem(name, shown, "a port from 1 to 65535") }
        return port
    }

    /// What ssh would put in for `%h` or `${HOME}` is refused rather than taken as it stands: it would be another file.
    private static func path(_ text: String, shown: String) throws(SettingProblem) -> String {
        let plain = text.replacing("%%", with: "")
        guard !text.isEmpty, !plain.contains("%"), !plain.contains("${") else {
            throw SettingProblem(name, shown, "a path without % tokens (%% stands for %) and ${…}")
        }
        if text.hasPrefix("~"), text != "~", !text.hasPrefix("~/") { throw SettingProblem(name, shown, "a path that begins with / or ~/") }
        return text.replacing("%%", with: "%")
    }

    /// Seconds, or `1h30m` as in sshd_config(5), TIME FORMATS.
    private static func seconds(_ text: String, shown: String) throws(SettingProblem) -> Int {
        let wrong = SettingProblem(name, shown, "seconds, or a time such as 30s, 5m, 1h30m")
        let units: [UInt8: Int] = [115: 1, 109: 60, 104: 3600, 100: 86_400, 119: 604_800]
        var total = 0
        var number: Int?
        for byte in text.lowercased().utf8 {
            if (48...57).contains(byte) {
                number = (number ?? 0) * 10 + Int(byte) - 48
            } else {
                guard let unit = units[byte], let count = number else { throw wrong }
                total += count * unit
                number = nil
            }
            guard (number ?? 0) <= 1_000_000, total <= 1_000_000 else { throw wrong }
        }
        guard !text.isEmpty, total + (number ?? 0) <= 1_000_000 else { throw wrong }
        return total + (number ?? 0)
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
