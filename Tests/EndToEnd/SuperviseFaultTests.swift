import Glibc
import Linux
import Supervisor
import Testing

extension EndToEnd {
    /// The faults of supervisord 4.2.5 (D1 to D17) and what users of such programs report (R1 to R46), each with the
    /// right behaviour. The numbers are those of docs/supervise.md.
    @Suite(.serialized, .enabled(if: SuperviseLab.missing == nil, "\(SuperviseLab.missing ?? "")"))
    struct SuperviseFaultTests {
        @Test("D1 R7: signals that come at once are all heard: HUP and TERM end it, whatever runs")
        func signalsTogether() throws {
            for programs in ["[program:a]\ncommand=/bin/sleep 100\nautostart=false\n", "[program:a]\ncommand=/bin/sleep 100\n"] {
                let lab = try SuperviseLab(programs)
                let daemon = try lab.start()
                try lab.wait(for: "started with pid")
                usleep(300_000)
                for signal in [SIGUSR2, SIGHUP, SIGTERM] { daemon.send(signal) }
                try daemon.waitForEnd(within: 10)
                #expect(daemon.status == .code(0))
                #expect(lab.count("received SIGTERM indicating exit request") == 1)
                #expect(lab.count("received SIGUSR2 indicating log reopen request") == 1)
            }
        }

        @Test(
            "D2 R25: a wall clock that jumps neither kills nor promotes anything",
            .enabled(if: SuperviseFaultTests.faketime != nil, "needs libfaketime (make test installs it)"))
        func clockJumps() throws {
            let lab = try SuperviseLab(
                """
                [program:s]
                command=/bin/sh -c "trap '' TERM; while :; do sleep 0.2; done"
                startsecs=3
                stopwaitsecs=4
                """)
            let clock = lab.root + "/clock"
            try write("+0s", to: clock)
            try lab.start(environment: [
                "LD_PRELOAD": Self.faketime ?? "", "FAKETIME_TIMESTAMP_FILE": clock, "FAKETIME_NO_CACHE": "1", "DONT_FAKE_MONOTONIC": "1",
                "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            ])
            try lab.wait(for: "spawned: 's'")
            let start = MonotonicTime.now()
            try write("+3600s", to: clock)
            usleep(1_000_000)
            #expect(lab.count("success: s") == 0)
            try lab.wait(for: "success: s")
            #expect(MonotonicTime.now() - start > 2.5)
            #expect(try lab.control("status").output.contains("uptime 0:00:0"))
            let asked = MonotonicTime.now()
            lab.daemon?.send(SIGTERM)
            try write("+7200s", to: clock)
            usleep(1_500_000)
            #expect(lab.count("SIGKILL") == 0)
            try write("-7200s", to: clock)
            try lab.daemon?.waitForEnd(within: 15)
            #expect(lab.count("killing 's'") == 1)
            #expect(MonotonicTime.now() - asked > 3.5)
        }
        static let faketime: String? = [
            "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1", "/usr/lib/aarch64-linux-gnu/faketime/libfaketime.so.1",
        ]
        .first { access($0, R_OK) == 0 }

        @Test("D3 R32: a program the supervisor may not signal is UNKNOWN, and its end is an ordinary one")
        func unknownState() throws {
            let lab = try SuperviseLab(
                "[program:su]\ncommand=@D/other -e \"$<=0; sleep 100\"\nautorestart=false\n", daemon: "")
            // Root's by its set-user-id bit, under a supervisor that is nobody.
            try runTool(["install", "-m", "4755", "/usr/bin/perl", lab.root + "/other"])
            try runTool(["chmod", "777", lab.root])
            try lab.start(["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"])
            try lab.wait(for: "success: su")
            let pid = try lab.pid(of: "su")
            let refused = try lab.control("stop", "su", ours: true)
            #expect(refused.status == .code(1), "\(refused.output)")
            #expect(try lab.control("status").output.contains("UNKNOWN"))
            kill(pid, SIGKILL)
            try lab.wait(for: "exited: su (terminated by SIGKILL; not expected)")
            #expect(try lab.control("status").output.contains("EXITED"))
            #expect(lab.stop().status == .code(0))
        }

        @Test("D4 R24: where no process can be made it is said, tried again, costs no CPU, and control answers at once")
        func noProcesses() throws {
            let lab = try SuperviseLab("[program:a]\ncommand=/bin/sleep 100\nstartretries=1\n", daemon: "minprocs=1")
            try runTool(["chmod", "777", lab.root])
            let daemon = try lab.start(["setpriv", "--reuid=daemon", "--regid=daemon", "--clear-groups", "prlimit", "--nproc=1:1"])
            try lab.wait(for: "spawnerr: Too many processes in process table to spawn 'a'", times: 2)
            try lab.wait(for: "gave up: a")
            let before = ticks(daemon.pid)
            let answer = try lab.control("status", ours: true)
            #expect(answer.output.contains("503"), "\(answer.output)")
            usleep(2_000_000)
            #expect(ticks(daemon.pid) - before <= 5, "hundredths of a second of CPU in two seconds")
            #expect(lab.stop().status == .code(0))
        }
        func ticks(_ pid: Int32) -> Int {
            let fields = ((try? text(of: "/proc/\(pid)/stat")) ?? "").split(separator: ")").last?.split(separator: " ") ?? []
            return fields.count > 12 ? (Int(fields[11]) ?? 0) + (Int(fields[12]) ?? 0) : 0
        }

        @Test("D5: what dies at once is never called a success")
        func noPhantomSuccess() throws {
            let programs = (0..<20).map { "[program:q\($0)]\ncommand=/bin/sh -c \"exit 1\"\nstartretries=1\n" }.joined()
            let lab = try SuperviseLab(programs)
            try lab.start()
            try lab.wait(for: "gave up", times: 20)
            #expect(lab.count("success") == 0)
            #expect(lab.count("spawned") == 40)
            #expect(lab.stop().status == .code(0))
        }

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

        @Test("D8 D9 R11 R12 R22: a program gets descriptors 0 to 2, no blocked and no ignored signal, and a pipe that can break")
        func cleanStart() throws {
            let lab = try SuperviseLab(
                "[program:a]\ncommand=/bin/sh -c \"yes | head -1; echo done; sleep 100\"\nstdout_logfile=/dev/stdout\nstdout_logfile_maxbytes=0\n"
            )
            try lab.start([
                "/bin/sh", "-c", "trap '' PIPE HUP; exec 7</etc/hostname 9</etc/hostname; exec \"$@\"", "sh",
            ])
            try lab.wait(for: "done")
            #expect(lab.lines.contains("y") && lab.lines.contains("done"))
            let pid = try lab.pid(of: "a")
            let open = try Directory("/proc/\(pid)/fd").names().filter { name in
                var target = [CChar](repeating: 0, count: 256)
                readlink("/proc/\(pid)/fd/\(name)", &target, 255)
                return !string(in: target).hasPrefix("/bin") && !string(in: target).contains("sh")
            }
            #expect(Set(open) == ["0", "1", "2"])
            #expect(processStatus(pid, "SigBlk") == "0000000000000000")
            #expect(processStatus(pid, "SigIgn") == "0000000000000000")
        }

        @Test("D10 R37: with nothing writable it starts all the same and says what it does without")
        func readOnly() throws {
            let lab = try SuperviseLab(
                "[supervisord]\nnodaemon=true\nuser=root\nlogfile=/proc/nope.log\npidfile=/proc/nope.pid\nchilddir=/proc\n[program:a]\ncommand=/bin/sleep 100\n",
                base: false)
            try lab.start([
                "unshare", "-m", "/bin/sh", "-c",
                "mount --make-rprivate /; for m in / /tmp /run /dev/shm; do mount --bind $m $m 2>/dev/null; mount -o remount,bind,ro $m; done; exec \"$@\"",
                "sh",
            ])
            try lab.wait(for: "success: a")
            #expect(lab.count("CRIT could not write pidfile /proc/nope.pid") == 1)
            #expect(lab.count("WARN cannot write /proc/nope.log") == 1)
            #expect(lab.stop().status == .code(0))
        }

        @Test("D11 R28: with exit_on_fatal it ends with 1 when nothing is left that can run; without, it stays and ends with 0")
        func exitOnFatal() throws {
            let programs =
                "[program:f]\ncommand=/bin/sh -c \"exit 1\"\nstartretries=0\n[program:g]\ncommand=/bin/sleep 2\nautorestart=false\n"
            let ends = try SuperviseLab(programs, daemon: "user=root\nexit_on_fatal=true")
            let daemon = try ends.start()
            try ends.wait(for: "success: g")
            #expect(!daemon.hasEnded, "one of two still runs")
            try daemon.waitForEnd(within: 10)
            #expect(daemon.status == .code(1))
            #expect(ends.count("CRIT") >= 1)
            let stays = try SuperviseLab(programs)
            try stays.start()
            try stays.wait(for: "exited: g")
            usleep(500_000)
            #expect(stays.daemon?.hasEnded == false)
            #expect(stays.stop().status == .code(0))
        }

        @Test("D12: priority counts inside a group too, at the start")
        func groupPriority() throws {
            let member = { (name: String, priority: Int) in "[program:\(name)]\ncommand=/bin/sleep 100\npriority=\(priority)\n" }
            let lab = try SuperviseLab("[group:g]\nprograms=hi,lo,mid\n" + member("hi", 30) + member("lo", 10) + member("mid", 20))
            try lab.start()
            try lab.wait(for: "spawned", times: 3)
            let order = lab.lines.filter { $0.contains("spawned") }.map { $0.split(separator: "'")[1] }
            #expect(order == ["lo", "mid", "hi"])
        }

        @Test("D13: a program that goes into the background by itself is said to, once")
        func daemonizing() throws {
            let lab = try SuperviseLab(
                "[program:d]\ncommand=/bin/sh -c \"setsid sleep 4 & sleep 1.1\"\nautorestart=true\n")
            try lab.start()
            try lab.wait(for: "exited: d (exit status 0; expected)", times: 2)
            #expect(lab.count("left pid") == 1)
            let line = try #require(lab.lines.first { $0.contains("left pid") })
            #expect(line.contains("WARN d (pid ") && line.contains("let it run in the foreground"))
        }

        @Test("D14 R30: a stop leaves nothing of the process group, and waits for it")
        func groupIsStopped() throws {
            let lab = try SuperviseLab(
                """
                [program:g]
                command=/bin/sh -c "(trap 'sleep 0.5; exit 0' TERM; while :; do sleep 0.1; done) & echo $! > @D/inner; wait"
                [program:stubborn]
                command=/bin/sh -c "(trap '' TERM; while :; do sleep 0.1; done) & echo $! > @D/deaf; wait"
                stopwaitsecs=1
                """)
            try lab.start()
            try lab.wait(for: "success: stubborn")
            for (program, file) in [("g", "inner"), ("stubborn", "deaf")] {
                let inner = try #require(Int32(try text(of: "\(lab.root)/\(file)").filter(\.isNumber)))
                #expect(isAlive(inner))
                #expect(try lab.control("stop", program).output == "\(program): stopped\n")
                #expect(!isAlive(inner), "\(program)")
            }
        }

        @Test("D15: after the request for the end nothing is started any more")
        func noStartAfterTheEnd() throws {
            let lab = try SuperviseLab(
                (0..<10).map { "[program:b\($0)]\ncommand=/bin/sh -c \"exit 1\"\nstartretries=100\n" }.joined()
                    + "[program:slow]\ncommand=/bin/sh -c \"trap 'sleep 1; exit' TERM; while :; do sleep 0.1; done\"\n")
            try lab.start()
            usleep(1_500_000)
            #expect(lab.stop().status == .code(0))
            let after = lab.lines.drop { !$0.contains("received SIGTERM") }
            #expect(!after.isEmpty && !after.contains { $0.contains("spawned") })
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

        @Test("R1 R2 R3 R38: orphans are reaped and named, the supervisor lives on, and it need not be process 1")
        func orphans() throws {
            let lab = try SuperviseLab(
                "[program:o]\ncommand=/bin/sh -c \"i=0; while [ $i -lt 150 ]; do (sh -c 'sleep 0.3; exit 3' &); i=$((i+1)); done; sleep 100\"\n"
            )
            let daemon = try lab.start()
            try lab.wait(for: "success: o")
            try lab.wait(for: "(exit status 3)")
            try waitUntil(5, "no zombie is left") { zombies(of: daemon.pid) == 0 && children(of: daemon.pid) == 1 }
            #expect(lab.count("reaped unknown pid") >= 1)
            #expect(!daemon.hasEnded)
        }
        func children(of pid: Int32) -> Int {
            ((try? text(of: "/proc/\(pid)/task/\(pid)/children")) ?? "").split(separator: " ").count
        }
        func zombies(of pid: Int32) -> Int {
            ((try? text(of: "/proc/\(pid)/task/\(pid)/children")) ?? "").split(separator: " ")
                .count { Int32($0).map { processStatus($0, "State").hasPrefix("Z") } ?? false }
        }

        @Test("R5 R6: equal priorities are stopped together, and the end comes when the last is reaped")
        func stoppedTogether() throws {
            let lab = try SuperviseLab(
                ["a", "b", "c"].map {
                    "[program:\($0)]\ncommand=/bin/sh -c \"trap '' TERM; while :; do sleep 0.1; done\"\nstopwaitsecs=2\nkillasgroup=true\n"
                }.joined())
            try lab.start()
            try lab.wait(for: "success", times: 3)
            let ended = lab.stop()
            #expect(ended.status == .code(0))
            #expect(ended.seconds < 4)
            #expect(lab.count("killing '") == 3)
            let willing = try SuperviseLab("[program:a]\ncommand=/bin/sleep 100\n")
            try willing.start()
            try willing.wait(for: "success")
            #expect(willing.stop().seconds < 1)
        }

        @Test("priorities stop in order: the higher one is gone before the lower one is told")
        func stoppedInOrder() throws {
            let slow = "command=/bin/sh -c \"trap 'sleep 0.5; exit 0' TERM; while :; do sleep 0.1; done\"\n"
            let lab = try SuperviseLab("[program:late]\n\(slow)priority=1\n[program:early]\n\(slow)priority=2\n")
            try lab.start()
            try lab.wait(for: "success", times: 2)
            #expect(lab.stop().status == .code(0))
            let order = lab.lines.filter { $0.contains("stopped: ") }.map { $0.contains("early") ? "early" : "late" }
            #expect(order == ["early", "late"])
        }

        @Test("R8: HUP while it ends is ignored in words, and the end stays the end")
        func hangupAtTheEnd() throws {
            let lab = try SuperviseLab("[program:s]\ncommand=/bin/sh -c \"trap 'sleep 1; exit 0' TERM; while :; do sleep 0.1; done\"\n")
            let daemon = try lab.start()
            try lab.wait(for: "success: s")
            daemon.send(SIGTERM)
            try lab.wait(for: "waiting for s to die")
            daemon.send(SIGHUP)
            try daemon.waitForEnd(within: 10)
            #expect(daemon.status == .code(0))
            #expect(lab.count("WARN ignored SIGHUP indicating restart request (shutdown in progress)") == 1)
            #expect(lab.count("started with pid") == 1)
        }

        @Test("HUP starts everything anew in the same process; a configuration that cannot be used keeps what runs")
        func hangup() throws {
            let lab = try SuperviseLab("[program:a]\ncommand=/bin/sleep 100\n")
            let daemon = try lab.start()
            try lab.wait(for: "success: a")
            let good = try text(of: lab.configuration)
            try write(good + "[program:b]\nautostart=true\n", to: lab.configuration)
            daemon.send(SIGHUP)
            try lab.wait(for: "ERRO not restarted")
            #expect(isAlive(try lab.pid(of: "a")))
            try write(good + "[program:b]\ncommand=/bin/sleep 100\n", to: lab.configuration)
            daemon.send(SIGHUP)
            try lab.wait(for: "spawned: 'b'")
            #expect(lab.count("supervisord started with pid \(daemon.pid)") == 2)
            #expect(lab.stop().status == .code(0))
        }

        @Test("R11 R12: started with signals ignored, as shells and nohup do it, it hears them all the same")
        func inheritedDispositions() throws {
            let lab = try SuperviseLab("[program:a]\ncommand=/bin/sleep 100\nautorestart=true\n")
            let daemon = try lab.start(["/bin/sh", "-c", "trap '' CHLD TERM INT QUIT HUP USR2; exec \"$@\"", "sh"])
            try lab.wait(for: "success: a")
            kill(try lab.pid(of: "a"), SIGKILL)
            try lab.wait(for: "exited: a (terminated by SIGKILL; not expected)")
            try lab.wait(for: "spawned: 'a'", times: 2)
            daemon.send(SIGHUP)
            try lab.wait(for: "started with pid", times: 2)
            #expect(lab.stop().status == .code(0))
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

        @Test("D3: at the end nobody waits for a program that may not be signalled")
        func unknownAtTheEnd() throws {
            let lab = try SuperviseLab(
                "[program:su]\ncommand=@D/other -e \"$<=0; sleep 100\"\npriority=999\n[program:low]\ncommand=/bin/sleep 100\npriority=1\n",
                daemon: "")
            try runTool(["install", "-m", "4755", "/usr/bin/perl", lab.root + "/other"])
            try runTool(["chmod", "777", lab.root])
            try lab.start(["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"])
            try lab.wait(for: "success", times: 2)
            let pid = try lab.pid(of: "su")
            #expect(lab.stop(within: 5).status == .code(0))
            #expect(lab.count("stopped: low") == 1)
            #expect(isAlive(pid))
            kill(pid, SIGKILL)
        }

        @Test("no descriptor for a connection costs no CPU, and it is served when there is one again")
        func noDescriptorForConnection() throws {
            let lab = try SuperviseLab("[program:a]\ncommand=/bin/sleep 100\n")
            let daemon = try lab.start()
            try lab.wait(for: "success: a")
            let open = Set(try Directory("/proc/\(daemon.pid)/fd").names())
            let free = try #require((0...).first { !open.contains(String($0)) })
            try runTool(["prlimit", "--pid", "\(daemon.pid)", "--nofile=\(free):1024"])
            let client = try Background([lab.root + "/supervisorctl", "-c", lab.configuration, "status"], log: lab.root + "/client.txt")
            usleep(500_000)
            let before = ticks(daemon.pid)
            usleep(1_000_000)
            #expect(ticks(daemon.pid) - before <= 3)
            try runTool(["prlimit", "--pid", "\(daemon.pid)", "--nofile=1024:1024"])
            try client.waitForEnd(within: 5)
            #expect(client.output.contains("RUNNING"))
        }

        @Test("a pidfile that is another's, or a device, is left alone")
        func foreignPidfile() throws {
            let lab = try SuperviseLab("[program:a]\ncommand=/bin/sleep 100\n", daemon: "")
            try runTool(["chmod", "777", lab.root])
            try write("12345\n", to: lab.root + "/supervisord.pid", mode: 0o600)
            try lab.start(["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"])
            try lab.wait(for: "could not write pidfile")
            #expect(lab.stop().status == .code(0))
            #expect(try text(of: lab.root + "/supervisord.pid") == "12345\n")
        }

        @Test("R11: SIGPWR, as LXC sends it, ends it as TERM does")
        func powerFailure() throws {
            let lab = try SuperviseLab("[program:a]\ncommand=/bin/sleep 100\n")
            let daemon = try lab.start()
            try lab.wait(for: "success: a")
            #expect(daemon.end(SIGPWR).status == .code(0))
            #expect(lab.count("received SIGPWR indicating exit request") == 1)
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

        @Test("R21: restarts, re-opened logs and control connections leave no descriptor behind")
        func descriptorsStay() throws {
            let lab = try SuperviseLab(
                "[program:a]\ncommand=/bin/sleep 100\nstdout_logfile=@D/a.log\n[program:b]\ncommand=/bin/sh -c \"exit 1\"\nstartretries=0\n"
            )
            let daemon = try lab.start()
            try lab.wait(for: "success: a")
            func open() throws -> Int { try Directory("/proc/\(daemon.pid)/fd").names().count }
            try lab.control("restart", "a", ours: true)
            let before = try open()
            for _ in 0..<10 {
                daemon.send(SIGUSR2)
                try lab.control("restart", "a", ours: true)
                try lab.control("start", "b", ours: true)
                try lab.control("stop", "a", ours: true)
                try lab.control("start", "a", ours: true)
            }
            try waitUntil(3, "\(before) descriptors again") { try open() <= before }
        }

        @Test("R24: too few descriptors are an ordinary failure to start")
        func fewDescriptors() throws {
            let lab = try SuperviseLab(
                (0..<20).map { "[program:p\($0)]\ncommand=/bin/sleep 100\nstartretries=0\n" }.joined(), daemon: "user=root\nminfds=10")
            try lab.start(["prlimit", "--nofile=30:30"])
            try lab.wait(for: "spawnerr: too many open files to spawn 'p")
            #expect(lab.count("spawned") >= 1)
            #expect(lab.stop().status == .code(0))
        }

        @Test("R26: startsecs=0 makes no restart storm")
        func noStorm() throws {
            let lab = try SuperviseLab("[program:z]\ncommand=/bin/true\nstartsecs=0\nautorestart=true\n")
            try lab.start()
            usleep(3_500_000)
            #expect((3...5).contains(lab.count("spawned")), "\(lab.output)")
        }

        @Test("R39: what is not its own is never signalled")
        func strangersLive() throws {
            let stranger = try Spawner.spawn(path: "/bin/sleep", arguments: ["sleep", "100"], environment: [:], descriptors: [-1, -1, -1])
            defer {
                kill(stranger, SIGKILL)
                _ = Spawner.reap(stranger, wait: true)
            }
            let lab = try SuperviseLab("[program:a]\ncommand=/bin/sleep 100\n")
            try lab.start()
            try lab.wait(for: "success: a")
            #expect(lab.stop().status == .code(0))
            #expect(isAlive(stranger))
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
