import Testing

@testable import Supervisor

/// `[program:x]`: what each option makes of a program.
struct ProgramConfigurationTests {
    @Test func `a command alone brings supervisord's defaults`() throws {
        let program = try reading("")
        #expect(program.fullName == "x")
        #expect(program.command == "/bin/cat")
        #expect(program.arguments == ["/bin/cat"])
        #expect(program.path == nil && program.commandProblem == nil)
        #expect(program.directory == nil && program.umask == nil && program.user == nil && program.serverURL == nil)
        #expect(program.priority == 999 && program.autostart && program.autorestart == .unexpected)
        #expect(program.startsecs == 1 && program.startretries == 3 && program.maxBackoff == .infinity)
        #expect(program.exitcodes == [0] && program.fatalExitcodes == [])
        #expect(program.stopsignal == 15 && program.stopwaitsecs == 10 && !program.stopasgroup && !program.killasgroup)
        #expect(!program.redirectStderr && program.stdout == OutputSpec() && program.stderr == OutputSpec())
        #expect(!program.essential)
        #expect(program.environment == ["PATH": "/bin", "HOME": "/root", "LANG": "C.UTF-8"])
    }

    @Test func `every option has its place`() throws {
        let program = try reading(
            """
            command=/bin/sh -c 'exec cat'
            process_name=worker
            directory=/tmp
            umask=077
            priority=5
            autostart=false
            autorestart=true
            startsecs=7
            startretries=9
            exitcodes=0,2
            stopsignal=INT
            stopwaitsecs=30
            stopasgroup=true
            user=ann
            environment=KEY="a, b"
            serverurl=http://localhost:9001
            stdout_logfile=/var/log/x.out
            stdout_logfile_maxbytes=1MB
            stdout_logfile_backups=2
            stdout_syslog=true
            stderr_logfile=NONE
            stderr_logfile_maxbytes=2KB
            stderr_logfile_backups=3
            stderr_syslog=true
            max_backoff=20
            log_prefix=true
            """)
        #expect(program.fullName == "x:worker")
        #expect(program.arguments == ["/bin/sh", "-c", "exec cat"])
        #expect(program.directory == "/tmp" && program.umask == 0o77)
        #expect(program.priority == 5 && !program.autostart && program.autorestart == .always)
        #expect(program.startsecs == 7 && program.startretries == 9 && program.maxBackoff == 20)
        #expect(program.exitcodes == [0, 2] && program.stopsignal == 2 && program.stopwaitsecs == 30)
        #expect(program.stopasgroup && program.killasgroup, "killasgroup follows stopasgroup")
        #expect(program.user == UserID(name: "ann", uid: 1000, gid: 1000))
        #expect(program.environment["KEY"] == "a, b")
        #expect(program.serverURL == "http://localhost:9001")
        var stdout = OutputSpec(.file("/var/log/x.out"), maxbytes: 1 << 20, backups: 2, syslog: true)
        var stderr = OutputSpec(.none, maxbytes: 2048, backups: 3, syslog: true)
        (stdout.hasPrefix, stderr.hasPrefix) = (true, true)
        #expect(program.stdout == stdout)
        #expect(program.stderr == stderr)
    }

    @Test func `options nobody knows are passed over, even badly formatted ones`() throws {
        #expect(try reading("colour=%(red\nstdout_logfile_size=x") == reading(""))
    }

    @Test(arguments: [
        ("/bin/sh -c 'x", "can't parse command \"/bin/sh -c 'x\": No closing quotation"),
        ("x\\", "can't parse command 'x\\\\': No escaped character"),
        ("", "command is empty"),
    ])
    func `a command that cannot be split is a problem of each start, not of the reading`(_ command: String, _ problem: String) throws {
        let program = try reading("command=\(command)")
        #expect(program.commandProblem == problem)
        #expect(program.arguments == [])
        #expect(program.command == command)
    }

    @Test func `the server's address can be left to the supervisor, or be none`() throws {
        #expect(try reading("serverurl=AUTO").serverURL == nil)
        #expect(try reading("serverurl= auto ").serverURL == nil)
        #expect(try reading("serverurl=").serverURL == "")
    }

    @Test func `names stand for values in a command, a directory, a log and the environment`() throws {
        let program = try reading(
            "command=%(here)s/%(program_name)s %(group_name)s %(host_node_name)s %(process_num)02d/%(numprocs)d %(ENV_MINE)s 5%%\n"
                + "directory=/srv/%(process_num)d/%(ENV_MINE)s\nstdout_logfile=/tmp/%(program_name)s-%(ENV_MINE)s.log\n"
                + "environment=MINE=\"%(ENV_OUTER)s-%(process_num)d\",RATE=\"50%%\"",
            environment: ["OUTER": "out"])
        #expect(program.command == "/tmp/c/x x box 00/1 out-0 5%")
        #expect(program.directory == "/srv/0/out-0")
        #expect(program.stdout.destination == .file("/tmp/x-out-0.log"))
        #expect(program.environment["MINE"] == "out-0")
        #expect(program.environment["RATE"] == "50%")
        #expect(program.environment["OUTER"] == "out")
    }

    @Test func `a percent in a log's name is written four times`() throws {
        #expect(try reading("stdout_logfile=/tmp/%%%%.log").stdout.destination == .file("/tmp/%.log"))
    }

    @Test func `a program's environment covers the supervisor's, which covers the outer one`() throws {
        let text = """
            [supervisord]
            environment=A=2,B=2,C="%%(host_node_name)s",D="50%%%%"
            [program:x]
            command=/bin/echo %(ENV_A)s %(ENV_B)s %(ENV_Z)s
            environment=B=3
            """
        let read = try configuration(text, environment: ["A": "1", "B": "1", "Z": "1"])
        let program = try #require(read.programs.first)
        #expect(
            program.environment == [
                "PATH": "/bin", "HOME": "/root", "LANG": "C.UTF-8", "A": "2", "B": "3", "C": "box", "D": "50%", "Z": "1",
            ])
        #expect(program.command == "/bin/echo 2 3 1")
        #expect(read.daemon.environment == ["A": "2", "B": "2", "C": "box", "D": "50%"])
    }

    @Test func `a redirected stderr has no log of its own`() throws {
        #expect(try reading("redirect_stderr=true").stderr.destination == .none)
        #expect(try reading("redirect_stderr=true\nstderr_logfile=/tmp/e").stderr.destination == .none)
        #expect(try reading("redirect_stderr=true").redirectStderr)
    }

    @Test(arguments: [
        (
            "redirect_stderr=true\nstderr_logfile=/tmp/e",
            "redirect_stderr=true but stderr_logfile has also been set to a filename, the filename has been ignored"
        ),
        (
            "stdout_logfile_maxbytes=0",
            "AUTO logging used for stdout_logfile without rollover, set maxbytes > 0 to avoid filling up filesystem unintentionally"
        ),
        (
            "stderr_logfile_maxbytes=0",
            "AUTO logging used for stderr_logfile without rollover, set maxbytes > 0 to avoid filling up filesystem unintentionally"
        ),
        (
            "stdout_logfile=syslog",
            "stdout_logfile=syslog but this is deprecated and will be removed.  Use stdout_syslog=true to enable syslog instead."
        ),
        ("stdout_capture_maxbytes=1MB", "stdout_capture_maxbytes has no effect: there are no event listeners here"),
        (
            "stdout_events_enabled=1\nstderr_events_enabled=1\nstderr_capture_maxbytes=5",
            "stdout_events_enabled, stderr_capture_maxbytes, stderr_events_enabled have no effect: there are no event listeners here"
        ),
        ("environment=A=x*", "environment: a part of the value of A was lost, put it in quotes"),
    ])
    func `what is doubtful is told once`(_ options: String, _ warning: String) throws {
        let read = try configuration("[supervisord]\n[program:x]\ncommand=c\n\(options)\n")
        #expect(read.messages == [ConfigurationMessage(.warn, "For [program:x], \(warning)")])
    }

    @Test(arguments: [
        "stdout_capture_maxbytes=0", "stderr_events_enabled=false", "redirect_stderr=true\nstderr_logfile=NONE",
        "stdout_logfile=NONE\nstdout_logfile_maxbytes=0",
    ])
    func `what is not doubtful is not told`(_ options: String) throws {
        #expect(try configuration("[supervisord]\n[program:x]\ncommand=c\n\(options)\n").messages == [])
    }

    @Test func `syslog as a log's name is the switch`() throws {
        #expect(try reading("stdout_logfile=syslog").stdout == OutputSpec(.none, syslog: true))
    }

    @Test func `numbers beyond all measure are cut, not refused`() throws {
        let program = try reading(
            "startsecs=99999999999999999999\nstopwaitsecs=-99999999999999999999\nstdout_logfile_maxbytes=-5\nstdout_logfile_backups=-1")
        #expect(program.startsecs == 1e9 && program.stopwaitsecs == -1e9)
        #expect(program.stdout.maxbytes == 0 && program.stdout.backups == 0)
    }

    @Test func `our own options go from the supervisor to its programs`() throws {
        let text = """
            [supervisord]
            max_backoff=30
            log_prefix=true
            exit_on_fatal=true
            [program:a]
            command=a
            [program:b]
            command=b
            max_backoff=5
            log_prefix=false
            """
        let read = try configuration(text)
        #expect(read.daemon.maxBackoff == 30 && read.daemon.logPrefix && read.daemon.exitOnFatal)
        #expect(read.programs.map(\.maxBackoff) == [30, 5])
        #expect(read.programs.map(\.stdout.hasPrefix) == [true, false])
        #expect(read.programs.map(\.stderr.hasPrefix) == [true, false])
        #expect(read.programs.map(\.essential) == [true, true])
    }
}
