import Testing

@testable import Supervisor

/// The methods, against what supervisord 4.2.5 answers to system.listMethods and system.methodSignature.
struct ControlMethodsTests {
    static let signatures = """
        supervisor.addProcessGroup boolean string
        supervisor.clearAllProcessLogs array
        supervisor.clearLog boolean
        supervisor.clearProcessLog boolean string
        supervisor.clearProcessLogs boolean string
        supervisor.getAPIVersion string
        supervisor.getAllConfigInfo array
        supervisor.getAllProcessInfo array
        supervisor.getIdentification string
        supervisor.getPID int
        supervisor.getProcessInfo struct string
        supervisor.getState struct
        supervisor.getSupervisorVersion string
        supervisor.getVersion string
        supervisor.readLog string int int
        supervisor.readMainLog string int int
        supervisor.readProcessLog string string int int
        supervisor.readProcessStderrLog string string int int
        supervisor.readProcessStdoutLog string string int int
        supervisor.reloadConfig array
        supervisor.removeProcessGroup boolean string
        supervisor.restart boolean
        supervisor.sendProcessStdin boolean string string
        supervisor.sendRemoteCommEvent boolean string string
        supervisor.shutdown boolean
        supervisor.signalAllProcesses array string
        supervisor.signalProcess boolean string string
        supervisor.signalProcessGroup array string string
        supervisor.startAllProcesses array boolean
        supervisor.startProcess boolean string boolean
        supervisor.startProcessGroup array string boolean
        supervisor.stopAllProcesses array boolean
        supervisor.stopProcess boolean string boolean
        supervisor.stopProcessGroup array string boolean
        supervisor.tailProcessLog array string int int
        supervisor.tailProcessStderrLog array string int int
        supervisor.tailProcessStdoutLog array string int int
        system.listMethods array
        system.methodHelp string string
        system.methodSignature array string
        system.multicall array array
        """

    /// The answer to a call as far as this module gives it: introspection, or the parameters as accepted.
    func answer(_ method: String, _ parameters: [ControlValue]) throws(ControlFault) -> ControlValue {
        let found = try ControlMethods.named(method)
        let accepted = try found.accept(parameters)
        return try ControlMethods.introspection(found, accepted) ?? .array(accepted)
    }

    @Test func `names, their order and signatures are the original's`() throws {
        let real = Self.signatures.split(separator: "\n").map { $0.split(separator: " ").map { ControlValue.string(String($0)) } }
        #expect(try answer("system.listMethods", []) == .array(real.map { $0[0] }))
        for line in real { #expect(try answer("system.methodSignature", [line[0]]) == .array(Array(line.dropFirst()))) }
    }

    @Test func `every method has help, and another name leads to a method there is`() throws {
        for method in ControlMethods.all {
            #expect(try answer("system.methodHelp", [.string(method.name)]).text?.isEmpty == false)
            let canonical = try ControlMethods.named(method.canonicalName)
            #expect(canonical.canonicalName == method.canonicalName)
            #expect(canonical.parameters == method.parameters)
        }
        #expect(try ControlMethods.named("supervisor.getVersion").canonicalName == "supervisor.getAPIVersion")
        for method in ["system.methodHelp", "system.methodSignature"] {
            #expect(throws: ControlFault.signatureUnsupported) { try answer(method, [.string("nope")]) }
        }
    }

    @Test(arguments: [
        "", "nope", "supervisor", "supervisor.", "supervisor.nope", "supervisor._update", "supervisor.supervisord.options", "getPID",
        "system.namespaces", "supervisor.getPID ", "Supervisor.getPID", "supervisor.__init__",
    ]) func `no other name is a method`(_ name: String) {
        #expect(throws: ControlFault.unknownMethod) { try ControlMethods.named(name) }
    }

    @Test(
        arguments: [
            ("supervisor.getPID", [], []), ("supervisor.startProcess", [.string("a")], [.string("a"), .bool(true)]),
            ("supervisor.startProcess", [.string("a"), .bool(false)], [.string("a"), .bool(false)]),
            ("supervisor.stopProcess", [.string("a"), .int(0)], [.string("a"), .bool(false)]),
            ("supervisor.startAllProcesses", [], [.bool(true)]),
            ("supervisor.readLog", [.string("-5"), .int(0)], [.int(-5), .int(0)]),
            ("supervisor.signalProcess", [.string("a"), .int(18)], [.string("a"), .string("18")]),
            ("supervisor.signalAllProcesses", [.string("HUP")], [.string("HUP")]),
            ("supervisor.sendProcessStdin", [.string("a"), .base64([0xFF])], [.string("a"), .base64([0xFF])]),
            ("supervisor.sendProcessStdin", [.string("a"), .base64([0x41])], [.string("a"), .string("A")]),
            ("supervisor.getProcessInfo", [.base64([0x41])], [.string("A")]),
        ] as [(String, [ControlValue], [ControlValue])])
    func `parameters of clients are taken as they mean them`(_ method: String, _ given: [ControlValue], _ expected: [ControlValue]) throws {
        #expect(try answer(method, given) == .array(expected))
    }

    @Test(
        arguments: [
            ("supervisor.getPID", [.int(1)]), ("supervisor.startProcess", []), ("supervisor.startProcess", [.int(5)]),
            ("supervisor.startProcess", [.string("a"), .bool(true), .int(1)]), ("supervisor.startProcess", [.string("a"), .string("yes")]),
            ("supervisor.readLog", [.int(0)]), ("supervisor.readLog", [.string("x"), .int(0)]),
            ("supervisor.readLog", [.double(1), .int(0)]),
            ("supervisor.sendProcessStdin", [.string("a"), .int(5)]), ("supervisor.getProcessInfo", [.base64([0xFF])]),
            ("supervisor.getProcessInfo", [.null]), ("system.multicall", [.int(5)]), ("system.multicall", [.string("x")]),
            ("system.methodHelp", []), ("supervisor.startAllProcesses", [.array([])]),
        ] as [(String, [ControlValue])])
    func `too many, too few and others are INCORRECT_PARAMETERS`(_ method: String, _ given: [ControlValue]) {
        #expect(throws: ControlFault.incorrectParameters) { try answer(method, given) }
    }

    @Test func `multicall is unfolded and folded as the original does it`() {
        let name = { (name: String) in ControlValue.structure([("methodName", .string(name))]) }
        let calls: [ControlValue] = [
            name("supervisor.getPID"), .structure([("methodName", .string("a.b")), ("params", .array([.int(1)]))]),
            name("system.multicall"),
            .structure([]), .int(5), .structure([("methodName", .int(5))]),
            .structure([("methodName", .string("a.b")), ("params", .string("x"))]),
        ]
        let unnamed = ControlMulticall.Item.fault(ControlFault(code: 2, text: "INCORRECT_PARAMETERS: No methodName"))
        #expect(
            ControlMulticall.unfold(calls) == [
                .call(XMLRPCCall(method: "supervisor.getPID")), .call(XMLRPCCall(method: "a.b", parameters: [.int(1)])),
                .fault(ControlFault(code: 2, text: "INCORRECT_PARAMETERS: Recursive system.multicall forbidden")), unnamed, unnamed,
                .fault(.incorrectParameters), .fault(.incorrectParameters),
            ])
        #expect(
            ControlMulticall.fold([.success(.int(5)), .failure(.unknownMethod)])
                == .array([.int(5), .structure([("faultCode", .int(1)), ("faultString", .string("UNKNOWN_METHOD"))])]))
    }

    @Test(
        arguments: [
            ("cat", "cat", "cat"), ("g:a", "g", "a"), ("g:*", "g", nil), ("g:", "g", nil), (":", "", nil), ("", "", ""),
            ("g:a:b", "g", "a:b"),
            (":a", "", "a"), ("*", "*", "*"), ("g:**", "g", "**"),
        ] as [(String, String, String?)])
    func `a name names a process or a group`(_ text: String, _ group: String, _ process: String?) {
        #expect(NameSpec(text) == NameSpec(group: group, process: process))
    }

    @Test func `values are equal by kind, content and order`() {
        let values: [ControlValue] = [
            .int(1), .int(0), .bool(true), .double(1), .string("1"), .base64([1]), .array([.int(1)]), .array([]), .null,
            .structure([]), .structure([("a", .int(1)), ("b", .int(2))]), .structure([("b", .int(2)), ("a", .int(1))]),
            .structure([("a", .int(1)), ("b", .int(3))]),
        ]
        for (i, left) in values.enumerated() { for (j, right) in values.enumerated() { #expect((left == right) == (i == j)) } }
        #expect(ControlValue.structure([("a", .int(1)), ("a", .int(2))])["a"] == .int(2))
        #expect(ControlValue.array([])["a"] == nil)
    }
}
