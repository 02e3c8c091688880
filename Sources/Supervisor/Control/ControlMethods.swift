/// All methods of supervisord 4.2.5, and no other way to reach anything: the table is looked up by the whole name (the original
/// once walked attributes and ran whatever it found, CVE-2017-11610).
public enum ControlMethods {
    public static let all: [ControlMethod] = [
        method("supervisor.addProcessGroup", .boolean, [string("name")], "Takes a group of the configuration file into service."),
        method("supervisor.clearAllProcessLogs", .array, [], "Empties the logs of all processes; one status for each."),
        method("supervisor.clearLog", .boolean, [], "Empties the supervisor's own log."),
        method(
            "supervisor.clearProcessLog", .boolean, [string("name")], "Empties both logs of a process.", for: "clearProcessLogs"),
        method("supervisor.clearProcessLogs", .boolean, [string("name")], "Empties both logs of a process."),
        method("supervisor.getAPIVersion", .string, [], "The version of this interface."),
        method("supervisor.getAllConfigInfo", .array, [], "The configuration of every process, in use or not."),
        method("supervisor.getAllProcessInfo", .array, [], "What getProcessInfo tells, for every process."),
        method("supervisor.getIdentification", .string, [], "The name the configuration gives this supervisor."),
        method("supervisor.getPID", .int, [], "The process id of the supervisor."),
        method("supervisor.getProcessInfo", .structure, [string("name")], "State, pid, times and log files of a process."),
        method("supervisor.getState", .structure, [], "The state of the supervisor itself: statecode and statename."),
        method("supervisor.getSupervisorVersion", .string, [], "The version of the supervisor."),
        method("supervisor.getVersion", .string, [], "The version of this interface.", for: "getAPIVersion"),
        method("supervisor.readLog", .string, range, "A part of the supervisor's own log. \(readHelp)"),
        method("supervisor.readMainLog", .string, range, "A part of the supervisor's own log. \(readHelp)", for: "readLog"),
        method(
            "supervisor.readProcessLog", .string, namedRange, "A part of what a process wrote to stdout. \(readHelp)",
            for: "readProcessStdoutLog"),
        method("supervisor.readProcessStderrLog", .string, namedRange, "A part of what a process wrote to stderr. \(readHelp)"),
        method("supervisor.readProcessStdoutLog", .string, namedRange, "A part of what a process wrote to stdout. \(readHelp)"),
        method("supervisor.reloadConfig", .array, [], "Reads the configuration file: [[added, changed, removed]] groups."),
        method("supervisor.removeProcessGroup", .boolean, [string("name")], "Takes a group of stopped processes out of service."),
        method("supervisor.restart", .boolean, [], "Stops all processes and starts the supervisor anew."),
        method(
            "supervisor.sendProcessStdin", .boolean, [string("name"), .init(name: "chars", kind: .string, taken: .data)],
            "Writes to the stdin of a process."),
        method(
            "supervisor.sendRemoteCommEvent", .boolean, [string("type"), string("data")],
            "Makes an event for listeners of RemoteCommunicationEvent."),
        method("supervisor.shutdown", .boolean, [], "Stops all processes and ends the supervisor."),
        method("supervisor.signalAllProcesses", .array, [signal], "Sends a signal to all processes; one status for each."),
        method("supervisor.signalProcess", .boolean, [string("name"), signal], "Sends a signal to a process."),
        method("supervisor.signalProcessGroup", .array, [string("name"), signal], "Sends a signal to all processes of a group."),
        method("supervisor.startAllProcesses", .array, [wait], "Starts all processes; one status for each. \(waitHelp)"),
        method("supervisor.startProcess", .boolean, [string("name"), wait], "Starts a process. \(waitHelp)"),
        method("supervisor.startProcessGroup", .array, [string("name"), wait], "Starts all processes of a group. \(waitHelp)"),
        method("supervisor.stopAllProcesses", .array, [wait], "Stops all processes; one status for each. \(waitHelp)"),
        method("supervisor.stopProcess", .boolean, [string("name"), wait], "Stops a process. \(waitHelp)"),
        method("supervisor.stopProcessGroup", .array, [string("name"), wait], "Stops all processes of a group. \(waitHelp)"),
        method(
            "supervisor.tailProcessLog", .array, namedRange, "The end of what a process wrote to stdout. \(tailHelp)",
            for: "tailProcessStdoutLog"),
        method("supervisor.tailProcessStderrLog", .array, namedRange, "The end of what a process wrote to stderr. \(tailHelp)"),
        method("supervisor.tailProcessStdoutLog", .array, namedRange, "The end of what a process wrote to stdout. \(tailHelp)"),
        method("system.listMethods", .array, [], "The names of all methods."),
        method("system.methodHelp", .string, [string("name")], "A sentence about a method."),
        method("system.methodSignature", .array, [string("name")], "The types of a method: its result, then its parameters."),
        method(
            "system.multicall", .array, [.init(name: "calls", kind: .array, taken: .asKind)],
            "Makes calls one after the other, each {methodName, params}; a result or {faultCode, faultString} for each."),
    ]

    private static let table = Dictionary(uniqueKeysWithValues: all.map { ($0.name, $0) })

    /// The method of this name, or UNKNOWN_METHOD.
    public static func named(_ name: String) throws(ControlFault) -> ControlMethod {
        guard let method = table[name] else { throw .unknownMethod }
        return method
    }

    /// The answer of system.listMethods, methodHelp and methodSignature; nil for every other method, which the supervisor answers.
    /// `parameters` as `accept` gave them.
    public static func introspection(_ method: ControlMethod, _ parameters: [ControlValue]) throws(ControlFault) -> ControlValue? {
        switch method.name {
        case "system.listMethods": return .array(all.map { .string($0.name) })
        case "system.methodHelp", "system.methodSignature":
            guard let name = parameters.first?.text, let asked = table[name] else { throw .signatureUnsupported }
            return method.name == "system.methodHelp" ? .string(asked.help) : .array(asked.signature.map { .string($0) })
        default: return nil
        }
    }

    // MARK: the table's words

    private static let readHelp =
        "length bytes from offset, 0 for all there are; or with a negative offset and length 0 that many bytes of the end."
    private static let tailHelp = "At most length bytes after offset: [text, next offset, whether something was passed over]."
    private static let waitHelp = "With wait, which is the default, the answer comes when that is done."

    private static let signal = ControlMethod.Parameter(name: "signal", kind: .string, taken: .signal)
    private static let wait = ControlMethod.Parameter(name: "wait", kind: .boolean, taken: .trueUnlessGiven)
    private static let range = ["offset", "length"].map { ControlMethod.Parameter(name: $0, kind: .int, taken: .asKind) }
    private static let namedRange = [string("name")] + range

    private static func string(_ name: String) -> ControlMethod.Parameter { .init(name: name, kind: .string, taken: .asKind) }

    private static func method(
        _ name: String, _ result: ControlMethod.Kind, _ parameters: [ControlMethod.Parameter], _ help: String, for canonical: String? = nil
    ) -> ControlMethod {
        ControlMethod(
            name: name, canonicalName: canonical.map { "supervisor.\($0)" } ?? name, parameters: parameters, result: result, help: help)
    }
}
