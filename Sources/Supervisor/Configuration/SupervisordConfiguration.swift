/// A supervisord configuration, read and checked: what to run and how to be run.
public struct SupervisordConfiguration: Sendable, Equatable {
    public var daemon: DaemonSettings
    /// In boot order: by priority, then name. Inside a group programs stand by priority, then as `programs=`
    /// names them.
    public var groups: [GroupSpec]
    /// nil: there is no control socket.
    public var server: UnixServer?
    /// `[supervisorctl]`, with supervisord's defaults where it is missing or cannot be read.
    public var control: ControlClient
    /// To be logged once the log is open, in this order: critical ones, warnings, infos.
    public var messages: [ConfigurationMessage]

    /// Reads a configuration file, what it includes, and what the command line says instead.
    /// - Throws: the first mistake, in the order in which supervisord would find it.
    public static func read(
        path: String, arguments: SupervisordArguments = SupervisordArguments(), world: ConfigurationWorld
    ) throws(ConfigurationError) -> SupervisordConfiguration {
        let source = try ConfigurationSource(file: path, world: world)
        guard source.ini.contains("supervisord") else { throw ConfigurationError(".ini file does not include supervisord section") }
        try LeftOut.check(source.ini.sections)

        var names = ExpansionNames(
            environment: world.environment, own: ["here": .text(source.here), "host_node_name": .text(world.hostName)])
        // The options know `here` alone; the environment knows the host too, the second time it is expanded.
        var section = SectionReader(ini: source.ini, section: "supervisord", names: names)
        section.names.own["host_node_name"] = nil
        var warnings = source.warnings
        var daemon = try DaemonSettings(section, names, arguments, world, &warnings)
        names.environment.merge(daemon.environment) { $1 }
        names.own = [:]

        try LeftOut.checkInterfaces(source.ini, names)
        var reader = GroupReader(source, daemon, world)
        let groups = try reader.groups()
        let server = try UnixServer.read(source, names, world)
        let control = (try? ControlClient.read(source.ini, here: source.here, world)) ?? nil
        try daemon.becoming(section, arguments, world)
        warnings += reader.warnings
        if arguments.profileOptions != nil { warnings.append("profile_options has no effect: there is no profiler here") }
        return SupervisordConfiguration(
            daemon: daemon, groups: groups, server: server, control: control ?? ControlClient(),
            messages: warnings.map { ConfigurationMessage(.warn, $0) } + source.infos.map { ConfigurationMessage(.info, $0) })
    }

    /// Every program of every group, in boot order.
    public var programs: [ProgramSpec] { groups.flatMap(\.programs) }
}

/// What of supervisord is not here, and what to use instead.
enum LeftOut {
    private static let sections: [(prefix: String, instead: String)] = [
        ("eventlistener:", "there are no event listeners; run it as a [program:x] that watches the log or asks supervisorctl"),
        ("fcgi-program:", "there is no FastCGI process manager; run the server as a [program:x] that opens its own socket"),
        ("inet_http_server", "nothing listens on TCP; use [unix_http_server] and serverurl=unix://PATH in [supervisorctl]"),
    ]

    static func check(_ names: [String]) throws(ConfigurationError) {
        for name in names {
            for (prefix, instead) in sections where name.hasPrefix(prefix) {
                throw ConfigurationError("section [\(name)] is left out here: \(instead)")
            }
        }
    }

    private static let factory = "supervisor.rpcinterface_factory"

    /// There is one control interface; others are Python.
    static func checkInterfaces(_ ini: INIText, _ names: ExpansionNames) throws(ConfigurationError) {
        for section in ini.sections where section.hasPrefix("rpcinterface:") {
            let reader = SectionReader(ini: ini, section: section, names: names)
            guard let text = try reader.text(factory) else {
                throw ConfigurationError("section [\(section)] does not specify a \(factory)")
            }
            if text != "supervisor.rpcinterface:make_main_rpcinterface" {
                throw ConfigurationError("\(text) cannot be resolved within [\(section)]")
            }
            for option in ini.names(in: section) where option != factory { _ = try reader.text(option) }
        }
    }
}
