import Testing

@testable import Supervisor

/// Groups, several processes of one program, included files.
struct GroupConfigurationTests {
    private func names(_ text: String, files: [String: String] = [:]) throws -> [String] {
        try configuration("[supervisord]\n" + text, files: files).programs.map(\.fullName)
    }

    private let abc = "[program:a]\ncommand=a\n[program:b]\ncommand=b\n[program:c]\ncommand=c\n"

    @Test func `a program on its own is its own group`() throws {
        let groups = try configuration("[supervisord]\n[program:x]\ncommand=x\npriority=7\n").groups
        #expect(groups.map(\.name) == ["x"])
        #expect(groups.map(\.priority) == [7])
        #expect(groups.first?.programs.map(\.group) == ["x"])
    }

    @Test func `groups boot by priority, then by name`() throws {
        let text =
            "[program:z]\ncommand=z\npriority=1\n[program:b]\ncommand=b\n[program:B]\ncommand=B\n[program:a]\ncommand=a\npriority=-1\n"
        #expect(try names(text) == ["a", "z", "B", "b"])
    }

    @Test func `a claimed program is no group of its own`() throws {
        #expect(try names("[group:g]\nprograms=b, a\n\(abc)") == ["c", "g:b", "g:a"])
    }

    @Test func `in a group programs boot by priority, then as they are named`() throws {
        let text = "[group:g]\nprograms=c,b,a\n[program:a]\ncommand=a\npriority=1\n[program:b]\ncommand=b\n[program:c]\ncommand=c\n"
        #expect(try names(text) == ["g:a", "g:c", "g:b"])
    }

    @Test func `a group's priority is its own`() throws {
        let groups = try configuration(
            "[supervisord]\n[group:g]\nprograms=a\npriority=4\n[program:a]\ncommand=%(group_name)s\npriority=1\n"
        ).groups
        #expect(groups.map(\.priority) == [4])
        #expect(groups.first?.programs.map(\.priority) == [1])
        #expect(groups.first?.programs.map(\.command) == ["g"])
    }

    @Test func `two groups can hold the same program`() throws {
        #expect(try names("[group:g]\nprograms=a\n[group:h]\nprograms=a,b,c\n\(abc)") == ["g:a", "h:a", "h:b", "h:c"])
    }

    @Test func `a group without programs stays empty`() throws {
        let groups = try configuration("[supervisord]\n[group:g]\n").groups
        #expect(groups == [GroupSpec(name: "g", programs: [])])
    }

    @Test func `a program named twice is there once`() throws {
        let read = try configuration("[supervisord]\n[group:g]\nprograms=a,a\n[program:a]\ncommand=a\n")
        #expect(read.programs.map(\.fullName) == ["g:a"])
        #expect(read.messages == [])
    }

    @Test func `of two programs with one name in a group the last is used, and it is told`() throws {
        let text =
            "[supervisord]\n[group:g]\nprograms=a,b\n[program:a]\ncommand=a\nprocess_name=x\n[program:b]\ncommand=b\nprocess_name=x\n"
        let read = try configuration(text)
        #expect(read.programs.map(\.command) == ["b"])
        #expect(read.messages == [ConfigurationMessage(.warn, "In group 'g' there is more than one program 'x', the last is used")])
    }

    @Test func `of two groups with one name the first is used, and it is told`() throws {
        let read = try configuration("[supervisord]\n[group:b]\nprograms=a\npriority=1\n\(abc)")
        #expect(read.programs.map(\.fullName) == ["b:a", "c"])
        #expect(read.messages.map(\.level) == [.warn])
        #expect(read.messages.first?.text.contains("'b'") == true)
    }

    @Test func `numprocs makes as many processes, each with its number`() throws {
        let text =
            "[program:x]\ncommand=run %(process_num)d of %(numprocs)d\nnumprocs=3\nnumprocs_start=9\nprocess_name=%(program_name)s_%(process_num)02d\nenvironment=N=%(process_num)d\nstdout_logfile=/tmp/%(process_num)d\n"
        let programs = try configuration("[supervisord]\n" + text).programs
        #expect(programs.map(\.fullName) == ["x:x_09", "x:x_10", "x:x_11"])
        #expect(programs.map(\.command) == ["run 9 of 3", "run 10 of 3", "run 11 of 3"])
        #expect(programs.map { $0.environment["N"] } == ["9", "10", "11"])
        #expect(programs.map(\.stdout.destination) == [.file("/tmp/9"), .file("/tmp/10"), .file("/tmp/11")])
    }

    @Test func `processes stand by name, letter by letter`() throws {
        let text = "[program:x]\ncommand=x\nnumprocs=11\nprocess_name=%(process_num)d\n"
        #expect(try names(text) == ["0", "1", "10", "2", "3", "4", "5", "6", "7", "8", "9"].map { "x:\($0)" })
    }

    @Test(arguments: ["0", "-1"]) func `no processes at all need no command either`(_ count: String) throws {
        #expect(try names("[program:x]\nnumprocs=\(count)\n") == [])
    }

    @Test func `warnings are told for each process, as ever`() throws {
        let text = "[supervisord]\n[program:x]\ncommand=x\nnumprocs=2\nprocess_name=%(process_num)d\nstdout_logfile_maxbytes=0\n"
        #expect(try configuration(text).messages.count == 2)
    }

    @Test func `included files come in order, and each is told`() throws {
        let files = [
            "/tmp/c/inc/b.ini": "[program:b]\ncommand=%(here)s/b\n",
            "/tmp/c/inc/a.ini": "[program:a]\ncommand=a\n[program:x]\npriority=1\n",
            "/elsewhere/c.ini": "[program:c]\ncommand=%(here)s/c\n[include]\nfiles=/tmp/c/inc/never.ini\n",
            "/tmp/c/inc/never.ini.off": "[program:never]\ncommand=n\n",
        ]
        let text =
            "[supervisord]\n[include]\nfiles=%(here)s/inc/*.ini none/*.conf\n  /elsewhere/%(ENV_LETTER)s.ini\n[program:x]\ncommand=%(here)s/x\n"
        let read = try configuration(text, files: files, environment: ["LETTER": "c"])
        #expect(read.programs.map(\.name) == ["x", "a", "b", "c"])
        #expect(read.programs.map(\.command) == ["/tmp/c/x", "a", "/tmp/c/inc/b", "/elsewhere/c"])
        #expect(
            read.messages == [
                ConfigurationMessage(.warn, "No file matches via include \"/tmp/c/none/*.conf\""),
                ConfigurationMessage(.info, "Included extra file \"/tmp/c/inc/a.ini\" during parsing"),
                ConfigurationMessage(.info, "Included extra file \"/tmp/c/inc/b.ini\" during parsing"),
                ConfigurationMessage(.info, "Included extra file \"/elsewhere/c.ini\" during parsing"),
            ])
    }

    @Test func `an included directory is passed over`() throws {
        var world = machine([confPath: "[supervisord]\n[include]\nfiles=inc\n"])
        world.glob = { [$0] }
        let read = try SupervisordConfiguration.read(path: confPath, world: world)
        #expect(read.messages == [ConfigurationMessage(.info, "Included extra file \"/tmp/c/inc\" during parsing")])
    }

    @Test func `an included file can settle the supervisor's options`() throws {
        let files = ["/tmp/c/a.ini": "[supervisord]\nloglevel=debug\n[DEFAULT]\nstartsecs=4\n"]
        let read = try configuration("[supervisord]\nloglevel=warn\n[include]\nfiles=a.ini\n[program:x]\ncommand=x\n", files: files)
        #expect(read.daemon.loglevel == .debug)
        #expect(read.programs.map(\.startsecs) == [4])
    }

    @Test func `an included file with a mistake is told by its name`() {
        let files = ["/tmp/c/a.ini": "junk\n"]
        #expect(
            mistake(in: "[supervisord]\n[include]\nfiles=a.ini\n", files: files)
                == "File contains no section headers.\nfile: '/tmp/c/a.ini', line: 1\n'junk\\n'")
    }
}
