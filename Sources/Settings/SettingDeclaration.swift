/// One setting: its name, what is right, its default, what it means, and how it is read. Declared here and
/// nowhere else; help and the README's table are made from it.
public struct SettingDeclaration: Sendable {
    public let name: String
    public let aliases: [String]
    public let form: String
    public let defaultText: String
    public let summary: String
    let read: @Sendable (String, inout Settings) throws(SettingProblem) -> Void

    private init(
        _ name: String, aliases: [String] = [], form: String, default defaultText: String, _ summary: String,
        read: @escaping @Sendable (String, inout Settings) throws(SettingProblem) -> Void
    ) {
        self.name = name
        self.aliases = aliases
        self.form = form
        self.defaultText = defaultText
        self.summary = summary
        self.read = read
    }

    private static func number(_ text: String, _ range: ClosedRange<Int>, _ what: String) throws(SettingProblem) -> Int {
        guard let number = Int(text), range.contains(number) else {
            throw SettingProblem("", text, "\(what), a whole number from \(range.lowerBound) to \(range.upperBound)")
        }
        return number
    }
    /// Bytes with K, M or G (1024).
    static func size(_ text: String, _ range: ClosedRange<Int64>, _ what: String) throws(SettingProblem) -> Int64 {
        let wrong = SettingProblem(
            "", text, "\(what), bytes from \(range.lowerBound) to \(range.upperBound), with K, M or G for powers of 1024")
        var digits = text[...]
        var factor: Int64 = 1
        switch digits.last {
        case "K", "k": factor = 1 << 10
        case "M", "m": factor = 1 << 20
        case "G", "g": factor = 1 << 30
        default: break
        }
        if factor > 1 { digits.removeLast() }
        guard !digits.isEmpty, digits.allSatisfy({ $0.isASCII && $0.isNumber }), let number = Int64(digits) else { throw wrong }
        let (bytes, overflow) = number.multipliedReportingOverflow(by: factor)
        guard !overflow, range.contains(bytes) else { throw wrong }
        return bytes
    }
    /// As far as that can be told without decoding it: half a key can match none and would only look like a changed one.
    private static func isWholeKey(type: Substring, base64: Substring) -> Bool {
        guard type.hasPrefix("ssh-") || type.hasPrefix("ecdsa-"), base64.hasPrefix("AAAA") else { return false }
        let digits = base64.prefix { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "+" || $0 == "/") }
        guard base64.dropFirst(digits.count).allSatisfy({ $0 == "=" }) else { return false }
        return switch type {
        case "ssh-ed25519": digits.count == 68
        case "ecdsa-sha2-nistp256": digits.count == 139
        case "ecdsa-sha2-nistp384": digits.count == 182
        case "ecdsa-sha2-nistp521": digits.count == 230
        default: digits.count >= 200
        }
    }
    private static func yesNo(_ text: String) throws(SettingProblem) -> Bool {
        switch text.lowercased() {
        case "yes", "true", "on", "1": return true
        case "no", "false", "off", "0": return false
        default: throw SettingProblem("", text, "yes or no")
        }
    }
    private static let anyBytes: ClosedRange<Int64> = 0...Int64.max

    public static let all: [SettingDeclaration] = [
        .init(
            "PCAP_INTERFACE", form: "names, comma-separated, or any", default: "default route's, else first up",
            "Interfaces to record, each a series of its own; `any` is every interface that is up, now or later, except loopback, members of a bridge or bond, and veth ends."
        ) { text, settings throws(SettingProblem) in
            let names = text.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
            let legal = names.allSatisfy {
                (1...15).contains($0.utf8.count) && !$0.contains(where: { "/:".contains($0) || $0.isWhitespace }) && $0 != "." && $0 != ".."
            }
            guard legal, Set(names).count == names.count, names.count == 1 || !names.contains("any") else {
                throw SettingProblem(
                    "", text, "interface names of 1 to 15 bytes, each once, separated by commas and no blanks, or any alone")
            }
            settings.interfaces = names
        },
        .init(
            "PCAP_CAPTURE_SIZE", aliases: ["PCAP_SNAPLEN"], form: "bytes, 0 to 262144", default: "0",
            "Bytes kept of each packet (snaplen); 0 keeps all."
        ) { text, settings throws(SettingProblem) in settings.snaplen = try number(text, 0...262_144, "bytes of a packet") },
        .init(
            "PCAP_FILE_SIZE", form: "seconds, 1 to 86400", default: "60",
            "Seconds per file, as in the original; boundaries are multiples on the clock, on an idle link too."
        ) { text, settings throws(SettingProblem) in settings.fileSeconds = try number(text, 1...86_400, "seconds per file") },
        .init(
            "PCAP_FILE_BYTES", form: "size, from 64K", default: "256M",
            "A file is also ended at this size."
        ) { text, settings throws(SettingProblem) in settings.fileBytes = try size(text, 65_536...(1 << 40), "a file's size") },
        .init(
            "PCAP_FILE_ROTATE", form: "files, 0 to 1000000", default: "0",
            "At most so many finished files wait in the spool, all interfaces together, the oldest go first; 0 leaves it to the byte budget."
        ) { text, settings throws(SettingProblem) in settings.fileRotate = try number(text, 0...1_000_000, "files") },
        .init(
            "PCAP_BPF_FILTER", form: "pcap-filter(7) text", default: "none", "Only packets that match are recorded."
        ) { text, settings throws(SettingProblem) in settings.filter = text },
        .init(
            "PCAP_SENSOR_NAME", form: "1 to 64 of A-Z a-z 0-9 . _ -", default: "sensor- and 8 random characters, kept",
            "The sensor's name, which begins every file's name."
        ) { text, settings throws(SettingProblem) in
            let legal = text.utf8.allSatisfy {
                ($0 >= 48 && $0 <= 57) || ($0 >= 65 && $0 <= 90) || ($0 >= 97 && $0 <= 122) || [45, 46, 95].contains($0)
            }
            guard legal, (1...64).contains(text.utf8.count), !text.hasPrefix(".") else {
                throw SettingProblem("", text, "1 to 64 characters of A-Z a-z 0-9 . _ - that do not begin with a dot")
            }
            settings.sensorName = text
        },
        .init(
            "PCAP_RING_BYTES", form: "size, 512K to 2047M", default: "64M",
            "Kernel ring per interface, with `any` of all together: what bridges a slow disk."
        ) { text, settings throws(SettingProblem) in settings.ringBytes = try size(text, (512 << 10)...(2047 << 20), "a ring's size") },
        .init(
            "PCAP_PROMISCUOUS", form: "yes or no", default: "yes", "Also records packets that are not for this host."
        ) { text, settings throws(SettingProblem) in settings.promiscuous = try yesNo(text) },
        .init(
            "PCAP_EXCLUDE_SHIPPING", form: "yes or no", default: "yes",
            "Leaves out the sensor's own upload and nothing else: its target's addresses and port with its own source ports."
        ) { text, settings throws(SettingProblem) in settings.excludeShipping = try yesNo(text) },
        .init(
            "SCP_TARGET", form: "user@host:/dir, user@[IPv6]:dir, /dir or ./dir", default: "none: an error",
            "Where finished files go; a local directory must be a mount point or hold a file `.sensor-target`."
        ) { text, settings throws(SettingProblem) in settings.target = try Target.parse(text) },
        .init(
            "SCP_ARGUMENTS", form: "scp's options", default: "none",
            "-P -i -l -4 -6 -C -q -p and -o Key=Value for Port, User, IdentityFile, StrictHostKeyChecking, UserKnownHostsFile, HostKeyAlgorithms, Ciphers, Compression, ConnectTimeout, ServerAliveInterval, AddressFamily."
        ) { text, settings throws(SettingProblem) in settings.arguments = try SCPArguments.parse(text) },
        .init(
            "SCP_HOST_KEY", form: "SHA256:… or a public key, comma-separated", default: "learned once",
            "Pins the server's key; without it the first one seen is learned, kept and logged. A changed key is never accepted."
        ) { text, settings throws(SettingProblem) in
            settings.pinnedHostKeys = try text.split(separator: ",", omittingEmptySubsequences: false).map { part throws(SettingProblem) in
                let words = part.split(separator: " ")
                if words.count == 1, words[0].hasPrefix("SHA256:") {
                    var digest = words[0].dropFirst(7)
                    if digest.hasSuffix("=") { digest.removeLast() }
                    // 32 bytes in base64; anything else can match no key and would only look like a changed one.
                    let legal = digest.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "+" || $0 == "/") }
                    if legal, digest.utf8.count == 43 { return .fingerprint(String(digest)) }
                }
                if words.count >= 2, isWholeKey(type: words[0], base64: words[1]) {
                    return .key(type: String(words[0]), base64: String(words[1]))
                }
                throw SettingProblem("", text, "SHA256:… as ssh-keygen -l prints it, or a public key line")
            }
        },
        .init(
            "SCP_SOURCE_PORTS", form: "LOW-HIGH", default: "60872-60887",
            "Ports the shipper binds, so that the filter can name its connections."
        ) { text, settings throws(SettingProblem) in
            let parts = text.split(separator: "-", omittingEmptySubsequences: false).map { UInt16($0) }
            guard parts.count == 2, let low = parts[0], let high = parts[1], low > 0, low <= high else {
                throw SettingProblem("", text, "LOW-HIGH, ports from 1 to 65535")
            }
            settings.sourcePorts = low...high
        },
        .init(
            "SCP_RATE", form: "size per second, from 1K", default: "none", "Bytes per second the upload takes at most."
        ) { text, settings throws(SettingProblem) in settings.rate = try size(text, 1024...(1 << 40), "bytes per second") },
        .init(
            "SCP_INTERVAL", form: "seconds, 1 to 86400", default: "300",
            "Seconds between looks into the spool when nothing wakes the shipper."
        ) { text, settings throws(SettingProblem) in settings.interval = try number(text, 1...86_400, "seconds") },
        .init(
            "SCP_HOURS", form: "22-06 or 22:30-06:15, comma-separated", default: "always",
            "Local times of day at which files are shipped; outside of them they wait in the spool."
        ) { text, settings throws(SettingProblem) in
            guard let hours = ShippingHours(text) else {
                throw SettingProblem(
                    "", text, "times of day, FROM-TO, as in 22-06 or 22:30-06:15, several separated by commas and no blanks")
            }
            settings.hours = hours
        },
        .init(
            "SENSOR_DATA_DIR", form: "path", default: "/data", "Holds key, known hosts, name, state and spool."
        ) { text, settings throws(SettingProblem) in
            guard !text.utf8.contains(0), !text.contains("\n") else { throw SettingProblem("", text, "a path") }
            settings.dataDirectory = text
        },
        .init(
            "SENSOR_SPOOL_BYTES", form: "size", default: "none",
            "Bytes of finished files that may wait; the oldest go first, never the newest."
        ) { text, settings throws(SettingProblem) in settings.spoolBytes = try size(text, 1...Int64.max, "a size") },
        .init(
            "SENSOR_SPOOL_FREE", form: "size or percent", default: "the smaller of 10% and 10G",
            "Space left free on the disk, by dropping only what the sensor wrote, never the newest file."
        ) { text, settings throws(SettingProblem) in
            if text.hasSuffix("%") {
                guard let percent = Int(text.dropLast()), (0...99).contains(percent) else {
                    throw SettingProblem("", text, "percent, a whole number from 0% to 99%")
                }
                settings.spoolFree = .percent(percent)
            } else {
                settings.spoolFree = .bytes(try size(text, anyBytes, "free space"))
            }
        },
        .init(
            "SENSOR_USER", form: "user name", default: "sensor if it exists, else the data directory's owner",
            "The one user all of `run` is, when started as root."
        ) { text, settings throws(SettingProblem) in settings.user = text },
        .init(
            "SENSOR_LOG", form: "text or json", default: "text", "supervisord's lines, or one JSON object per line."
        ) { text, settings throws(SettingProblem) in
            guard let format = LogFormat(rawValue: text) else { throw SettingProblem("", text, "text or json") }
            settings.log = format
        },
        .init(
            "SENSOR_METRICS_FILE", form: "path", default: "none",
            "A Prometheus text file for node_exporter's textfile collector (not written by this version)."
        ) { text, settings throws(SettingProblem) in settings.metricsFile = text },
        .init(
            "SENSOR_SOCKET", form: "path", default: "/run/sensor/control.sock",
            "The control socket, mode 0700. Without this setting and where the default cannot be made: `control.sock` in the data directory."
        ) { text, settings throws(SettingProblem) in
            guard text.utf8.count <= 107 else { throw SettingProblem("", text, "a path of at most 107 bytes (unix(7))") }
            settings.socket = text
        },
    ]
}

/// The declarations as people read them.
public enum SettingsTable {
    public static func help() -> String {
        var out = "SETTINGS (environment):\n"
        for setting in SettingDeclaration.all {
            let names = ([setting.name] + setting.aliases).joined(separator: ", ")
            out += "  \(names)  (\(setting.form); default: \(setting.defaultText))\n"
            var line = "     "
            for word in setting.summary.split(separator: " ") {
                if line.count + word.count + 1 > 79 {
                    out += line + "\n"
                    line = "     "
                }
                line += " " + word
            }
            out += line + "\n"
        }
        return out
    }

    public static func markdown() -> String {
        var out = "| name | meaning | values | default |\n|---|---|---|---|\n"
        for setting in SettingDeclaration.all {
            let names = ([setting.name] + setting.aliases).map { "`\($0)`" }.joined(separator: ", ")
            out += "| \(names) | \(setting.summary) | \(setting.form) | \(setting.defaultText) |\n"
        }
        return out
    }
}
