public enum LogFormat: String, Sendable { case text, json }
public enum SpoolFree: Sendable, Equatable {
    case automatic
    case bytes(Int64)
    case percent(Int)
}
public enum PinnedHostKey: Sendable, Equatable {
    /// Base64 without `SHA256:` and padding.
    case fingerprint(String)
    case key(type: String, base64: String)
}

/// All settings, typed. What each means stands in its declaration (`SettingDeclaration.all`).
public struct Settings: Sendable, Equatable {
    public var interfaces: [String] = []
    public var snaplen = 0
    public var fileSeconds = 60
    public var fileBytes: Int64 = 256 << 20
    public var fileRotate = 0
    public var filter: String?
    public var sensorName: String?
    public var ringBytes: Int64 = 64 << 20
    public var promiscuous = true
    public var excludeShipping = true
    public var target: Target?
    public var arguments = SCPArguments()
    public var pinnedHostKeys: [PinnedHostKey] = []
    public var sourcePorts: ClosedRange<UInt16> = 60872...60887
    public var rate: Int64?
    public var interval = 300
    public var hours = ShippingHours.always
    public var dataDirectory = "/data"
    public var spoolBytes: Int64?
    public var spoolFree = SpoolFree.automatic
    public var user: String?
    public var log = LogFormat.text
    public var metricsFile: String?
    public var socket: String?

    public init() {}

    /// Reads the environment as docker's --env-file passes it: values as they are, an empty one is not set.
    public static func load(_ environment: [String: String]) -> LoadedSettings {
        var loaded = LoadedSettings()
        let present = environment.filter { !$0.value.isEmpty }
        for declaration in SettingDeclaration.all {
            let given = ([declaration.name] + declaration.aliases).compactMap { name in present[name].map { (name, $0) } }
            guard let (name, value) = given.first else { continue }
            if let other = given.first(where: { $0.1 != value }) {
                loaded.problems.append(SettingProblem(other.0, other.1, "the same as \(name)='\(value)', or only one of them"))
                continue
            }
            do { try declaration.read(value, &loaded.settings) } catch { loaded.problems.append(error.named(name)) }
        }
        if let value = present["INDEXER"] {
            loaded.problems.append(SettingProblem("INDEXER", value, "SCP_TARGET=user@host:/dir instead: files travel over SSH"))
        }
        let known = SettingDeclaration.all.flatMap { [$0.name] + $0.aliases }
        for name in environment.keys.sorted() where ["PCAP_", "SCP_", "SENSOR_"].contains(where: { name.hasPrefix($0) }) {
            if known.contains(name) || name.hasPrefix("SENSOR_SERVICE_") || name.hasPrefix("SENSOR_PORT") { continue }
            let nearest = known.min { (distance($0, name), $0) < (distance($1, name), $1) } ?? ""
            loaded.warnings.append("\(name) is not a setting and means nothing here; the nearest one is \(nearest)")
        }
        return loaded
    }

    /// Sets one as its variable would, for a command-line flag that overrides it.
    public mutating func set(_ name: String, _ value: String, flag: String) throws(SettingProblem) {
        guard let declaration = SettingDeclaration.all.first(where: { $0.name == name }) else { return }
        do { try declaration.read(value, &self) } catch { throw SettingProblem(flag, error.value, error.expected) }
    }

    /// Levenshtein's distance.
    private static func distance(_ a: String, _ b: String) -> Int {
        let b = Array(b.utf8)
        var row = Array(0...b.count)
        for (i, x) in a.utf8.enumerated() {
            var diagonal = i
            row[0] = i + 1
            for (j, y) in b.enumerated() {
                let above = row[j + 1]
                row[j + 1] = min(above + 1, row[j] + 1, diagonal + (x == y ? 0 : 1))
                diagonal = above
            }
        }
        return row[b.count]
    }
}

public struct LoadedSettings: Sendable {
    public var settings = Settings()
    /// One for each wrong setting: exit 78.
    public var problems: [SettingProblem] = []
    public var warnings: [String] = []
}

extension SettingProblem {
    func named(_ name: String) -> SettingProblem { self.name.isEmpty ? SettingProblem(name, value, expected) : self }
}
