/// Makes groups of the `[group:x]` and `[program:x]` sections.
struct GroupReader {
    private let source: ConfigurationSource
    private let daemon: DaemonSettings
    private let world: ConfigurationWorld
    private let names: ExpansionNames
    private(set) var warnings: [String] = []

    init(_ source: ConfigurationSource, _ daemon: DaemonSettings, _ world: ConfigurationWorld) {
        names = ExpansionNames(
            environment: world.environment.merging(daemon.environment) { $1 }, own: ["here": .text(source.here)])
        self.source = source
        self.daemon = daemon
        self.world = world
    }

    /// In boot order.
    mutating func groups() throws(ConfigurationError) -> [GroupSpec] {
        var groups: [GroupSpec] = []
        var claimed: Set<String> = []
        for section in source.ini.sections where section.hasPrefix("group:") {
            groups.append(try mixed(section, &claimed))
        }
        for section in source.ini.sections where section.hasPrefix("program:") && !claimed.contains(section) {
            groups.append(try alone(section))
        }
        return ordered(groups)
    }

    private mutating func mixed(_ section: String, _ claimed: inout Set<String>) throws(ConfigurationError) -> GroupSpec {
        let reader = reader(section)
        let name = try OptionValue.name(String(section.dropFirst("group:".count)))
        let members = OptionValue.list(try reader.text("programs") ?? "")
        var group = GroupSpec(name: name, priority: try reader.integer("priority", 999), programs: [])
        for member in members {
            let program = "program:\(member)"
            guard source.ini.contains(program) else {
                throw ConfigurationError("[\(section)] names unknown program or fcgi-program \(member)")
            }
            claimed.insert(program)
            group.programs += try programs(program, in: name)
        }
        return group
    }

    private mutating func alone(_ section: String) throws(ConfigurationError) -> GroupSpec {
        let name = try OptionValue.name(String(section.dropFirst("program:".count)))
        let priority = try reader(section).integer("priority", 999)
        return GroupSpec(name: name, priority: priority, programs: try programs(section, in: name))
    }

    private mutating func programs(_ section: String, in group: String) throws(ConfigurationError) -> [ProgramSpec] {
        var reader = ProgramReader(reader(section), daemon, world)
        do {
            let name = try OptionValue.name(String(section.dropFirst("program:".count)))
            let programs = try reader.programs(program: name, group: group)
            warnings += reader.warnings
            return programs
        } catch {
            let file = source.ini.origins[section] ?? source.file
            throw ConfigurationError("\(error) in section \(section.repr) (file: \(file.repr))")
        }
    }

    private func reader(_ section: String) -> SectionReader {
        SectionReader(ini: source.ini, section: section, names: names)
    }

    /// Groups by priority and name; in each, programs by priority and then as `programs=` has them. A name can
    /// be used once: of two groups the first stays, of two programs in a group the last.
    private mutating func ordered(_ groups: [GroupSpec]) -> [GroupSpec] {
        var names: Set<String> = []
        var result: [GroupSpec] = []
        for var group in groups.sorted(by: { $0.priority == $1.priority ? $0.name.precedes($1.name) : $0.priority < $1.priority }) {
            guard names.insert(group.name).inserted else {
                warnings.append("There is more than one group \(group.name.repr), the one of the lowest priority number is used")
                continue
            }
            group.programs = unique(group)
            result.append(group)
        }
        return result
    }

    private mutating func unique(_ group: GroupSpec) -> [ProgramSpec] {
        var places: [String: Int] = [:]
        var programs: [ProgramSpec] = []
        for program in group.programs {
            if let place = places[program.name] {
                if programs[place] != program {
                    warnings.append("In group \(group.name.repr) there is more than one program \(program.name.repr), the last is used")
                }
                programs[place] = program
            } else {
                places[program.name] = programs.count
                programs.append(program)
            }
        }
        let order = programs.indices.sorted { (programs[$0].priority, $0) < (programs[$1].priority, $1) }
        return order.map { programs[$0] }
    }
}
