import CLinux
import Glibc
import Linux
import Supervisor
import Testing

extension EndToEnd {
    /// The control socket, driven by Debian's supervisorctl and by ours, beside the real supervisord.
    @Suite(.serialized, .enabled(if: SuperviseLab.missing == nil, "\(SuperviseLab.missing ?? "")"))
    struct ControlTests {
        /// `fatal` has a startsecs that keeps the original from its phantom success (D5).
        static let programs = """
            [program:run]
            command=/bin/sh -c "echo out-line; echo err-line >&2; exec sleep 100"
            [program:seven]
            command=/bin/sh -c "trap 'exit 7' TERM; while :; do sleep 0.1; done"
            [program:exited]
            command=/bin/sh -c "sleep 1.2"
            autorestart=false
            [program:fatal]
            command=/bin/sh -c "exit 3"
            startsecs=5
            startretries=0
            [program:missing]
            command=/no/such/x
            startretries=0
            [program:noexec]
            command=/etc/hostname
            autostart=false
            [program:never]
            command=/bin/sleep 100
            autostart=false
            [program:long]
            command=/bin/sleep 100
            startsecs=60
            [group:pair]
            programs=x,y
            [program:x]
            command=/bin/sleep 100
            [program:y]
            command=/bin/sleep 100

            """

        /// Each action, with its good and its bad ends.
        static let commands: [[String]] = [
            ["status"], ["status", "run"], ["status", "pair:*"], ["status", "fatal", "exited"], ["status", "nosuch"], ["status", "nog:*"],
            ["pid", "never"], ["version"], ["avail"],
            ["start", "run"], ["start", "nosuch"], ["start", "nog:*"], ["start"], ["start", "missing"], ["start", "noexec"],
            ["start", "fatal"], ["start", "exited"], ["start", "never"], ["start", "pair:x"],
            ["stop", "never"], ["stop", "never"], ["stop", "nosuch"], ["stop", "nog:*"], ["stop"], ["stop", "seven"], ["stop", "fatal"],
            ["restart", "run"], ["restart", "seven"], ["restart", "nosuch"], ["restart", "pair:*"], ["restart"],
            ["signal", "HUP", "never"], ["signal", "CONT", "run"], ["signal", "NOPE", "run"], ["signal", "CONT", "pair:*"],
            ["signal", "CONT", "nosuch"], ["signal"],
            ["tail", "run"], ["tail", "-3", "run"], ["tail", "run", "stderr"], ["tail", "nosuch"], ["tail"], ["tail", "run", "both"],
            ["clear", "run"], ["tail", "run"], ["clear", "nosuch"], ["clear"],
            ["reread"], ["update"], ["add", "run"], ["add", "nosuch"], ["remove", "run"], ["remove", "nosuch"],
            ["stop", "pair:"], ["status", "pair:x"], ["start", "pair:*"], ["stop", "all"], ["status"], ["start", "pair:y", "run"],
            ["bogus"], ["pid", "nosuch"], ["open"], ["open", "nonsense"], ["maintail", "-x"],
            ["shutdown"],
        ]

        /// What differs on purpose: the original's words here, and ours.
        static let allowed: [String: String] = [
            // The help of a command is in our own words; the line before it is the same.
            "start": "Error: start requires a process name", "stop": "Error: stop requires a process name",
            "restart": "Error: restart requires a process name", "signal": "Error: signal requires a signal name and a process name",
            "tail": "Error: too few arguments", "clear": "Error: clear requires a process name",
            "open": "ERROR: url must be http:// or unix://",
        ]

        private func normal(_ text: String) -> String {
            text.replacing(/pid \d+, uptime \d+:\d\d:\d\d/, with: "pid N, uptime T").replacing(
                /[A-Z][a-z][a-z] \d\d \d\d:\d\d [AP]M/, with: "MOMENT")
        }

        private func transcript(real: Bool, ours: Bool) throws -> [String] {
            let lab = try SuperviseLab(Self.programs)
            try lab.start(real: real)
            try lab.wait(for: "success: run")
            try lab.wait(for: "exited: exited")
            try lab.wait(for: "gave up: missing")
            try lab.wait(for: "gave up: fatal")
            var out: [String] = []
            for words in Self.commands {
                let program = ours ? lab.root + "/supervisorctl" : SuperviseLab.realControl
                let result = try runTool([program, "-c", lab.configuration] + words, mayFail: true)
                var text = normal(result.output)
                if let line = Self.allowed[words.joined(separator: " ")], text.hasPrefix(line) { text = line + "\n" }
                // Several programs are told in the order in which they were done.
                if words.last?.hasSuffix(":*") == true || words.last == "all" || words.last == "pair:" {
                    text = text.split(separator: "\n").sorted().joined(separator: "\n")
                }
                out.append("\(words.joined(separator: " ")) -> \(result.status)\n\(text)")
            }
            try lab.daemon?.waitForEnd(within: 10)
            out.append("end \(String(describing: lab.daemon?.status))")
            // What the log says of each program, in its order; between programs there is none.
            for program in ["run", "seven", "exited", "fatal", "missing", "never", "x", "y"] {
                let lines = lab.lines.filter { $0.contains("'\(program)'") || $0.contains(": \(program) ") || $0.hasSuffix(" \(program)") }
                    .filter { !$0.contains("waiting for") }
                    .map { $0.dropFirst(24).replacing(/pid \d+/, with: "pid N") }
                out.append(([program] + lines.map { String($0) }).joined(separator: "\n"))
            }
            return out
        }

        @Test("supervisorctl's every action: the same output, exit status and log, whichever of the two serves and asks")
        func everyAction() throws {
            let original = try transcript(real: true, ours: false)
            for (name, other) in [
                ("Debian's supervisorctl against ours", try transcript(real: false, ours: false)),
                ("ours against ours", try transcript(real: false, ours: true)),
                ("ours against the real supervisord", try transcript(real: true, ours: true)),
            ] {
                for (expected, told) in zip(original, other) { #expect(told == expected, "\(name)") }
                #expect(original.count == other.count)
            }
        }

        @Test("reread, update, add and remove follow the file")
        func update() throws {
            let lab = try SuperviseLab("[program:a]\ncommand=/bin/sleep 100\n[program:b]\ncommand=/bin/sleep 100\n")
            try lab.start()
            try lab.wait(for: "success", times: 2)
            let text = try text(of: lab.configuration)
            let changed = text.replacing("[program:a]\ncommand=/bin/sleep 100", with: "[program:a]\ncommand=/bin/sleep 101")
                .replacing("[program:b]", with: "[program:n]")
            try write(changed, to: lab.configuration)
            #expect(try lab.control("reread").output == "a: changed\nb: disappeared\nn: available\n")
            let update = try lab.control("update")
            #expect(update.status == .code(0))
            #expect(
                Set(update.output.split(separator: "\n")) == [
                    "b: stopped", "b: removed process group", "a: stopped", "a: updated process group", "n: added process group",
                ])
            try lab.wait(for: "spawned: 'n'")
            #expect(try lab.control("remove", "n").output == "ERROR: process/group still running: n\n")
            try lab.control("stop", "n")
            #expect(try lab.control("remove", "n").output == "n: removed process group\n")
            #expect(try lab.control("add", "n").output == "n: added process group\n")
            #expect(try lab.control("add", "n").output == "ERROR: process group already active\n")
            try write(changed + "[program:bad]\n", to: lab.configuration)
            let bad = try lab.control("reread")
            #expect(bad.output.contains("does not specify a command"), "\(bad.output)")
            try lab.wait(for: "success: a", times: 2)
            #expect(try lab.control("status").output.contains("a                                RUNNING"))
        }

        @Test("tail -f shows what comes, over a rotation and a restart too, until the supervisor ends")
        func follow() throws {
            for ours in [false, true] {
                let lab = try SuperviseLab(
                    "[program:t]\ncommand=/bin/sh -c \"i=0; while sleep 0.02; do i=$((i+1)); echo line-$i; done\"\nstdout_logfile=@D/t.log\nstdout_logfile_maxbytes=2KB\nstdout_logfile_backups=1\n"
                )
                try lab.start()
                try lab.wait(for: "success: t")
                let program = ours ? lab.root + "/supervisorctl" : SuperviseLab.realControl
                let tail = try Background([program, "-c", lab.configuration, "tail", "-f", "t"], log: lab.root + "/tail.txt")
                try waitUntil(20, "150 lines; \(tail.output.suffix(300))") { tail.output.contains("line-150\n") }
                #expect(lab.stop().status == .code(0))
                try tail.waitForEnd(within: 5)
                #expect(tail.output.hasPrefix("==> Press Ctrl-C to exit <==\n"))
            }
        }

        @Test("those who follow a log hold no place that a question needs")
        func followersAndQuestions() throws {
            let lab = try SuperviseLab("[program:t]\ncommand=/bin/sh -c \"while sleep 0.1; do echo x; done\"\nstdout_logfile=@D/t.log\n")
            try lab.start()
            try lab.wait(for: "success: t")
            let followers = try (0..<10).map { _ in
                try Background([lab.root + "/supervisorctl", "-c", lab.configuration, "tail", "-f", "t"], log: lab.root + "/tail.txt")
            }
            usleep(1_500_000)
            let asked = MonotonicTime.now()
            #expect(try lab.control("status", ours: true).output.contains("RUNNING"))
            #expect(MonotonicTime.now() - asked < 2)
            for follower in followers { follower.end(SIGKILL) }
        }

        @Test("a user and a password in the file are asked for, clear or as {SHA}")
        func password() throws {
            for word in ["secret", "{SHA}e5e9fa1ba31ecd1ae84f75caaa474f3a663f05f4"] {
                let lab = try SuperviseLab("[program:a]\ncommand=/bin/sleep 100\n")
                let text = try text(of: lab.configuration).replacing("s.sock\n[rpc", with: "s.sock\nusername=me\npassword=\(word)\n[rpc")
                try write(text, to: lab.configuration)
                try lab.start()
                try lab.wait(for: "success: a")
                #expect(lab.count("without any HTTP authentication checking") == 0)
                let refused = try lab.control("status", ours: true)
                #expect(refused.status == .code(1))
                #expect(refused.output == "Server requires authentication\n")
                for program in [SuperviseLab.realControl, lab.root + "/supervisorctl"] {
                    let command = [program, "-c", lab.configuration, "-u", "me", "-p"]
                    #expect(try runTool(command + ["wrong", "status"], mayFail: true).status == .code(1))
                    #expect(try runTool(command + ["secret", "status"]).output.contains("RUNNING"))
                }
            }
        }

        @Test("R40: nobody else gets in, and hostile bytes cost one connection each")
        func hostile() throws {
            let lab = try SuperviseLab("[program:a]\ncommand=/bin/sleep 100\n")
            let daemon = try lab.start()
            try lab.wait(for: "success: a")
            #expect(try Directory(lab.root).status("s.sock")?.mode == S_IFSOCK | 0o700)
            let nobody = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"]
            let refused = try runTool(nobody + [lab.root + "/supervisorctl", "-s", "unix://\(lab.socket)", "status"], mayFail: true)
            #expect(refused.status == .code(1) && refused.output.contains("permission denied"), "\(refused)")
            // A mode that was loosened afterwards is not enough.
            chmod(lab.socket, 0o777)
            #expect(
                try !runTool(nobody + [lab.root + "/supervisorctl", "-s", "unix://\(lab.socket)", "status"], mayFail: true).output.contains(
                    "RUNNING"))
            let memory = processStatus(daemon.pid, "VmRSS")
            var random = SystemRandomNumberGenerator()
            for round in 0..<200 {
                let socket = try connect(lab.socket)
                var bytes = (0..<Int.random(in: 0...4000, using: &random)).map { _ in UInt8.random(in: 0...255, using: &random) }
                if round % 2 == 0 { bytes = Array("POST /RPC2 HTTP/1.1\r\nContent-Length: \(bytes.count)\r\n\r\n".utf8) + bytes }
                try? socket.writeAll(bytes)
            }
            let asked = MonotonicTime.now()
            #expect(try lab.control("status", ours: true).output.contains("RUNNING"))
            #expect(MonotonicTime.now() - asked < 15)
            try waitUntil(15, "the connections' children are gone") {
                ((try? text(of: "/proc/\(daemon.pid)/task/\(daemon.pid)/children")) ?? "").split(separator: " ").count == 1
            }
            let kilobytes = { (text: String) in Int(text.filter(\.isNumber)) ?? 0 }
            #expect(kilobytes(processStatus(daemon.pid, "VmRSS")) < kilobytes(memory) + 4096)
        }

        private func connect(_ path: String) throws -> Descriptor {
            let socket = Descriptor(owning: Glibc.socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0))
            try checked("connect") { Int(sensor_connect_unix(socket.number, path)) }
            return socket
        }

        @Test("eight clients that say nothing hold up no restart, and are put out after ten seconds")
        func slowClients() throws {
            let lab = try SuperviseLab("[program:a]\ncommand=/bin/sleep 100\nautorestart=true\n")
            try lab.start()
            try lab.wait(for: "success: a")
            var silent: [Int32] = []
            for _ in 0..<8 { silent.append(try connect(lab.socket).release()) }
            defer { for number in silent { close(number) } }
            kill(try lab.pid(of: "a"), SIGKILL)
            try lab.wait(for: "spawned: 'a'", times: 2, within: 2)
            #expect(try lab.control("status", ours: true).output.contains("a "), "the ninth is served when one of them has had its time")
        }

        @Test("a second supervisor on the same socket is refused; a socket that nobody answers is replaced")
        func sockets() throws {
            let lab = try SuperviseLab("[program:a]\ncommand=/bin/sleep 100\n")
            let first = try lab.start()
            try lab.wait(for: "success: a")
            let second = try runTool([lab.root + "/supervisord", "-n", "-c", lab.configuration], mayFail: true)
            #expect(second.status == .code(2))
            #expect(
                second.output.hasPrefix(
                    "Error: Another program is already listening on a port that one of our HTTP servers is configured to use."))
            #expect(!first.hasEnded)
            let child = try lab.pid(of: "a")
            first.end(SIGKILL)
            kill(child, SIGKILL)
            try lab.start()
            try lab.wait(for: "Unlinking stale socket \(lab.socket)")
            try lab.wait(for: "success: a", times: 2)
            #expect(lab.stop().status == .code(0))
            #expect(access(lab.socket, F_OK) != 0)
        }

        @Test("without -n it goes into the background, writes its pidfile and takes it away")
        func background() throws {
            let lab = try SuperviseLab("[program:a]\ncommand=/bin/sleep 100\n")
            try write(try text(of: lab.configuration).replacing("nodaemon=true\n", with: ""), to: lab.configuration)
            let front = try runTool([lab.root + "/supervisord", "-c", lab.configuration])
            #expect(front.output == "")
            try waitUntil(5, "the pidfile") { access(lab.root + "/supervisord.pid", F_OK) == 0 }
            let pid = try #require(Int32(try text(of: lab.root + "/supervisord.pid").filter(\.isNumber)))
            #expect(getsid(pid) == pid)
            try waitUntil(5, "RUNNING") { try lab.control("status").output.contains("RUNNING") }
            #expect(try lab.control("shutdown").output == "Shut down\n")
            try waitUntil(5, "the end") { !isAlive(pid) }
            #expect(access(lab.root + "/supervisord.pid", F_OK) != 0)
            #expect(try text(of: lab.root + "/supervisord.log").contains("INFO daemonizing the supervisord process"))
        }

        @Test("what is typed for a program reaches it, and fg shows what it answers")
        func standardInput() throws {
            let lab = try SuperviseLab("[program:c]\ncommand=/bin/cat\nstdout_logfile=@D/c.log\n")
            try lab.start()
            try lab.wait(for: "success: c")
            let script = """
                from xmlrpc import client
                from supervisor.xmlrpc import SupervisorTransport
                proxy = client.ServerProxy('http://127.0.0.1', transport=SupervisorTransport(None, None, serverurl='unix://\(lab.socket)'))
                assert proxy.supervisor.sendProcessStdin('c', 'hello\\n' * 100000) is True
                print(len(proxy.system.listMethods()), proxy.supervisor.getState()['statename'])
                print(proxy.system.multicall([{'methodName': 'supervisor.getPID', 'params': []}, {'methodName': 'no.such', 'params': []}])[1]['faultCode'])
                """
            try write(script, to: lab.root + "/t.py")
            let told = try runTool(["/usr/bin/python3", lab.root + "/t.py"]).output
            #expect(told == "42 RUNNING\n1\n" || told.hasSuffix(" RUNNING\n1\n"), "\(told)")
            try waitUntil(10, "all of it") { try Directory(lab.root).status("c.log")?.size == 600_000 }
        }
    }
}
