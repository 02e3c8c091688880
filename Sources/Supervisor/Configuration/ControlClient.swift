/// `[supervisorctl]`: how the control command finds the server.
public struct ControlClient: Sendable, Equatable {
    /// `unix://` and an absolute path, or what else was given.
    public var serverURL = "http://localhost:9001"
    public var username: String?
    public var password: String?
    public var prompt = "supervisor"
    public var historyFile: String?

    public init() {}

    /// Reads what the control command needs, and nothing else, of a configuration file: neither its includes
    /// nor its programs have a say.
    /// - Throws: no such file or section, no configuration at all, a name that cannot be expanded.
    public static func read(path: String, world: ConfigurationWorld) throws(ConfigurationError) -> ControlClient {
        var ini = INIText()
        switch world.file(path) {
        case .missing: throw ConfigurationError("could not find config file \(path)")
        case .unreadable: throw ConfigurationError("could not read config file \(path)")
        case .bytes(let bytes): try ini.read(bytes, file: path)
        }
        guard let client = try read(ini, here: PathText.directory(of: world.normalized(path)), world) else {
            throw ConfigurationError(".ini file does not include supervisorctl section")
        }
        return client
    }

    /// nil: there is no such section.
    static func read(_ ini: INIText, here: String, _ world: ConfigurationWorld) throws(ConfigurationError) -> ControlClient? {
        guard ini.contains("supervisorctl") else { return nil }
        let names = ExpansionNames(environment: world.environment)
        let reader = SectionReader(ini: ini, section: "supervisorctl", names: names)
        let placed = SectionReader(ini: ini, section: "supervisorctl", names: names.with(["here": .text(here)]))
        var client = ControlClient()
        if let url = try placed.text("serverurl") {
            client.serverURL = url.hasPrefix("unix://") ? "unix://" + world.normalized(String(url.dropFirst(7))) : url
        }
        client.prompt = try reader.text("prompt") ?? client.prompt
        client.username = try reader.text("username")
        client.password = try reader.text("password")
        if let path = try placed.text("history_file"), !path.isEmpty { client.historyFile = world.normalized(path) }
        return client
    }
}
