/// `[unix_http_server]`: the control socket.
public struct UnixServer: Sendable, Equatable {
    public struct Owner: Sendable, Equatable {
        public var uid: UInt32
        /// nil: as it is.
        public var gid: UInt32?

        public init(uid: UInt32, gid: UInt32?) {
            self.uid = uid
            self.gid = gid
        }
    }

    /// Absolute.
    public var file: String
    public var chmod: UInt32 = 0o700
    /// nil: nothing is changed.
    public var chown: Owner?
    /// Both are set, or neither.
    public var username: String?
    /// As it stands in the configuration: clear, or `{SHA}` and the SHA-1 in 40 hexadecimal digits.
    public var password: String?

    public init(file: String) { self.file = file }

    static func read(_ source: ConfigurationSource, _ names: ExpansionNames, _ world: ConfigurationWorld) throws(ConfigurationError)
        -> UnixServer?
    {
        var server: UnixServer?
        for section in source.ini.sections where section.hasPrefix("unix_http_server") {
            if server != nil { throw ConfigurationError("section [\(section)] is left out here: there is one control socket only") }
            server = try UnixServer(SectionReader(ini: source.ini, section: section, names: names), here: source.here, world)
        }
        return server
    }

    private init(_ reader: SectionReader, here: String, _ world: ConfigurationWorld) throws(ConfigurationError) {
        let section = reader.section
        // Only the file knows `here`, unless an include has put it in everywhere.
        var placed = reader
        placed.names = reader.names.with(["here": .text(here)])
        guard let file = try placed.text("file") else { throw ConfigurationError("section [\(section)] has no file value") }
        self.file = world.normalized(file.trimmed)
        username = try reader.text("username")
        password = try reader.text("password")
        if (username == nil) != (password == nil) {
            throw ConfigurationError(
                "Section [\(section)] contains incomplete authentication: If a username or a password is specified, "
                    + "both the username and password must be specified")
        }
        if let text = try reader.text("chown") {
            guard let owner = world.owner(text) else { throw ConfigurationError("Invalid sockchown value \(text)") }
            chown = owner
        }
        if let text = try reader.text("chmod") {
            guard let mode = try? OptionValue.octal(text) else { throw ConfigurationError("Invalid chmod value \(text)") }
            chmod = mode
        }
    }
}
