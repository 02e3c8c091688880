/// A configuration file with the files it includes, as one text.
struct ConfigurationSource {
    var ini = INIText()
    let file: String
    /// The directory of the main file, absolute.
    let here: String
    private(set) var warnings: [String] = []
    private(set) var infos: [String] = []

    init(file: String, world: ConfigurationWorld) throws(ConfigurationError) {
        self.file = file
        here = world.absolute(PathText.directory(of: file))
        switch world.file(file) {
        case .missing: throw ConfigurationError("could not find config file \(file)")
        case .unreadable: throw ConfigurationError("could not read config file \(file)")
        case .bytes(let bytes): try ini.read(bytes, file: file)
        }
        if ini.contains("include") { try include(world) }
    }

    /// Files named by an included file's own `[include]` are not read: there is one level only.
    private mutating func include(_ world: ConfigurationWorld) throws(ConfigurationError) {
        ini.replaceHere(with: here)
        guard let raw = ini["include", "files"] else {
            throw ConfigurationError(".ini file has [include] section, but no files setting")
        }
        let names = ExpansionNames(
            environment: world.environment, own: ["here": .text(here), "host_node_name": .text(world.hostName)])
        let patterns = try Expansion.expand(raw, names, name: "include.files").unicodeScalars.split(whereSeparator: \.isBlank)
        for pattern in patterns.map({ PathText.join(here, String($0)) }) {
            let found = world.glob(pattern).sorted { $0.precedes($1) }
            if found.isEmpty { warnings.append("No file matches via include \"\(pattern)\"") }
            for path in found {
                infos.append("Included extra file \"\(path)\" during parsing")
                // What cannot be opened is passed over, as it always was.
                guard case .bytes(let bytes) = world.file(path) else { continue }
                try ini.read(bytes, file: path, isIncluded: true)
                ini.replaceHere(with: world.absolute(PathText.directory(of: path)))
            }
        }
    }
}
