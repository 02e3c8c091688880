import Testing

@testable import Supervisor

private let s = "[supervisord]\n"
private let p = "[supervisord]\n[program:x]\ncommand=/bin/cat\n"
private let x = " in section 'program:x' (file: '/tmp/c/s.conf')"

/// Each text was recorded from supervisord 4.2.5 for the same file, user database and environment.
struct ConfigurationMistakeTests {
    struct Case: Sendable, CustomTestStringConvertible {
        let what: String, text: String, answer: String
        init(_ what: String, _ text: String, _ answer: String) { (self.what, self.text, self.answer) = (what, text, answer) }
        var testDescription: String { what }
    }

    static let cases: [Case] = [
        Case(
            "no section header", "x=1\n",
            "File contains no section headers.\nfile: '/tmp/c/s.conf', line: 1\n'x=1\\n'"),
        Case(
            "a header below what is no comment", "; fine\n\n  junk\n[supervisord]\n",
            "File contains no section headers.\nfile: '/tmp/c/s.conf', line: 3\n'  junk\\n'"),
        Case(
            "lines without a value", "\(s)junk\nmore\n\n=x\n",
            "Source contains parsing errors: '/tmp/c/s.conf'\n\t[line  2]: 'junk\\n'\n\t[line  3]: 'more\\n'\n\t[line  5]: "
                + "'=x\\n'"),
        Case(
            "tenth line", "\(s)\n\n\n\n\n\n\n\njunk\n",
            "Source contains parsing errors: '/tmp/c/s.conf'\n\t[line 10]: 'junk\\n'"),
        Case(
            "no supervisord section", "[program:x]\ncommand=/bin/cat\n",
            ".ini file does not include supervisord section"),
        Case(
            "an include without files", "\(s)[include]\nx=1\n",
            ".ini file has [include] section, but no files setting"),
        Case(
            "no command", "\(s)[program:x]\n",
            "program section program:x does not specify a command\(x)"),
        Case(
            "a boolean", "\(p)autostart=maybe\n",
            "not a valid boolean value: 'maybe'\(x)"),
        Case(
            "a boolean of the supervisor's", "\(s)nodaemon=maybe\n",
            "not a valid boolean value: 'maybe'"),
        Case(
            "a fraction", "\(p)startsecs=1.5\n",
            "invalid literal for int() with base 10: '1.5'\(x)"),
        Case(
            "a priority", "\(p)priority=high\n",
            "invalid literal for int() with base 10: 'high'"),
        Case(
            "a group's priority", "\(s)[group:g]\npriority=high\nprograms=x\n[program:x]\ncommand=/bin/cat\n",
            "invalid literal for int() with base 10: 'high'"),
        Case(
            "a size", "\(p)stdout_logfile_maxbytes=5TB\n",
            "invalid literal for int() with base 10: '5tb'\(x)"),
        Case(
            "a signal's name", "\(p)stopsignal=NOPE\n",
            "value 'NOPE' is not a valid signal name\(x)"),
        Case(
            "a signal's number", "\(p)stopsignal=35\n",
            "value '35' is not a valid signal number\(x)"),
        Case(
            "an exit code", "\(p)exitcodes=0,300\n",
            "not a valid list of exit codes: '0,300'\(x)"),
        Case(
            "exit codes", "\(p)exitcodes=0;1\n",
            "not a valid list of exit codes: '0;1'\(x)"),
        Case(
            "autorestart", "\(p)autorestart=Never\n",
            "invalid 'autorestart' value 'never'\(x)"),
        Case(
            "a user's name", "\(p)user=nosuchuser\n",
            "Invalid user name nosuchuser\(x)"),
        Case(
            "a user's number", "\(p)user=99999\n",
            "Invalid user id 99999\(x)"),
        Case(
            "the supervisor's user", "\(s)user=nosuchuser\n",
            "Invalid user name nosuchuser"),
        Case(
            "an umask", "\(p)umask=9\n",
            "9 can not be converted to an octal type\(x)"),
        Case(
            "a level", "\(s)loglevel=warning\n",
            "bad logging level name 'warning'"),
        Case(
            "a log's directory", "\(p)stdout_logfile=/no/such/dir/x.log\n",
            "The directory named as part of the path /no/such/dir/x.log does not exist\(x)"),
        Case(
            "the main log's directory", "\(s)logfile=/no/such/dir/x.log\n",
            "The directory named as part of the path /no/such/dir/x.log does not exist"),
        Case(
            "the pidfile's directory", "\(s)pidfile=/no/such/dir/x.pid\n",
            "The directory named as part of the path /no/such/dir/x.pid does not exist"),
        Case(
            "a directory", "\(s)directory=/no/such\n",
            "/no/such is not an existing directory"),
        Case(
            "the child logs' directory", "\(s)childlogdir=/no/such\n",
            "/no/such is not an existing directory"),
        Case(
            "a blank in a program's name", "\(s)[program:a b]\ncommand=x\n",
            "Invalid name: 'a b' because of character: ' '"),
        Case(
            "a slash in a group's name", "\(s)[group:a/b]\nprograms=x\n[program:x]\ncommand=/bin/cat\n",
            "Invalid name: 'a/b' because of character: '/'"),
        Case(
            "a colon in a process' name", "\(p)process_name=a:b\n",
            "Invalid name: 'a:b' because of character: ':'\(x)"),
        Case(
            "numprocs without process_num", "\(p)numprocs=2\n",
            "%(process_num) must be present within process_name when numprocs > 1\(x)"),
        Case(
            "stopasgroup without killasgroup", "\(p)stopasgroup=true\nkillasgroup=false\n",
            "Cannot set stopasgroup=true and killasgroup=false\(x)"),
        Case(
            "a lone percent", "\(s)[program:x]\ncommand=/bin/date +%Y\n",
            "Format string '/bin/date +%Y' for 'program:x.command' is badly formatted: unsupported format character 'Y' "
                + "(0x59) at index 12\(x)"),
        Case(
            "a lone percent after a name", "\(s)[program:x]\ncommand=%(here)s/date +%Y\n",
            "Format string '%(here)s/date +%Y' for 'program:x.command' is badly formatted: not enough arguments for format "
                + "string\(x)"),
        Case(
            "a percent at the end", "\(s)[program:x]\ncommand=100%\n",
            "Format string '100%' for 'program:x.command' is badly formatted: incomplete format\(x)"),
        Case(
            "an open name", "\(s)[program:x]\ncommand=%(here\n",
            "Format string '%(here' for 'program:x.command' is badly formatted: incomplete format key\(x)"),
        Case(
            "a text as a number", "\(s)[program:x]\ncommand=%(here)d\n",
            "Format string '%(here)d' for 'program:x.command' is badly formatted: %d format: a real number is required, "
                + "not str\(x)"),
        Case(
            "an unknown name", "\(s)[program:x]\ncommand=%(ENV_NOPE)s\n",
            "Format string '%(ENV_NOPE)s' for 'program:x.command' contains names ('ENV_NOPE') which cannot be expanded. "
                + "Available names: ENV_HOME, ENV_LANG, ENV_PATH, group_name, here, host_node_name, numprocs, process_num, "
                + "program_name\(x)"),
        Case(
            "an unknown name of the supervisor's", "\(s)logfile=%(program_name)s\n",
            "Format string '%(program_name)s' for 'supervisord.logfile' contains names ('program_name') which cannot be "
                + "expanded. Available names: ENV_HOME, ENV_LANG, ENV_PATH, here"),
        Case(
            "a name a group does not know", "\(s)[group:g]\nprograms=%(program_name)s\n",
            "Format string '%(program_name)s' for 'group:g.programs' contains names ('program_name') which cannot be "
                + "expanded. Available names: ENV_HOME, ENV_LANG, ENV_PATH, here"),
        Case(
            "process_num before numprocs is known", "\(p)umask=%(process_num)d\n",
            "Format string '%(process_num)d' for 'program:x.umask' contains names ('process_num') which cannot be "
                + "expanded. Available names: ENV_HOME, ENV_LANG, ENV_PATH, group_name, here, host_node_name, program_name\(x)"),
        Case(
            "pairs cut short", "\(p)environment=A=1,B\n",
            "Unexpected end of key/value pairs in value 'A=1,B'\(x)"),
        Case(
            "pairs with an at sign", "\(p)environment=A=user@host\n",
            "Unexpected end of key/value pairs in value 'A=user@host'\(x)"),
        Case(
            "an open quotation in the environment", "\(p)environment=A=\"x\n",
            "No closing quotation\(x)"),
        Case(
            "the supervisor's pairs", "\(s)environment=A\n",
            "Unexpected end of key/value pairs in value 'A'"),
        Case(
            "a percent in the environment", "\(p)environment=A=50%\n",
            "Format string 'A=50%' for 'environment' is badly formatted: incomplete format\(x)"),
        Case(
            "the supervisor's environment is expanded twice", "\(s)environment=A=\"50%%\"\n",
            "Format string 'A=\"50%\"' for 'environment' is badly formatted: unsupported format character '\"' (0x22) at "
                + "index 6"),
        Case(
            "a log's name is expanded twice", "\(p)stdout_logfile=/tmp/%%.log\n",
            "Format string '/tmp/%.log' for 'stdout_logfile' is badly formatted: %o format: an integer is required, not "
                + "dict\(x)"),
        Case(
            "a socket without a file", "\(s)[unix_http_server]\n",
            "section [unix_http_server] has no file value"),
        Case(
            "half an authentication", "\(s)[unix_http_server]\nfile=/tmp/s\nusername=u\n",
            "Section [unix_http_server] contains incomplete authentication: If a username or a password is specified, both "
                + "the username and password must be specified"),
        Case(
            "an unknown owner", "\(s)[unix_http_server]\nfile=/tmp/s\nchown=nosuch:root\n",
            "Invalid sockchown value nosuch:root"),
        Case(
            "an unknown group", "\(s)[unix_http_server]\nfile=/tmp/s\nchown=root:nosuch\n",
            "Invalid sockchown value root:nosuch"),
        Case(
            "a mode", "\(s)[unix_http_server]\nfile=/tmp/s\nchmod=0999\n",
            "Invalid chmod value 0999"),
        Case(
            "an interface without a factory", "\(s)[rpcinterface:supervisor]\n",
            "section [rpcinterface:supervisor] does not specify a supervisor.rpcinterface_factory"),
        Case(
            "an unknown factory", "\(s)[rpcinterface:other]\nsupervisor.rpcinterface_factory=nosuch.module:make\n",
            "nosuch.module:make cannot be resolved within [rpcinterface:other]"),
        Case(
            "a capture size", "\(p)stdout_capture_maxbytes=lots\n",
            "invalid literal for int() with base 10: 'lots'\(x)"),
        Case(
            "an event switch", "\(p)stderr_events_enabled=maybe\n",
            "not a valid boolean value: 'maybe'\(x)"),
        Case(
            "minfds", "\(s)minfds=many\n",
            "invalid literal for int() with base 10: 'many'"),
        Case(
            "the supervisor's umask", "\(s)umask=rw\n",
            "rw can not be converted to an octal type"),
        Case(
            "backups", "\(p)stderr_logfile_backups=x\n",
            "invalid literal for int() with base 10: 'x'\(x)"),
        Case(
            "syslog", "\(p)stdout_syslog=x\n",
            "not a valid boolean value: 'x'\(x)"),
        Case(
            "numprocs_start", "\(p)numprocs_start=x\n",
            "invalid literal for int() with base 10: 'x'\(x)"),
        Case(
            "the first mistake is told", "\(p)startsecs=x\nautostart=y\n",
            "not a valid boolean value: 'y'\(x)"),
    ]

    @Test(arguments: cases) func `a mistake is told in supervisord's words`(_ one: Case) {
        #expect(mistake(in: one.text) == one.answer)
    }

    @Test func `a group that names an unknown program is told by its own name`() {
        // The original names the program it read last instead.
        let text = "\(p)[group:g]\nprograms=x,zz\n"
        #expect(mistake(in: text) == "[group:g] names unknown program or fcgi-program zz")
    }

    @Test func `a mistake in an included file names that file`() {
        let files = ["/tmp/c/inc/a.ini": "[program:y]\ncommand=y\nstartsecs=z\n"]
        #expect(
            mistake(in: "\(s)[include]\nfiles=inc/a.ini\n", files: files)
                == "invalid literal for int() with base 10: 'z' in section 'program:y' (file: '/tmp/c/inc/a.ini')")
    }

    @Test func `a section that an include only adds to belongs to the main file`() {
        let files = ["/tmp/c/inc/a.ini": "[program:x]\nstartsecs=z\n"]
        #expect(
            mistake(in: "\(p)[include]\nfiles=inc/a.ini\n", files: files) == "invalid literal for int() with base 10: 'z'\(x)")
    }

    @Test(arguments: [
        ("eventlistener:crashmail", "command=c\nevents=PROCESS_STATE", "event listeners"),
        ("fcgi-program:php", "command=c\nsocket=tcp://localhost:1", "FastCGI"),
        ("inet_http_server", "port=127.0.0.1:9001", "[unix_http_server]"),
        ("inet_http_server:two", "port=9001", "[unix_http_server]"),
    ])
    func `what is left out is named, with what to use instead`(_ section: String, _ options: String, _ instead: String) throws {
        let told = try #require(mistake(in: "\(p)[\(section)]\n\(options)\n"))
        #expect(told.hasPrefix("section [\(section)] is left out here: "))
        #expect(told.contains(instead))
        #expect(!told.contains("\n"))
    }

    @Test func `a second control socket is refused`() {
        let text = "\(s)[unix_http_server]\nfile=/tmp/a\n[unix_http_server:b]\nfile=/tmp/b\n"
        #expect(mistake(in: text) == "section [unix_http_server:b] is left out here: there is one control socket only")
    }

    @Test(arguments: ["0", "-5", "soon"])
    func `a longest wait below a second is refused`(_ value: String) throws {
        let told = try #require(mistake(in: "\(p)max_backoff=\(value)\n"))
        #expect(told.hasSuffix(x))
        #expect(told.contains(value))
    }

    @Test func `a file that is not there or cannot be read`() {
        #expect(throws: ConfigurationError("could not find config file /etc/none.conf")) {
            try SupervisordConfiguration.read(path: "/etc/none.conf", world: machine())
        }
        #expect(throws: ConfigurationError("could not read config file /tmp/c")) {
            try SupervisordConfiguration.read(path: "/tmp/c", world: machine())
        }
    }
}
