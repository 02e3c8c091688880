import Glibc
import Linux
import Supervisor
import Testing

extension EndToEnd {
    /// The faults of supervisord 4.2.5 (D1 to D17) and what users of such programs report (R1 to R46), each with the
    /// right behaviour, by the numbers of docs/supervise.md: processes: how they start, run, and what they leave.
    @Suite(.serialized, .enabled(if: SuperviseLab.missing == nil, "\(SuperviseLab.missing ?? "")"))
    struct SuperviseProcessTests {
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
    }
}
