/// What happened to one process, in the answer about a whole group and made of a fault about one.
struct ProcessResult {
    var name: String
    var code: Int
    var description: String

    /// From `{name, group, status, description}`; nil for anything else.
    init?(_ value: ControlValue) {
        guard let name = value["name"]?.text, let group = value["group"]?.text, let code = value["status"]?.number else { return nil }
        self.name = NameSpec.text(group: group, process: name)
        self.code = code
        description = value["description"]?.text ?? ""
    }

    init(_ name: NameSpec, _ fault: ControlFault) {
        // The original writes Python's None for `g:*` where only one process is meant.
        self.name = NameSpec.text(group: name.group, process: name.process ?? "None")
        code = fault.code
        description = fault.text
    }
}

/// start, stop, restart, signal.
extension ControlClientCommands {
    /// What start, stop and signal differ in.
    private struct Verb {
        var action: String
        var done: String
        var processMethod: String
        var groupMethod: String
        var allMethod: String
        var parameters: [ControlValue] = []
        /// The fault that leaves the exit status alone.
        var harmless: Int?
        var noGroupExit = Exit.generic
        /// FAILED is told by its own text, instead of being an answer nobody expects.
        var tellsFailure = true
        /// The words in the brackets of `NAME: ERROR (…)`.
        var words: [Int: String]
    }

    private static let start = Verb(
        action: "start", done: "started", processMethod: "startProcess", groupMethod: "startProcessGroup", allMethod: "startAllProcesses",
        harmless: ControlFault.alreadyStarted.code, noGroupExit: Exit.invalidArguments, tellsFailure: false,
        words: [
            ControlFault.badName.code: "no such process", ControlFault.noFile.code: "no such file",
            ControlFault.notExecutable.code: "file is not executable", ControlFault.alreadyStarted.code: "already started",
            ControlFault.spawnError.code: "spawn error", ControlFault.abnormalTermination.code: "abnormal termination",
        ])

    private static let stop = Verb(
        action: "stop", done: "stopped", processMethod: "stopProcess", groupMethod: "stopProcessGroup", allMethod: "stopAllProcesses",
        harmless: ControlFault.notRunning.code, words: signalWords)

    private static let signalWords = [
        ControlFault.badName.code: "no such process", ControlFault.badSignal.code: "bad signal name",
        ControlFault.notRunning.code: "not running",
    ]

    mutating func start(_ argument: String) throws(Failure) {
        guard try isUp() else { return }
        let names = Self.words(argument)
        guard !names.isEmpty else { return refuse("Error: start requires a process name", "start", exit: Exit.invalidArguments) }
        try carryOut(Self.start, names)
    }

    mutating func stop(_ argument: String) throws(Failure) {
        guard try isUp() else { return }
        let names = Self.words(argument)
        guard !names.isEmpty else { return refuse("Error: stop requires a process name", "stop") }
        try carryOut(Self.stop, names)
    }

    mutating func restart(_ argument: String) throws(Failure) {
        guard try isUp() else { return }
        guard !Self.words(argument).isEmpty else { return refuse("Error: restart requires a process name", "restart") }
        try stop(argument)
        try start(argument)
    }

    mutating func signal(_ argument: String) throws(Failure) {
        guard try isUp() else { return }
        let words = Self.words(argument)
        guard words.count >= 2 else { return refuse("Error: signal requires a signal name and a process name", "signal") }
        try carryOut(Self.signal(words[0]), Array(words.dropFirst()))
    }

    /// Signals the programs of `group` whose names begin with `prefix`: the lines and the exit status of `signal`.
    mutating func signal(_ name: String, group: String, prefix: String) throws(Failure) {
        guard try isUp() else { return }
        var found: [String] = []
        for value in try list("getAllProcessInfo") {
            guard let of = value["group"]?.text, let process = value["name"]?.text else { throw Self.nonsense("getAllProcessInfo") }
            if of == group, process.hasPrefix(prefix) { found.append(NameSpec.text(group: of, process: process)) }
        }
        guard !found.isEmpty else {
            doors.output("\(group):\(prefix)*: ERROR (no such process)")
            exitStatus = Exit.generic
            return
        }
        try carryOut(Self.signal(name), found)
    }

    private static func signal(_ name: String) -> Verb {
        Verb(
            action: "signal", done: "signalled", processMethod: "signalProcess", groupMethod: "signalProcessGroup",
            allMethod: "signalAllProcesses", parameters: [.string(name)], words: signalWords)
    }

    private mutating func carryOut(_ verb: Verb, _ names: [String]) throws(Failure) {
        if names.contains("all") {
            return try tell(try list(verb.allMethod, verb.parameters), verb)
        }
        for name in names {
            let spec = NameSpec(name)
            guard spec.process != nil else {
                try carryOut(verb, group: spec.group)
                continue
            }
            do throws(Failure) {
                _ = try call(verb.processMethod, [.string(name)] + verb.parameters)
                doors.output("\(NameSpec.text(group: spec.group, process: spec.process ?? "")): \(verb.done)")
            } catch .call(.fault(let fault)) {
                try tell(ProcessResult(spec, fault), verb)
            }
        }
    }

    private mutating func carryOut(_ verb: Verb, group: String) throws(Failure) {
        do throws(Failure) {
            try tell(try list(verb.groupMethod, [.string(group)] + verb.parameters), verb)
        } catch .call(.fault(let fault)) where fault.code == ControlFault.badName.code {
            doors.output("\(group): ERROR (no such group)")
            exitStatus = verb.noGroupExit
        }
    }

    private mutating func tell(_ results: [ControlValue], _ verb: Verb) throws(Failure) {
        for value in results {
            guard let result = ProcessResult(value) else { throw Self.nonsense(verb.action) }
            try tell(result, verb)
        }
    }

    private mutating func tell(_ result: ProcessResult, _ verb: Verb) throws(Failure) {
        if result.code == ControlFault.success.code {
            doors.output("\(result.name): \(verb.done)")
        } else if let words = verb.words[result.code] {
            doors.output("\(result.name): ERROR (\(words))")
        } else if result.code == ControlFault.failed.code, verb.tellsFailure {
            doors.output(result.description)
        } else {
            throw .nonsense("error: \(result.name): \(result.description) (\(result.code))")
        }
        note(result.code, harmless: verb.harmless)
    }

    /// What a fault does to the exit status.
    mutating func note(_ code: Int, harmless: Int? = nil) {
        switch code {
        case harmless, ControlFault.success.code: break
        case ControlFault.spawnError.code, ControlFault.abnormalTermination.code, ControlFault.notRunning.code:
            exitStatus = Exit.notRunning
        default: exitStatus = Exit.generic
        }
    }
}
