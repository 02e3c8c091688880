import Glibc
import Linux
import Supervisor
import Testing

extension EndToEnd {
    /// The faults of supervisord 4.2.5 (D1 to D17) and what users of such programs report (R1 to R46), each with the
    /// right behaviour, by the numbers of docs/supervise.md: signals, clocks, and the end.
    @Suite(.serialized, .enabled(if: SuperviseLab.missing == nil, "\(SuperviseLab.missing ?? "")"))
    struct SuperviseEndTests {
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
            .enabled(if: SuperviseEndTests.faketime != nil, "needs libfaketime (make test installs it)"))
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
    }
}
