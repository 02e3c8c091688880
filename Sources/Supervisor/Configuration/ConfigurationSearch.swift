/// Where a configuration is looked for when no `-c` names one.
public enum ConfigurationSearch {
    /// In order. The first two lie beside the directory of the program (`argv[0]` as it was called), the next
    /// two below the current one.
    public static func paths(program: String) -> [String] {
        let beside = PathText.directory(of: PathText.directory(of: program))
        return [
            PathText.join(beside, "etc/supervisord.conf"), PathText.join(beside, "supervisord.conf"), "supervisord.conf",
            "etc/supervisord.conf", "/etc/supervisord.conf", "/etc/supervisor/supervisord.conf",
        ]
    }

    /// - Throws: none of them exists.
    public static func find(program: String, world: ConfigurationWorld) throws(ConfigurationError) -> String {
        let paths = paths(program: program)
        guard let path = paths.first(where: world.exists) else {
            throw ConfigurationError(
                "No config file found at default paths (\(paths.joined(separator: ", "))); use the -c option to specify a config "
                    + "file at a different path")
        }
        return path
    }
}
