import Testing

@testable import Supervisor

/// `[supervisord]`, `[unix_http_server]`, `[rpcinterface:x]` and `[supervisorctl]`.
struct DaemonConfigurationTests {
    @Test func `an empty section brings supervisord's defaults`() throws {
        let read = try configuration("[supervisord]\n")
        var daemon = DaemonSettings()
        daemon.logfile = .file("/srv/supervisord.log")
        daemon.pidfile = "/srv/supervisord.pid"
        #expect(read.daemon == daemon)
        #expect(daemon.logfileMaxbytes == 52_428_800 && daemon.logfileBackups == 10 && daemon.loglevel == .info)
        #expect(daemon.umask == 0o22 && !daemon.nodaemon && !daemon.silent && daemon.minfds == 1024 && daemon.minprocs == 200)
        #expect(!daemon.nocleanup && daemon.childlogdir == "/tmp" && daemon.user == nil && daemon.directory == nil)
        #expect(!daemon.stripANSI && daemon.environment == [:] && daemon.identifier == "supervisor")
        #expect(!daemon.exitOnFatal && daemon.maxBackoff == nil && !daemon.logPrefix)
        #expect(read.groups == [] && read.server == nil && read.control == ControlClient() && read.messages == [])
    }

    @Test func `every option has its place`() throws {
        let daemon = try configuration(
            """
            [supervisord]
            logfile=%(here)s/inc/../s.log
            logfile_maxbytes=1KB
            logfile_backups=3
            loglevel=Debug
            pidfile=~ann/s.pid
            umask=077
            nodaemon=yes
            silent=on
            minfds=10
            minprocs=20
            nocleanup=true
            childlogdir=/var/log
            user=nobody
            directory=%(here)s
            strip_ansi=1
            environment=A=1
            identifier=mine %(ENV_HOME)s
            """, files: [:]
        ).daemon
        var expected = DaemonSettings()
        expected.logfile = .file("/tmp/c/s.log")
        (expected.logfileMaxbytes, expected.logfileBackups, expected.loglevel) = (1024, 3, .debug)
        (expected.pidfile, expected.umask, expected.nodaemon, expected.silent) = ("/home/ann/s.pid", 0o77, true, true)
        (expected.minfds, expected.minprocs, expected.nocleanup, expected.childlogdir) = (10, 20, true, "/var/log")
        expected.user = UserID(name: "nobody", uid: 65534, gid: 65534)
        (expected.directory, expected.stripANSI, expected.environment, expected.identifier) = ("/tmp/c", true, ["A": "1"], "mine /root")
        #expect(daemon == expected)
    }

    @Test(
        arguments: [
            ("/dev/stdout", .descriptor(1)), ("/dev/fd/2", .descriptor(2)), ("/proc/self/fd/1", .descriptor(1)), ("syslog", .syslog),
            ("NONE", .file("/srv/NONE")), ("/dev/null", .file("/dev/null")),
        ] as [(String, DaemonSettings.Log)])
    func `where the main log goes`(_ text: String, _ log: DaemonSettings.Log) throws {
        #expect(try configuration("[supervisord]\nlogfile=\(text)\n").daemon.logfile == log)
    }

    @Test func `a user can be a number`() throws {
        #expect(try configuration("[supervisord]\nuser=0\n").daemon.user == UserID(name: "root", uid: 0, gid: 0))
    }

    @Test func `child logs go where temporary files go`() throws {
        #expect(try configuration("[supervisord]\n", environment: ["TMPDIR": "/var/log"]).daemon.childlogdir == "/var/log")
        #expect(try configuration("[supervisord]\n", environment: ["TMPDIR": "/nowhere", "TMP": "/dev"]).daemon.childlogdir == "/dev")
        var bare = machine([confPath: "[supervisord]\n"])
        bare.isDirectory = { _ in false }
        #expect(bare.temporaryDirectory == "/srv", "a machine without /tmp is no reason not to start")
    }

    @Test func `a control socket is its owner's alone unless told otherwise`() throws {
        #expect(try configuration("[supervisord]\n[unix_http_server]\nfile=%(here)s/s.sock\n").server == UnixServer(file: "/tmp/c/s.sock"))
        #expect(UnixServer(file: "/x").chmod == 0o700)
    }

    @Test func `a control socket's every option has its place`() throws {
        let text =
            "[supervisord]\n[unix_http_server]\nfile=~/s.sock\nchmod=0770\nchown=ann:adm\nusername=u%%\npassword={SHA}82ab876d1387bfafe46cc1c8a2ef074eae50cb1d\n"
        var expected = UnixServer(file: "/root/s.sock")
        (expected.chmod, expected.chown) = (0o770, UnixServer.Owner(uid: 1000, gid: 4))
        (expected.username, expected.password) = ("u%", "{SHA}82ab876d1387bfafe46cc1c8a2ef074eae50cb1d")
        #expect(try configuration(text).server == expected)
    }

    @Test(arguments: [
        ("ann", UnixServer.Owner(uid: 1000, gid: nil)), ("1000", .init(uid: 1000, gid: nil)), ("0:4", .init(uid: 0, gid: 4)),
        ("root:root", .init(uid: 0, gid: 0)),
    ])
    func `a control socket's owner`(_ text: String, _ owner: UnixServer.Owner) throws {
        #expect(try configuration("[supervisord]\n[unix_http_server]\nfile=s\nchown=\(text)\n").server?.chown == owner)
    }

    @Test func `the one control interface is accepted`() throws {
        let text =
            "[supervisord]\n[rpcinterface:supervisor]\nsupervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface\n"
        #expect(try configuration(text).messages == [])
    }

    private let control = "[supervisorctl]\nserverurl=unix://%(here)s/../s.sock\nusername=u\npassword=p%%\nprompt=mine\nhistory_file=~/.h\n"

    @Test func `the control command's options, with the whole configuration or alone`() throws {
        var expected = ControlClient()
        (expected.serverURL, expected.username, expected.password) = ("unix:///tmp/s.sock", "u", "p%")
        (expected.prompt, expected.historyFile) = ("mine", "/root/.h")
        #expect(try configuration("[supervisord]\n" + control).control == expected)
        #expect(try ControlClient.read(path: "../tmp/c/s.conf", world: machine(["../tmp/c/s.conf": control])) == expected)
    }

    @Test func `the control command does not care about programs`() throws {
        let text = "[program:x]\nautostart=maybe\n[supervisorctl]\nserverurl=http://localhost:9001\n"
        #expect(try ControlClient.read(path: confPath, world: machine([confPath: text])) == ControlClient())
    }

    @Test func `the supervisor does not care about the control command's mistakes`() throws {
        #expect(try configuration("[supervisord]\n[supervisorctl]\nprompt=%(none)s\n").control == ControlClient())
    }

    @Test(arguments: [
        ("[x]\n", ".ini file does not include supervisorctl section"),
        (
            "[supervisorctl]\nprompt=%(here)s\n",
            "Format string '%(here)s' for 'supervisorctl.prompt' contains names ('here') which cannot be expanded. "
                + "Available names: ENV_HOME, ENV_LANG, ENV_PATH"
        ),
    ])
    func `the control command's own mistakes`(_ text: String, _ told: String) {
        #expect(throws: ConfigurationError(told)) { try ControlClient.read(path: confPath, world: machine([confPath: text])) }
    }

    @Test func `the control command needs a file it can read`() {
        #expect(throws: ConfigurationError("could not find config file /no")) { try ControlClient.read(path: "/no", world: machine()) }
        #expect(throws: ConfigurationError("could not read config file /tmp")) { try ControlClient.read(path: "/tmp", world: machine()) }
    }
}
