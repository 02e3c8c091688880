import Glibc
import Linux
import Supervisor
import Testing

extension EndToEnd {
    /// The faults of supervisord 4.2.5 (D1 to D17) and what users of such programs report (R1 to R46), each with the
    /// right behaviour, by the numbers of docs/supervise.md: what programs print.
    @Suite(.serialized, .enabled(if: SuperviseLab.missing == nil, "\(SuperviseLab.missing ?? "")"))
    struct SuperviseOutputTests {
        @Test("D6 R17: a reader of stdout that stops reading holds up neither control, restarts nor the end")
        func blockedStdout() throws {
            let lab = try SuperviseLab(
                """
                [program:a]
                command=/bin/sh -c "yes 0123456789012345678901234567890123456789 | head -c 4000000; sleep 100"
                stdout_logfile=/dev/stdout
                stdout_logfile_maxbytes=0
                [program:b]
                command=/bin/sleep 1.2
                autorestart=true
                """)
            let pipe = try Pipe.make()
            let pid = try lab.start(stdout: pipe.write.number, stderr: -1)
            usleep(4_000_000)
            let asked = MonotonicTime.now()
            #expect(try lab.control("status", ours: true).output.contains("RUNNING"))
            #expect(MonotonicTime.now() - asked < 1)
            let log = try text(of: lab.root + "/supervisord.log")
            #expect(log.split(separator: "\n").count { $0.contains("spawned: 'b'") } >= 3)
            kill(pid, SIGTERM)
            let ended = MonotonicTime.now()
            #expect(Spawner.reap(pid, wait: true)?.status == .code(0))
            #expect(MonotonicTime.now() - ended < 5)
        }

        @Test("R17: a reader that comes back gets whole lines, and is told once how many it missed")
        func stalledReaderReturns() throws {
            let lab = try SuperviseLab(
                """
                [program:a]
                command=/bin/sh -c "i=0; while [ $i -lt 60000 ]; do echo line-$i-line; i=$((i+1)); done; sleep 100"
                stdout_logfile=/dev/stdout
                stdout_logfile_maxbytes=0
                """)
            let pipe = try Pipe.make()
            let pid = try lab.start(stdout: pipe.write.number, stderr: -1)
            usleep(4_000_000)
            _ = fcntl(pipe.read.number, F_SETFL, O_NONBLOCK)
            kill(pid, SIGTERM)
            var all: [UInt8] = []
            var ended = false
            while !ended {
                ended = Spawner.reap(pid) != nil
                while let part = try? pipe.read.read(1 << 16), !part.isEmpty { all += part }
                usleep(20_000)
            }
            let lines = String(decoding: all, as: UTF8.self).split(separator: "\n")
            #expect(lines.count > 1000)
            for line in lines where line.contains("line") && !line.contains("[log]") && !line.contains("INFO") && !line.contains("WARN") {
                #expect(line.hasPrefix("line-") && line.hasSuffix("-line"), "\(line)")
            }
        }

        @Test("R17: a slow reader loses nothing")
        func slowReader() throws {
            let lab = try SuperviseLab(
                """
                [program:a]
                command=/bin/sh -c "yes 0123456789 | head -n 300000; echo the end; sleep 100"
                stdout_logfile=/dev/stdout
                stdout_logfile_maxbytes=0
                """)
            let pipe = try Pipe.make()
            let pid = try lab.start(stdout: pipe.write.number, stderr: -1)
            var all: [UInt8] = []
            let end = MonotonicTime.now() + 30
            while MonotonicTime.now() < end, !String(decoding: all.suffix(200), as: UTF8.self).contains("the end") {
                all += try pipe.read.read(40_000)
                usleep(2_000)
            }
            kill(pid, SIGTERM)
            _ = Spawner.reap(pid, wait: true)
            let lines = String(decoding: all, as: UTF8.self).split(separator: "\n")
            #expect(lines.count { $0 == "0123456789" } == 300_000)
            #expect(!lines.contains { $0.contains("dropped") })
        }

        @Test("D7 R18: readers of stdout and stderr that are gone cost nothing, and the end is orderly")
        func closedStdout() throws {
            let lab = try SuperviseLab(
                "[program:a]\ncommand=/bin/sh -c \"while sleep 0.1; do echo out; echo err >&2; done\"\nstdout_logfile=/dev/stdout\nstdout_logfile_maxbytes=0\nstderr_logfile=/dev/stderr\nstderr_logfile_maxbytes=0\n"
            )
            let pid: Int32
            do {
                let pipe = try Pipe.make()
                pid = try lab.start(stdout: pipe.write.number, stderr: pipe.write.number)
                usleep(500_000)
            }
            usleep(1_000_000)
            let before = ticks(pid)
            usleep(1_000_000)
            #expect(ticks(pid) - before <= 3)
            let log = try text(of: lab.root + "/supervisord.log")
            let line = try #require(log.split(separator: "\n").last { $0.contains("spawned: 'a'") })
            let child = try #require(Int32(line.split(separator: " ").last ?? ""))
            #expect(try lab.control("status", ours: true).output.contains("RUNNING"))
            kill(pid, SIGTERM)
            #expect(Spawner.reap(pid, wait: true)?.status == .code(0))
            #expect(!isAlive(child))
        }

        @Test("D16: a rotated log never grows beyond its size, and holds whole lines")
        func rotation() throws {
            let lab = try SuperviseLab(
                "[program:r]\ncommand=/bin/sh -c \"i=1000; while [ $i -lt 4000 ]; do echo line-$i; i=$((i+1)); done; sleep 100\"\nstdout_logfile=@D/r.log\nstdout_logfile_maxbytes=10KB\nstdout_logfile_backups=2\n"
            )
            try lab.start()
            try lab.wait(for: "success: r")
            var all: [Substring] = []
            for name in ["r.log.2", "r.log.1", "r.log"] {
                let content = try text(of: lab.root + "/" + name)
                #expect(content.utf8.count <= 10 << 10)
                all += content.split(separator: "\n")
            }
            #expect(all.last == "line-3999")
            let first = try #require(all.first.flatMap { Int($0.dropFirst(5)) })
            #expect(all.map(String.init) == (first..<4000).map { "line-\($0)" })
            #expect(access(lab.root + "/r.log.3", F_OK) != 0)
        }

        @Test("D17: a log file that is removed is made again")
        func removedLog() throws {
            let lab = try SuperviseLab("[program:t]\ncommand=/bin/sh -c \"while sleep 0.1; do echo tick; done\"\nstdout_logfile=@D/t.log\n")
            try lab.start()
            try lab.wait(for: "success: t")
            for name in ["t.log", "supervisord.log"] { unlink(lab.root + "/" + name) }
            try waitUntil(3, "t.log") { (try? text(of: lab.root + "/t.log").contains("tick")) == true }
            try lab.control("restart", "t")
            #expect(try text(of: lab.root + "/supervisord.log").contains("spawned: 't'"))
        }

        @Test("D6 R17: a terminal that shows nothing any more holds up neither control nor the end")
        func stalledTerminal() throws {
            let lab = try SuperviseLab(
                "[program:a]\ncommand=/usr/bin/yes 0123456789\nstdout_logfile=/dev/stdout\nstdout_logfile_maxbytes=0\n")
            // script(1) stops reading its terminal when nobody reads what it shows.
            let pipe = try Pipe.make()
            let script = try Spawner.spawn(
                path: "/usr/bin/script",
                arguments: ["script", "-qfc", "exec \(lab.root)/supervisord -n -c \(lab.configuration)", "/dev/null"],
                environment: ["SHELL": "/bin/sh", "PATH": "/usr/bin:/bin"], descriptors: [-1, pipe.write.number, pipe.write.number])
            defer {
                kill(script, SIGKILL)
                _ = Spawner.reap(script, wait: true)
            }
            usleep(2_000_000)
            let pid = try #require(Int32(try text(of: lab.root + "/supervisord.pid").filter(\.isNumber)))
            let asked = MonotonicTime.now()
            #expect(try lab.control("status", ours: true).output.contains("RUNNING"))
            #expect(MonotonicTime.now() - asked < 2)
            kill(pid, SIGTERM)
            try waitUntil(8, "the end") { !isAlive(pid) || processStatus(pid, "State").hasPrefix("Z") }
        }

        @Test("R13: what a program prints last, and while it stops, is all there")
        func lastOutput() throws {
            let lab = try SuperviseLab(
                """
                [program:last]
                command=/bin/sh -c "head -c 800000 /dev/zero | tr '\\000' x; echo; echo the-end"
                startsecs=0
                autorestart=false
                stdout_logfile=@D/last.log
                stdout_logfile_maxbytes=0
                [program:bye]
                command=/bin/sh -c "trap 'echo bye; exit 0' TERM; while :; do sleep 0.1; done"
                stdout_logfile=@D/bye.log
                """)
            try lab.start()
            try lab.wait(for: "success: bye")
            #expect(lab.stop().status == .code(0))
            #expect(try text(of: lab.root + "/last.log").utf8.count == 800_009)
            #expect(try text(of: lab.root + "/bye.log") == "bye\n")
        }

        @Test("R15 R16: /dev/stdout is the supervisor's own, whoever it belongs to, and never rotated")
        func inheritedStdout() throws {
            let lab = try SuperviseLab(
                "[program:o]\ncommand=/bin/sh -c \"echo hello; sleep 100\"\nstdout_logfile=/dev/stdout\n", daemon: "")
            try runTool(["chmod", "777", lab.root])
            try lab.start(["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"])
            try lab.wait(for: "success: o")
            #expect(lab.lines.contains("hello"))
            #expect(lab.count("CRIT Server") == 1 && lab.count("CRIT") == 1)
        }

        @Test("R19: a program that floods holds up neither restarts nor control")
        func flood() throws {
            let lab = try SuperviseLab(
                "[program:f]\ncommand=/usr/bin/yes\nstdout_logfile=/dev/null\nstdout_logfile_maxbytes=0\n[program:k]\ncommand=/bin/sleep 100\nautorestart=true\n"
            )
            try lab.start()
            try lab.wait(for: "success: k")
            kill(try lab.pid(of: "k"), SIGKILL)
            try lab.wait(for: "spawned: 'k'", times: 2, within: 3)
            #expect(try lab.control("status").output.contains("f                                RUNNING"))
        }

        @Test("R44: nothing a program prints gets into the supervisor's title")
        func title() throws {
            let lab = try SuperviseLab(
                "[program:a]\ncommand=/bin/sh -c \"echo needle >&2; sleep 100\"\nstderr_logfile=/dev/stderr\nstderr_logfile_maxbytes=0\n")
            let daemon = try lab.start()
            try lab.wait(for: "needle")
            #expect(try !text(of: "/proc/\(daemon.pid)/cmdline").contains("needle"))
        }

        @Test("whole lines: two programs that print parts of lines never mix them, with a prefix or without")
        func wholeLines() throws {
            for prefix in ["", "log_prefix=true\n"] {
                let program = { (name: String, letter: String) in
                    """
                    [program:\(name)]
                    command=/bin/sh -c "i=0; while [ $i -lt 200 ]; do printf \(letter)\(letter)\(letter); printf '\(letter)\(letter)\\n'; i=$((i+1)); done; printf tail-\(letter)"
                    startsecs=0
                    autorestart=false
                    stdout_logfile=/dev/stdout
                    stdout_logfile_maxbytes=0
                    \(prefix)
                    """
                }
                let lab = try SuperviseLab((program("a", "A") + program("b", "B")).replacing("%", with: "%%"))
                try lab.start()
                try lab.wait(for: "exited", times: 2)
                let head = prefix.isEmpty ? "" : "INFO"
                for letter in ["A", "B"] {
                    let whole = lab.lines.filter {
                        $0.hasSuffix(String(repeating: letter, count: 5))
                            && (head.isEmpty || $0.contains(" \(head) \(letter.lowercased()): "))
                    }
                    #expect(whole.count == 200)
                    #expect(lab.count("tail-\(letter)") == 1)
                }
                #expect(!lab.lines.contains { $0.contains("AB") || $0.contains("BA") })
            }
        }
    }
}
