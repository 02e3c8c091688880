import Testing

@testable import Supervisor

/// supervisorctl without a supervisor, with a wrong one, and with a user who is asked. Texts and exit statuses from the real one.
struct ClientFailureTests {
    static let url = "unix:///nosuch"

    @Test(
        arguments: [
            (ConnectionFailure.noSuchFile, "status", "unix:///nosuch no such file", 4),
            (.refused, "status", "unix:///nosuch refused connection", 4),
            (.noSuchFile, "start x", "unix:///nosuch no such file", 7), (.noSuchFile, "start", "unix:///nosuch no such file", 7),
            (.noSuchFile, "restart x", "unix:///nosuch no such file", 7), (.noSuchFile, "pid", "unix:///nosuch no such file", 7),
            (.refused, "pid x", "unix:///nosuch refused connection", 4), (.refused, "tail -f x", "unix:///nosuch refused connection", 4),
            (.noSuchFile, "shutdown", "ERROR: unix:///nosuch no such file (already shut down?)", 1),
            (.refused, "shutdown", "ERROR: unix:///nosuch refused connection (already shut down?)", 1),
            // Python exceptions in the original, the status is its.
            (.noSuchFile, "reread", "error: unix:///nosuch no such file", 1),
            (.refused, "reload", "error: unix:///nosuch refused connection", 1),
            (.permissionDenied, "status", "error: unix:///nosuch permission denied", 1),
            (.permissionDenied, "shutdown", "error: unix:///nosuch permission denied", 1),
            (.status(500, reason: "Internal Server Error"), "tail x", "error: unix:///nosuch answered 500 Internal Server Error", 1),
            (.status(401, reason: "Unauthorized"), "status", "Server requires authentication", 1),
            (.status(401, reason: "Unauthorized"), "shutdown", "Server requires authentication", 1),
            (.other("no such host"), "status", "error: unix:///nosuch no such host", 1),
        ] as [(ConnectionFailure, String, String, Int32)])
    func `a supervisor that cannot be reached`(_ failure: ConnectionFailure, _ command: String, _ line: String, _ status: Int32) {
        let world = ScriptedWorld { (_, _) throws(CallFailure) in throw .connection(failure) }
        var client = ControlClientCommands(serverURL: Self.url, interactive: false, doors: world.doors())
        #expect(client.run(command) == false)
        #expect(world.lines == [line])
        #expect(client.exitStatus == status)
    }

    @Test func `another version of the interface, and none`() {
        let old = ScriptedWorld { (_, _) throws(CallFailure) in .string("2.0") }
        var client = ControlClientCommands(serverURL: Self.url, interactive: false, doors: old.doors())
        _ = client.run("pid")
        #expect(client.exitStatus == 5)
        #expect(old.lines.count == 1 && old.lines[0].contains("2.0"))
        let none = ScriptedWorld { (_, _) throws(CallFailure) in throw .fault(.unknownMethod) }
        client = ControlClientCommands(serverURL: Self.url, interactive: false, doors: none.doors())
        _ = client.run("pid")
        #expect(client.exitStatus == 3)
        #expect(none.lines.count == 1 && none.lines[0].contains("[rpcinterface:supervisor]"))
    }

    @Test(arguments: [
        "status", "status x", "pid", "pid all", "pid x", "start all", "start g:*", "stop all", "signal HUP all", "avail", "reread",
        "update", "version", "tail x", "maintail", "clear all",
    ])
    func `an answer that makes no sense is said, never believed`(_ command: String) {
        let world = ScriptedWorld { (method, _) throws(CallFailure) in
            method == "supervisor.getVersion" ? .string("3.0") : .structure([("wrong", .array([.null]))])
        }
        var client = ControlClientCommands(serverURL: Self.url, interactive: false, doors: world.doors())
        _ = client.run(command)
        #expect(world.lines.count == 1 && world.lines[0].hasPrefix("error: the answer to "), "\(world.lines)")
        #expect(client.exitStatus == 1)
    }

    /// In the original: `error: <class 'ValueError'>, Unknown result code 30 for su`.
    @Test func `a fault nobody expects ends the command and its exit status is 1`() {
        let world = ScriptedWorld { (method, _) throws(CallFailure) in
            if method == "supervisor.getVersion" { return .string("3.0") }
            throw .fault(.failed.about("su is in an unknown process state"))
        }
        var client = ControlClientCommands(serverURL: Self.url, interactive: false, doors: world.doors())
        _ = client.run("start su other")
        #expect(world.lines == ["error: su: FAILED: su is in an unknown process state (30)"])
        #expect(world.calls.count == 2, "the second name is not tried")
        #expect(client.exitStatus == 1)
    }

    @Test func `a stop that fails is told by its own text`() {
        let world = ScriptedWorld { (method, _) throws(CallFailure) in
            if method == "supervisor.getVersion" { return .string("3.0") }
            throw .fault(.failed.about("kill: EPERM"))
        }
        var client = ControlClientCommands(serverURL: Self.url, interactive: false, doors: world.doors())
        _ = client.run("stop su")
        #expect(world.lines == ["FAILED: kill: EPERM"])
        #expect(client.exitStatus == 1)
    }

    @Test func `a signal by prefix reaches the programs of the group that bear it, and no others`() {
        let process = { (group: String, name: String) in ControlValue.structure([("group", .string(group)), ("name", .string(name))]) }
        let world = ScriptedWorld { (method, parameters) throws(CallFailure) in
            switch method {
            case "supervisor.getVersion": return .string("3.0")
            case "supervisor.getAllProcessInfo":
                return .array([
                    process("pcap", "pcap_capture_eth0"), process("pcap", "pcap_ship"), process("other", "pcap_capture_x"),
                    process("pcap", "pcap_capture_eth1"),
                ])
            default:
                if parameters.first?.text == "pcap:pcap_capture_eth1" { throw .fault(.notRunning) }
                return .bool(true)
            }
        }
        var client = ControlClientCommands(serverURL: Self.url, interactive: false, doors: world.doors())
        client.signalAll("USR1", group: "pcap", prefix: "pcap_capture_")
        #expect(world.lines == ["pcap:pcap_capture_eth0: signalled", "pcap:pcap_capture_eth1: ERROR (not running)"])
        #expect(client.exitStatus == 7)
        client = ControlClientCommands(serverURL: Self.url, interactive: false, doors: world.doors())
        client.signalAll("USR1", group: "pcap", prefix: "nothing_")
        #expect(world.lines.last == "pcap:nothing_*: ERROR (no such process)")
        #expect(client.exitStatus == 1)
    }

    @Test func `states past 24 hours and long names keep the columns`() {
        let process = { (group: String, name: String, state: Int, word: String, text: String) in
            ControlValue.structure([
                ("group", .string(group)), ("name", .string(name)), ("state", .int(state)), ("statename", .string(word)),
                ("description", .string(text)),
            ])
        }
        let world = ScriptedWorld { (method, _) throws(CallFailure) in
            if method == "supervisor.getVersion" { return .string("3.0") }
            return .array([
                process("su", "su", 1000, "UNKNOWN", ""),
                process("a-very-long-group-name-here", "longprog", 20, "RUNNING", "pid 30624, uptime 1 day, 2:03:04"),
            ])
        }
        var client = ControlClientCommands(serverURL: Self.url, interactive: false, doors: world.doors())
        _ = client.run("status")
        #expect(
            world.lines == [
                "su                                     UNKNOWN   ",
                "a-very-long-group-name-here:longprog   RUNNING   pid 30624, uptime 1 day, 2:03:04",
            ])
        #expect(client.exitStatus == 3)
    }

    @Test func `update leaves a group whose processes will not stop`() {
        let world = ScriptedWorld { (method, _) throws(CallFailure) in
            if method == "supervisor.reloadConfig" { return .array([.array([.array([]), .array([]), .array([.string("g")])])]) }
            return .array([
                .structure([("name", .string("a")), ("group", .string("g")), ("status", .int(30)), ("description", .string("FAILED"))])
            ])
        }
        var client = ControlClientCommands(serverURL: Self.url, interactive: false, doors: world.doors())
        _ = client.run("update")
        #expect(world.lines == ["g: stopped", "g: has problems; not removing"])
        #expect(client.exitStatus == 1)
    }
}

/// A world for a client in which one closure answers every call.
final class ScriptedWorld {
    var lines: [String] = []
    var calls: [XMLRPCCall] = []
    var prompts: [String] = []
    var answers: [String] = []
    var typed: [String] = []
    var connections: [String] = []
    var credentials: BasicCredentials?
    private let answer: (String, [ControlValue]) throws(CallFailure) -> ControlValue

    init(_ answer: @escaping (String, [ControlValue]) throws(CallFailure) -> ControlValue) { self.answer = answer }

    func doors() -> ControlClientDoors {
        ControlClientDoors(
            call: { [self] (method, parameters) throws(CallFailure) in
                calls.append(XMLRPCCall(method: method, parameters: parameters))
                return try answer(method, parameters)
            },
            output: { [self] in lines.append($0) },
            complain: { [self] in lines.append("stderr: \($0)") },
            follow: { _ in .failed(.refused) },
            foreground: { [self] paths, line in
                lines.append("streams \(paths.joined(separator: " "))")
                for text in typed where !line(text) { return }
            },
            ask: { [self] prompt, hidden in
                prompts.append(hidden ? "\(prompt)*" : prompt)
                return answers.isEmpty ? nil : answers.removeFirst()
            },
            connect: { [self] url, credentials in
                connections.append(url)
                self.credentials = credentials
            })
    }
}
