/// Reads a `[program:x]` section: one program, or as many as `numprocs` says.
struct ProgramReader {
    let daemon: DaemonSettings
    let world: ConfigurationWorld
    /// Each process costs its section once more; nobody runs as many on one machine.
    static let most = 10_000

    private(set) var warnings: [String] = []
    private var reader: SectionReader
    private var section: String { reader.section }

    /// `reader` knows what all sections may name.
    init(_ reader: SectionReader, _ daemon: DaemonSettings, _ world: ConfigurationWorld) {
        self.daemon = daemon
        self.world = world
        self.reader = reader
        self.reader.names.own["host_node_name"] = .text(world.hostName)
    }

    /// The programs by name, each with what its environment shall be.
    mutating func programs(program: String, group: String) throws(ConfigurationError) -> [ProgramSpec] {
        reader.names.own["program_name"] = .text(program)
        reader.names.own["group_name"] = .text(group)
        var form = ProgramSpec(name: "", arguments: [], environment: [:])
        form.group = group
        try readCommon(into: &form)
        let count = try reader.integer("numprocs", 1)
        let first = try reader.integer("numprocs_start", 0)
        try readWithoutEffect()
        try readOwner(into: &form)
        let name = try OptionValue.name(reader.raw("process_name") ?? "%(program_name)s")
        if count > 1, !name.contains("%(process_num)") {
            throw ConfigurationError("%(process_num) must be present within process_name when numprocs > 1")
        }
        if form.stopasgroup, !form.killasgroup { throw ConfigurationError("Cannot set stopasgroup=true and killasgroup=false") }
        if count > Self.most { throw ConfigurationError("numprocs is above \(Self.most): \(count)") }
        var programs: [ProgramSpec] = []
        for number in first..<(first + max(0, count)) {
            reader.names.own["process_num"] = .number(number)
            reader.names.own["numprocs"] = .number(count)
            programs.append(try one(form, name: name))
        }
        return programs.sorted { $0.name.precedes($1.name) }
    }

    private func readCommon(into form: inout ProgramSpec) throws(ConfigurationError) {
        form.priority = try reader.integer("priority", 999)
        form.autostart = try reader.boolean("autostart", true)
        form.autorestart = try reader.value("autorestart", .unexpected, OptionValue.autorestart)
        form.startsecs = try reader.value("startsecs", 1, OptionValue.seconds)
        form.startretries = try reader.integer("startretries", 3)
        form.stopsignal = try reader.value("stopsignal", 15, StopSignal.number)
        form.stopwaitsecs = try reader.value("stopwaitsecs", 10, OptionValue.seconds)
        form.stopasgroup = try reader.boolean("stopasgroup")
        form.killasgroup = try reader.boolean("killasgroup", form.stopasgroup)
        form.exitcodes = try reader.value("exitcodes", [0], OptionValue.exitcodes)
        form.redirectStderr = try reader.boolean("redirect_stderr")
        form.maxBackoff = try reader.value("max_backoff", daemon.maxBackoff ?? .infinity, OptionValue.backoff)
        form.essential = daemon.exitOnFatal
        let hasPrefix = try reader.boolean("log_prefix", daemon.logPrefix)
        form.stdout.hasPrefix = hasPrefix
        form.stderr.hasPrefix = hasPrefix
    }

    /// What speaks to event listeners is read, so that a mistake in it is still one, and then said to be idle.
    private mutating func readWithoutEffect() throws(ConfigurationError) {
        var idle: [String] = []
        for stream in ["stdout", "stderr"] {
            let capture = "\(stream)_capture_maxbytes"
            let events = "\(stream)_events_enabled"
            if try reader.value(capture, 0, OptionValue.bytes) > 0 { idle.append(capture) }
            if try reader.boolean(events) { idle.append(events) }
        }
        if idle.isEmpty { return }
        let list = idle.joined(separator: ", ")
        warnings.append("For [\(section)], \(list) \(idle.count == 1 ? "has" : "have") no effect: there are no event listeners here")
    }

    private func readOwner(into form: inout ProgramSpec) throws(ConfigurationError) {
        form.serverURL = try reader.text("serverurl").flatMap { $0.trimmed.uppercased() == "AUTO" ? nil : $0 }
        form.user = try reader.value("user", nil) { text throws(ConfigurationError) in try world.user(text) }
        form.umask = try reader.value("umask", nil) { text throws(ConfigurationError) in try OptionValue.octal(text) }
    }

    private mutating func one(_ form: ProgramSpec, name: String) throws(ConfigurationError) -> ProgramSpec {
        var program = form
        let outer = reader.names.environment
        // An earlier process' names stay known to the later ones, but never hide the supervisor's.
        reader.names.own = reader.names.own.filter { !$0.key.hasPrefix("ENV_") || outer[String($0.key.dropFirst(4))] == nil }
        let environment = try KeyValueText(try reader.expand(reader.raw("environment") ?? "", as: "environment"))
        warnings += environment.warnings(for: section)
        for (key, value) in environment.pairs { reader.names.own["ENV_" + key] = .text(value) }
        program.environment = outer.merging(environment.pairs) { $1 }
        program.directory = try reader.text("directory")
        let streams = try OutputReader(reader, world).read(form, &warnings)
        (program.stdout, program.stderr) = (streams.stdout, streams.stderr)
        guard let command = try reader.text("command") else {
            throw ConfigurationError("program section \(section) does not specify a command")
        }
        program.setCommand(command)
        program.name = try reader.expand(name, as: "process_name")
        return program
    }
}

extension ProgramSpec {
    /// A command that cannot be split is no mistake of the configuration: each start fails with the reason.
    fileprivate mutating func setCommand(_ text: String) {
        command = text
        do throws(ShellWords.Problem) {
            arguments = try ShellWords.split(text)
            if arguments.isEmpty { commandProblem = "command is empty" }
        } catch {
            commandProblem = "can't parse command \(text.repr): \(error)"
        }
    }
}
