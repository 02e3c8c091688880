/// status, pid, version, avail.
extension ControlClientCommands {
    mutating func status(_ argument: String) throws(Failure) {
        let shown = try rows(argument)
        let width = (shown.map(\.name.unicodeScalars.count) + [30]).max() ?? 30
        for process in shown {
            doors.output(Self.padded(process.name, to: width + 3) + Self.padded(process.stateName, to: 10) + process.description)
        }
    }

    /// The programs that `status` would show, as values; what it would say of others goes to `output`. Exit status as of `status`.
    public mutating func programs(_ argument: String) -> [ProgramFacts] {
        do throws(Failure) { return try rows(argument).map(ProgramFacts.init) } catch {
            exitStatus = Exit.generic
            doors.output(error.line(serverURL))
            return []
        }
    }

    private mutating func rows(_ argument: String) throws(Failure) -> [ProcessRow] {
        guard try isUp() else {
            exitStatus = Exit.statusUnknown
            return []
        }
        let processes = try list("getAllProcessInfo").map { (value) throws(Failure) in
            guard let process = ProcessRow(value) else { throw Self.nonsense("getAllProcessInfo") }
            return process
        }
        let shown = select(processes, Self.words(argument))
        if shown.contains(where: \.isStopped) { exitStatus = Exit.statusStopped }
        return shown
    }

    /// Those that are named, as often as they are named; a name nobody bears is told.
    private mutating func select(_ processes: [ProcessRow], _ names: [String]) -> [ProcessRow] {
        if names.isEmpty || names.contains("all") { return processes }
        var selected: [ProcessRow] = []
        for name in names {
            let spec = NameSpec(name)
            let matching = processes.filter { $0.group == spec.group && (spec.process == nil || $0.process == spec.process) }
            selected += matching
            guard matching.isEmpty else { continue }
            doors.output(spec.process == nil ? "\(spec.group): ERROR (no such group)" : "\(name): ERROR (no such process)")
            exitStatus = Exit.statusUnknown
        }
        return selected
    }

    mutating func pid(_ argument: String) throws(Failure) {
        guard try isUp() else { return }
        let names = Self.words(argument)
        if names.isEmpty {
            doors.output(try Self.shown(try call("getPID").number, "getPID"))
        } else if names.contains("all") {
            for process in try list("getAllProcessInfo") { doors.output(try Self.shown(process["pid"]?.number, "getAllProcessInfo")) }
        } else {
            for name in names { try pid(of: name) }
        }
    }

    private mutating func pid(of name: String) throws(Failure) {
        do throws(Failure) {
            let pid = try call("getProcessInfo", [.string(name)])["pid"]?.number
            doors.output(try Self.shown(pid, "getProcessInfo"))
            if pid == 0 { exitStatus = Exit.notRunning }
        } catch .call(.fault(let fault)) where fault.code == ControlFault.badName.code {
            doors.output("No such process \(name)")
            exitStatus = Exit.generic
        }
    }

    private static func shown(_ number: Int?, _ method: String) throws(Failure) -> String {
        guard let number else { throw nonsense(method) }
        return "\(number)"
    }

    mutating func version(_ argument: String) throws(Failure) {
        guard !refusesArguments(argument, "version"), try isUp() else { return }
        guard let version = try call("getSupervisorVersion").text else { throw Self.nonsense("getSupervisorVersion") }
        doors.output(version)
    }

    mutating func avail(_ argument: String) throws(Failure) {
        guard !refusesArguments(argument, "avail") else { return }
        do throws(Failure) {
            for program in try list("getAllConfigInfo") {
                guard let group = program["group"]?.text, let name = program["name"]?.text, let used = program["inuse"]?.isTrue,
                    let auto = program["autostart"]?.isTrue, let groupPriority = program["group_prio"]?.number,
                    let priority = program["process_prio"]?.number
                else { throw Self.nonsense("getAllConfigInfo") }
                doors.output(
                    Self.padded(NameSpec.text(group: group, process: name), to: 32) + " " + Self.padded(used ? "in use" : "avail", to: 9)
                        + " " + Self.padded(auto ? "auto" : "manual", to: 9) + " \(groupPriority):\(priority)")
            }
        } catch .call(.fault(let fault)) where fault.code == ControlFault.shutdownState.code {
            doors.output("ERROR: supervisor shutting down")
            exitStatus = Exit.generic
        }
    }

    /// Columns count Unicode scalars, as in Python.
    static func padded(_ text: String, to width: Int) -> String {
        text + String(repeating: " ", count: max(0, width - text.unicodeScalars.count))
    }
}

/// A program as its supervisor tells of it.
public struct ProgramFacts: Codable, Sendable, Equatable {
    /// As `status` shows it, `group:program`.
    public var name: String
    /// RUNNING and the like.
    public var state: String
    /// nil where it does not run.
    public var pid: Int?
    /// `pid 17, uptime 0:01:02`, or why it does not run.
    public var description: String

    fileprivate init(_ row: ProcessRow) {
        name = row.name
        state = row.stateName
        pid = row.pid > 0 ? row.pid : nil
        description = row.description
    }
}

/// What `status` shows of a process.
private struct ProcessRow {
    var group: String
    var process: String
    var stateName: String
    var description: String
    /// 0 where it does not run.
    var pid: Int
    /// STOPPED, EXITED, FATAL or UNKNOWN.
    var isStopped: Bool

    var name: String { NameSpec.text(group: group, process: process) }

    init?(_ value: ControlValue) {
        guard let group = value["group"]?.text, let process = value["name"]?.text, let stateName = value["statename"]?.text,
            let description = value["description"]?.text, let state = value["state"]?.number
        else { return nil }
        self.group = group
        self.process = process
        self.stateName = stateName
        self.description = description
        pid = value["pid"]?.number ?? 0
        switch ProgramState(rawValue: state) {
        case .stopped, .exited, .fatal, .unknown: isStopped = true
        case .starting, .running, .backoff, .stopping, nil: isStopped = false
        }
    }
}
