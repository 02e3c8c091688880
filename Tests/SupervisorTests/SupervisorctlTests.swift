import Testing

@testable import Supervisor

/// supervisorctl's own options, its shell and what it asks; texts from the real one.
struct SupervisorctlTests {
    static let url = "unix:///s.sock"

    static func arguments(
        _ action: [String] = [], url: String? = nil, interactive: Bool = false, user: String? = nil, password: String? = nil,
        history: String? = nil, configuration: String? = nil
    ) -> SupervisorctlArguments {
        var arguments = SupervisorctlArguments()
        arguments.action = action
        arguments.serverURL = url
        arguments.interactive = interactive
        arguments.username = user
        arguments.password = password
        arguments.historyFile = history
        arguments.configuration = configuration
        return arguments
    }

    @Test(arguments: [
        (["pid"], arguments(["pid"])), ([], arguments()), (["-i"], arguments(interactive: true)),
        (["-s", url, "--", "pid"], arguments(["pid"], url: url)), (["-s", url, "-"], arguments(["-"], url: url)),
        (["-s\(url)", "pid", "-x"], arguments(["pid", "-x"], url: url)),
        (["-is", url, "pid"], arguments(["pid"], url: url, interactive: true)),
        (["--serverurl=\(url)"], arguments(url: url)), (["--server", url], arguments(url: url)), (["--s", url], arguments(url: url)),
        (["-u", "a", "-p", "b", "-r", "h", "-c", "f"], arguments(user: "a", password: "b", history: "h", configuration: "f")),
        (["--user=", "--pass", "-x", "--conf=f=g"], arguments(user: "", password: "-x", configuration: "f=g")),
        (["--history-file", "h"], arguments(history: "h")), (["--history_file=h"], arguments(history: "h")),
        (["-s", "ftp://x"], arguments(url: "ftp://x")),
    ])
    func `options are read as getopt reads them`(_ words: [String], _ expected: SupervisorctlArguments) {
        #expect(SupervisorctlArguments.parse(words) == .run(expected))
    }

    @Test(arguments: [
        (["-x"], "option -x not recognized"), (["-?x"], "option -x not recognized"), (["--foo"], "option --foo not recognized"),
        (["-c"], "option -c requires argument"), (["--configuration"], "option --configuration requires argument"),
        (["--hi"], "option --history_file requires argument"), (["--help=x"], "option --help must not have an argument"),
        (["--h"], "option --h not a unique prefix"), (["--=x"], "option -- not a unique prefix"),
        (["-s", "foo", "pid"], "invalid value for -s 'foo': value 'foo' is not a URL"),
        (["--s", "x"], "invalid value for --serverurl 'x': value 'x' is not a URL"),
        (["-s", "unix://", "pid"], "invalid value for -s 'unix://': value 'unix://' is not a URL"),
        (["-s", url, "-s", url], "conflicting command line option '-s'"), (["-i", "-i"], "conflicting command line option '-i'"),
        (["-u", "", "-u", "b"], "conflicting command line option '-u'"),
        (["-p", "a", "--password", "b"], "conflicting command line option '--password'"),
        (["-h", "-x"], "option -x not recognized"),
    ]) func `wrong options are refused in the original's words`(_ words: [String], _ text: String) {
        #expect(SupervisorctlArguments.parse(words) == .refused(text))
        #expect(SupervisorctlArguments.refusal(text, program: "ctl") == ["Error: \(text)", "For help, use ctl -h"])
    }

    @Test(arguments: [["-h"], ["--help"], ["-?"], ["--he", "pid"], ["-hh"], ["-s", url, "-h"]])
    func `help is help`(_ words: [String]) {
        #expect(SupervisorctlArguments.parse(words) == .help)
        for option in SupervisorctlArguments.Option.allCases {
            #expect(SupervisorctlArguments.help(program: "ctl").contains("-\(option.short), --\(option.long.replacing("_", with: "-"))"))
        }
    }

    static func calm(_ method: String, _ parameters: [ControlValue]) throws(CallFailure) -> ControlValue {
        switch method {
        case "supervisor.getVersion": return .string("3.0")
        case "supervisor.getPID": return .int(7)
        case "supervisor.getProcessInfo": return .structure([("state", .int(20))])
        case "supervisor.getAllProcessInfo": return .array([])
        default: return .bool(true)
        }
    }

    func shell(_ world: ScriptedWorld) -> SupervisorctlShell {
        SupervisorctlShell(commands: ControlClientCommands(serverURL: Self.url, interactive: true, doors: world.doors()))
    }

    @Test func `the shell begins with the status and ends with quit, exit, EOF and the end of input`() {
        for last in ["quit", " exit ", "EOF", nil] {
            let world = ScriptedWorld(Self.calm)
            var shell = shell(world)
            #expect(shell.prompt == "supervisor> ")
            shell.begin()
            #expect(world.calls.map(\.method) == ["supervisor.getVersion", "supervisor.getAllProcessInfo"])
            for line in ["", "  ", "bogus", "pid", "?bogus", "!x"] { #expect(shell.step(line) == true) }
            #expect(shell.step(last) == false)
            #expect(world.lines == ["*** Unknown syntax: bogus", "7", "*** No help on bogus", "*** Unknown syntax: !x", ""])
        }
    }

    @Test(arguments: [("y", true), ("Yes please", true), ("n", false), ("", false), (" y", false)])
    func `a shell asks before shutdown and reload`(_ answer: String, _ done: Bool) {
        let world = ScriptedWorld(Self.calm)
        var shell = shell(world)
        world.answers = [answer, answer]
        #expect(shell.step("shutdown") == true)
        #expect(shell.step("reload") == true)
        #expect(
            world.prompts == [
                "Really shut the remote supervisord process down y/N? ", "Really restart the remote supervisord process y/N? ",
            ])
        #expect(world.lines == (done ? ["Shut down", "Restarted supervisord"] : []))
        #expect(shell.commands.exitStatus == 0)
        #expect(shell.step("shutdown") == true, "no answer at all")
        #expect(shell.commands.exitStatus == 1)
    }

    @Test func `a shell asks for a password and tries again, without a shell nobody is asked`() {
        let world = ScriptedWorld { (_, _) throws(CallFailure) in throw .connection(.status(401, reason: "Unauthorized")) }
        var shell = shell(world)
        world.answers = ["joe", "secret", "joe"]
        #expect(shell.step("pid") == true)
        #expect(world.lines == ["Server requires authentication", "", "Server requires authentication"])
        #expect(world.prompts == ["Username:", "Password:*", "Username:", "Password:*"])
        #expect(world.credentials == BasicCredentials(user: "joe", password: "secret"))
        #expect(world.connections == [Self.url])
    }

    @Test func `open goes elsewhere and stays there`() {
        let world = ScriptedWorld(Self.calm)
        var shell = shell(world)
        #expect(shell.step("open http://other:9001") == true)
        #expect(shell.commands.serverURL == "http://other:9001")
        #expect(world.connections == ["http://other:9001"])
    }

    @Test func `fg hands lines to a running process until it is no more`() {
        var alive = 2
        let world = ScriptedWorld { (method, parameters) throws(CallFailure) in
            guard method == "supervisor.getProcessInfo" else { return try Self.calm(method, parameters) }
            alive -= 1
            return .structure([("state", .int(alive >= 0 ? 20 : 100))])
        }
        world.typed = ["one\n", "two\n", "three\n"]
        var client = ControlClientCommands(serverURL: Self.url, interactive: false, doors: world.doors())
        _ = client.run("fg g:cat")
        #expect(
            world.lines == [
                "==> Press Ctrl-C to exit <==", "streams /logtail/g:cat/stdout /logtail/g:cat/stderr", "Process got killed",
                "Exiting foreground",
            ])
        let sent = world.calls.filter { $0.method == "supervisor.sendProcessStdin" }.map(\.parameters)
        #expect(sent == [[.string("g:cat"), .string("one\n")], [.string("g:cat"), .string("two\n")]])
        #expect(client.exitStatus == 0)
    }

    @Test(arguments: [(ControlFault.notRunning, "Process got killed"), (.noFile.about("cat"), "ERROR: NO_FILE: cat")])
    func `fg ends when nothing takes the line`(_ fault: ControlFault, _ line: String) {
        let world = ScriptedWorld { (method, parameters) throws(CallFailure) in
            guard method == "supervisor.sendProcessStdin" else { return try Self.calm(method, parameters) }
            throw .fault(fault)
        }
        world.typed = ["one\n", "two\n"]
        var client = ControlClientCommands(serverURL: Self.url, interactive: false, doors: world.doors())
        _ = client.run("fg cat")
        #expect(world.lines.suffix(2) == [line, "Exiting foreground"])
        #expect(world.calls.filter { $0.method == "supervisor.sendProcessStdin" }.count == 1)
    }

    @Test func `a log that cannot be followed is told on stderr with exit status 0`() {
        let world = ScriptedWorld(Self.calm)
        var client = ControlClientCommands(serverURL: Self.url, interactive: false, doors: world.doors())
        _ = client.run("tail -f cat")
        #expect(
            world.lines == [
                "==> Press Ctrl-C to exit <==",
                "stderr: unix:///s.sock/logtail/cat/stdout Cannot connect, error: unix:///s.sock refused connection",
            ])
        #expect(client.exitStatus == 0)
    }

    @Test func `every action has help`() {
        let world = ScriptedWorld(Self.calm)
        var client = ControlClientCommands(serverURL: Self.url, interactive: false, doors: world.doors())
        let actions = ControlClientCommands.overview.dropFirst(3).joined(separator: " ").split(separator: " ").map(String.init) + ["help"]
        #expect(Set(actions) == Set(ControlClientCommands.help.keys))
        for action in actions {
            world.lines = []
            _ = client.run("help \(action)")
            #expect(world.lines.first?.hasPrefix(action) == true)
        }
        #expect(client.exitStatus == 0)
    }
}
