import Testing

@testable import Supervisor

/// supervisord's command line, and where it looks for its configuration.
struct SupervisordArgumentsTests {
    private func parse(_ arguments: [String]) throws(ConfigurationError) -> SupervisordArguments.Request {
        try SupervisordArguments.parse(arguments, world: machine())
    }

    private static func read(_ change: (inout SupervisordArguments) -> Void) -> SupervisordArguments.Request {
        var arguments = SupervisordArguments()
        change(&arguments)
        return .run(arguments)
    }

    static let understood: [([String], SupervisordArguments.Request)] = [
        ([], read { _ in }),
        (["-c", "/x"], read { $0.configuration = "/x" }), (["-c/x"], read { $0.configuration = "/x" }),
        (["--configuration=/x"], read { $0.configuration = "/x" }), (["--configuration", "/x"], read { $0.configuration = "/x" }),
        (["--conf", "/x"], read { $0.configuration = "/x" }), (["-nc", "/x"], read { ($0.nodaemon, $0.configuration) = (true, "/x") }),
        (["-n", "-s"], read { ($0.nodaemon, $0.silent) = (true, true) }),
        (["--nodaemon", "--silent"], read { ($0.nodaemon, $0.silent) = (true, true) }),
        (["-k", "-t"], read { ($0.nocleanup, $0.stripANSI) = (true, true) }),
        (["--nocleanup", "--strip_ansi"], read { ($0.nocleanup, $0.stripANSI) = (true, true) }),
        (["-u", "ann"], read { $0.user = "ann" }), (["--user="], read { $0.user = "" }),
        (["-m", "077"], read { $0.umask = 0o77 }), (["--umask=0"], read { $0.umask = 0 }),
        (["-d", "~"], read { $0.directory = "/root" }), (["--directory=/tmp"], read { $0.directory = "/tmp" }),
        (["-l", "x.log"], read { $0.logfile = "x.log" }), (["--logfile=/dev/fd/1"], read { $0.logfile = "/dev/fd/1" }),
        (["-y", "5MB"], read { $0.logfileMaxbytes = 5 << 20 }), (["--logfile_maxbytes=0"], read { $0.logfileMaxbytes = 0 }),
        (["-z", "3"], read { $0.logfileBackups = 3 }), (["--logfile_backups=0"], read { $0.logfileBackups = 0 }),
        (["-e", "DEBUG"], read { $0.loglevel = .debug }), (["--loglevel=warn"], read { $0.loglevel = .warn }),
        (["-j", "/tmp/p"], read { $0.pidfile = "/tmp/p" }), (["--pidfile=p"], read { $0.pidfile = "p" }),
        (["-i", "me"], read { $0.identifier = "me" }), (["--identifier=me"], read { $0.identifier = "me" }),
        (["-q", "/tmp"], read { $0.childlogdir = "/tmp" }), (["--childlogdir=/tmp"], read { $0.childlogdir = "/tmp" }),
        (["-a", "10"], read { $0.minfds = 10 }), (["--minfds=10"], read { $0.minfds = 10 }), (["--minprocs=5"], read { $0.minprocs = 5 }),
        (["--profile_options=cumulative,calls"], read { $0.profileOptions = "cumulative,calls" }),
        (["-n", "--"], read { $0.nodaemon = true }), (["-u", "-n"], read { $0.user = "-n" }),
        (["-h"], .help), (["--help"], .help), (["-?"], .help), (["-v"], .version), (["--ver"], .version),
        (["-h", "-m", "9"], .help), (["-n", "-v", "-n", "-n"], .version),
    ]

    @Test(arguments: understood) func `options, short and long, joined and apart`(
        _ words: [String], _ request: SupervisordArguments.Request
    ) throws {
        #expect(try parse(words) == request)
    }

    /// Recorded from supervisord 4.2.5.
    @Test(arguments: [
        (["-x"], "option -x not recognized"), (["-é"], "option -é not recognized"), (["-nx"], "option -x not recognized"),
        (["-c"], "option -c requires argument"), (["-nc"], "option -c requires argument"),
        (["--bogus"], "option --bogus not recognized"), (["--bogus=1"], "option --bogus not recognized"),
        (["--configuration"], "option --configuration requires argument"), (["--conf"], "option --configuration requires argument"),
        (["--log=x"], "option --log not a unique prefix"), (["--no"], "option --no not a unique prefix"),
        (["--nodaemon=1"], "option --nodaemon must not have an argument"), (["--nod=1"], "option --nodaemon must not have an argument"),
        (["foo"], "positional arguments are not supported: ['foo']"), (["-"], "positional arguments are not supported: ['-']"),
        (["-n", "it's", "-n"], "positional arguments are not supported: [\"it's\", '-n']"),
        (["--", "-n"], "positional arguments are not supported: ['-n']"),
        (["-h", "foo"], "positional arguments are not supported: ['foo']"),
        (["-n", "-n"], "conflicting command line option '-n'"),
        (["-c", "a", "--configuration=b"], "conflicting command line option '--configuration'"),
        (["-m", "9"], "invalid value for -m '9': 9 can not be converted to an octal type"),
        (["--umask=x"], "invalid value for --umask 'x': x can not be converted to an octal type"),
        (["-d", "/no"], "invalid value for -d '/no': /no is not an existing directory"),
        (["-l", "/no/x"], "invalid value for -l '/no/x': The directory named as part of the path /no/x does not exist"),
        (["-j", "/no/x"], "invalid value for -j '/no/x': The directory named as part of the path /no/x does not exist"),
        (["-q", "/no"], "invalid value for -q '/no': /no is not an existing directory"),
        (["-y", "5TB"], "invalid value for -y '5TB': invalid literal for int() with base 10: '5tb'"),
        (["-z", "x"], "invalid value for -z 'x': invalid literal for int() with base 10: 'x'"),
        (["-e", "warning"], "invalid value for -e 'warning': bad logging level name 'warning'"),
        (["-a", "x"], "invalid value for -a 'x': invalid literal for int() with base 10: 'x'"),
        (["--minprocs=x"], "invalid value for --minprocs 'x': invalid literal for int() with base 10: 'x'"),
        (["-m", "9", "-v"], "invalid value for -m '9': 9 can not be converted to an octal type"),
    ])
    func `mistakes are told in getopt's and supervisord's words`(_ words: [String], _ told: String) {
        #expect(throws: ConfigurationError(told)) { try parse(words) }
    }

    @Test func `the command line stands above the file`() throws {
        let text = "[supervisord]\nuser=ann\numask=011\nlogfile=/tmp/file.log\nloglevel=error\nidentifier=file\nminfds=7\nminprocs=8\n"
        guard
            case .run(let arguments) = try parse([
                "-n", "-s", "-k", "-t", "-u", "root", "-m", "077", "-d", "/var/log", "-l", "/tmp/c/../line.log", "-y", "1KB", "-z", "2",
                "-e", "debug", "-j",
                "line.pid", "-i", "line", "-q", "/dev", "-a", "70", "--minprocs=80",
            ])
        else { throw ConfigurationError("not a run") }
        let daemon = try configuration(text, arguments).daemon
        var expected = DaemonSettings()
        (expected.nodaemon, expected.silent, expected.nocleanup, expected.stripANSI) = (true, true, true, true)
        expected.user = UserID(name: "root", uid: 0, gid: 0)
        (expected.umask, expected.directory, expected.logfile) = (0o77, "/var/log", .file("/tmp/line.log"))
        (expected.logfileMaxbytes, expected.logfileBackups, expected.loglevel) = (1024, 2, .debug)
        (expected.pidfile, expected.identifier, expected.childlogdir) = ("/srv/line.pid", "line", "/dev")
        (expected.minfds, expected.minprocs) = (70, 80)
        #expect(daemon == expected)
    }

    @Test func `the file's mistakes stay mistakes, its unknown user does not`() throws {
        var arguments = SupervisordArguments()
        arguments.user = "root"
        arguments.loglevel = .info
        #expect(mistake(in: "[supervisord]\nloglevel=loud\n", arguments) == "bad logging level name 'loud'")
        #expect(mistake(in: "[supervisord]\nuser=nosuch\n", arguments) == nil)
        arguments.user = "nosuch"
        #expect(mistake(in: "[supervisord]\nuser=root\n", arguments) == "Invalid user name nosuch")
    }

    @Test func `a profile is not made, and that is told`() throws {
        var arguments = SupervisordArguments()
        arguments.profileOptions = "calls"
        let messages = try configuration("[supervisord]\n", arguments).messages
        #expect(messages == [ConfigurationMessage(.warn, "profile_options has no effect: there is no profiler here")])
    }

    @Test(arguments: [
        ("/usr/bin/supervisord", "/usr/etc/supervisord.conf", "/usr/supervisord.conf"),
        ("./supervisord", "etc/supervisord.conf", "supervisord.conf"),
        ("supervisord", "etc/supervisord.conf", "supervisord.conf"), ("/supervisord", "/etc/supervisord.conf", "/supervisord.conf"),
    ])
    func `a configuration is looked for beside the program, here, and in etc`(_ program: String, _ first: String, _ second: String) {
        let rest = ["supervisord.conf", "etc/supervisord.conf", "/etc/supervisord.conf", "/etc/supervisor/supervisord.conf"]
        #expect(ConfigurationSearch.paths(program: program) == [first, second] + rest)
    }

    @Test func `the first that exists is taken`() throws {
        let world = machine(["/etc/supervisord.conf": "", "/etc/supervisor/supervisord.conf": ""])
        #expect(try ConfigurationSearch.find(program: "/usr/bin/supervisord", world: world) == "/etc/supervisord.conf")
        let told =
            "No config file found at default paths (/usr/etc/supervisord.conf, /usr/supervisord.conf, supervisord.conf, "
            + "etc/supervisord.conf, /etc/supervisord.conf, /etc/supervisor/supervisord.conf); use the -c option to specify a config "
            + "file at a different path"
        #expect(throws: ConfigurationError(told)) { try ConfigurationSearch.find(program: "/usr/bin/supervisord", world: machine()) }
    }
}
