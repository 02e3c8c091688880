import Glibc
import Linux
import Testing

@testable import Supervisor

/// With real processes. Serialized, because each looks at descriptors and children of this process.
@Suite(.serialized)
struct SpawnerTests: ~Copyable {
    let directory: String

    init() throws {
        var template = Array("/tmp/spawner-tests-XXXXXX".utf8CString)
        directory = String(cString: try #require(mkdtemp(&template)))
    }
    deinit {
        for name in (try? Directory(directory).names()) ?? [] {
            unlink("\(directory)/\(name)")
            rmdir("\(directory)/\(name)")
        }
        rmdir(directory)
    }

    func sleeper(_ descriptors: [Int32] = [-1, -1, -1]) throws -> Int32 {
        try Spawner.spawn(path: "/bin/sleep", arguments: ["sleep", "60"], environment: [:], descriptors: descriptors)
    }
    func end(_ pid: Int32) {
        kill(pid, SIGKILL)
        _ = Spawner.reap(pid, wait: true)
    }
    /// A file of the directory, with this content.
    func file(_ name: String, _ text: String, mode: UInt32) throws -> String {
        let file = try Directory(directory).open(name, flags: O_WRONLY | O_CREAT, mode: mode)
        try file.writeAll(Array(text.utf8))
        return "\(directory)/\(name)"
    }
    func status(_ pid: Int32) throws -> [String: String] {
        let bytes = try #require(try Directory("/proc/\(pid)").read("status"))
        let lines = String(decoding: bytes, as: UTF8.self).split(separator: "\n")
        return Dictionary(
            lines.map { line in
                let parts = line.split(separator: ":", maxSplits: 1)
                return (String(parts[0]), String((parts.dropFirst().first ?? "").drop { $0 == "\t" || $0 == " " }))
            }, uniquingKeysWith: { first, _ in first })
    }
    /// What a descriptor of a process leads to.
    func link(_ pid: Int32, _ number: Int) -> String {
        var text = [CChar](repeating: 0, count: 512)
        readlink("/proc/\(pid)/fd/\(number)", &text, 511)
        return string(in: text)
    }

    @Test func `a child begins with default signals and an empty mask, whatever its parent's are`() throws {
        var set = sigset_t()
        var before = sigset_t()
        sigemptyset(&set)
        for signal in [SIGTERM, SIGUSR1, SIGCHLD] { sigaddset(&set, signal) }
        pthread_sigmask(SIG_BLOCK, &set, &before)
        signal(SIGPIPE, SIG_IGN)
        defer { pthread_sigmask(SIG_SETMASK, &before, nil) }
        let pid = try sleeper()
        defer { end(pid) }
        let status = try status(pid)
        #expect(status["Name"] == "sleep")
        #expect(status["SigBlk"] == "0000000000000000")
        #expect(status["SigIgn"] == "0000000000000000")
        #expect(status["SigCgt"] == "0000000000000000")
    }

    @Test func `the parent's own mask is as before`() throws {
        var before = sigset_t()
        var after = sigset_t()
        pthread_sigmask(SIG_BLOCK, nil, &before)
        end(try sleeper())
        pthread_sigmask(SIG_BLOCK, nil, &after)
        for signal in Int32(1)...64 { #expect(sigismember(&before, signal) == sigismember(&after, signal)) }
    }

    @Test func `a child has the descriptors it is given and no other`() throws {
        // One that would be inherited: no close-on-exec, and a high number.
        let leak = fcntl(try Descriptor.open("/dev/zero", flags: O_RDONLY).release(), F_DUPFD, 900)
        #expect(leak >= 900)
        defer { close(leak) }
        let pipe = try Pipe.make()
        let pid = try sleeper([-1, pipe.write.number, pipe.write.number, pipe.read.number])
        defer { end(pid) }
        #expect(Set(try Directory("/proc/\(pid)/fd").names()) == ["0", "1", "2", "3"])
        #expect(link(pid, 0) == "/dev/null")
        #expect(link(pid, 1) == link(getpid(), Int(pipe.write.number)))
        #expect(link(pid, 1) == link(pid, 2))
        #expect(link(pid, 3) == link(getpid(), Int(pipe.read.number)))
    }

    @Test func `numbers that lie in each other's way are not mixed up`() throws {
        // Each source is another entry's place, so that a plain dup2 in order would lose one.
        let pid = try sleeper([2, 0, 1])
        defer { end(pid) }
        for (number, source) in [(0, 2), (1, 0), (2, 1)] { #expect(link(pid, number) == link(getpid(), source)) }
    }

    @Test func `a child leads a process group of its own`() throws {
        let pid = try sleeper()
        defer { end(pid) }
        #expect(getpgid(pid) == pid)
        #expect(getpgid(pid) != getpgrp())
    }

    @Test func `arguments, environment and directory arrive as they were given, and nothing else does`() throws {
        setenv("SPAWNER_TESTS_PARENT", "seen", 1)
        let pipe = try Pipe.make()
        let pid = try Spawner.spawn(
            path: "/bin/sh",
            arguments: ["sh", "-c", "printf '%s|' \"$@\" \"$X\" \"$SPAWNER_TESTS_PARENT\" \"$PWD\"", "zero", "a b", "é\"'", ""],
            environment: ["X": "1=2 3"], descriptors: [-1, pipe.write.number, 2], directory: directory)
        #expect(Spawner.reap(pid, wait: true)?.status == .code(0))
        #expect(String(decoding: try pipe.read.read(4096), as: UTF8.self) == "a b|é\"'||1=2 3||\(directory)|")
    }

    @Test(arguments: [
        ("exit 0", Ending.code(0)), ("exit 3", .code(3)), ("exit 255", .code(255)), ("kill -9 $$", .signal(9, core: false)),
        ("kill -15 $$", .signal(15, core: false)), ("kill -64 $$", .signal(64, core: false)),
    ])
    func `an end is told as it was`(script: String, status: Ending) throws {
        let pid = try Spawner.spawn(path: "/bin/sh", arguments: ["sh", "-c", script], environment: [:], descriptors: [-1, -1, -1])
        let ended = Spawner.reap(pid, wait: true)
        #expect(ended?.pid == pid)
        #expect(ended?.status == status)
    }

    @Test func `a child that lives is not reaped`() throws {
        let pid = try sleeper()
        #expect(Spawner.reap(pid) == nil)
        end(pid)
        #expect(Spawner.reap(pid) == nil)
    }

    func failure(_ path: String, in place: String? = nil) -> String? {
        do throws(Spawner.Failure) {
            let found = try Spawner.executable(ProgramSpec(name: "cat", arguments: [path], environment: ["PATH": "/nowhere:/bin"]))
            end(try Spawner.spawn(path: found, arguments: [path], environment: [:], descriptors: [-1, -1, -1], directory: place))
            return nil
        } catch { return error.description }
    }

    @Test func `what cannot be started is told in supervisord's words`() throws {
        #expect(failure("/no/such/cmd") == "can't find command '/no/such/cmd'")
        let plain = try file("noexec", "#!/bin/sh\n", mode: 0o644)
        #expect(failure(plain) == "command at '\(plain)' is not executable")
        #expect(failure(directory) == "command at '\(directory)' is a directory")
        #expect(failure("nosuchcmd") == "can't find command 'nosuchcmd'")
        #expect(failure("true") == nil)
        #expect(failure("/bin/true", in: "/no/such/dir") == "couldn't chdir to /no/such/dir: ENOENT")
    }

    @Test func `a command that is there is not called missing for want of its interpreter`() throws {
        let orphan = try file("orphan", "#!/no/such/interpreter\n", mode: 0o755)
        #expect(failure(orphan) == "couldn't exec \(orphan): ENOENT")
        let words = try file("words", "just words\n", mode: 0o755)
        #expect(failure(words) == "couldn't exec \(words): ENOEXEC")
    }

    @Test func `200 starts, good and bad, leave no descriptor behind`() throws {
        func open() throws -> [String] { try Directory("/proc/self/fd").names() }
        // The counter sees one.
        let one = try Descriptor.open("/dev/null", flags: O_RDONLY)
        let number = one.number
        #expect(try open().contains(String(number)))
        close(one.release())
        let before = try open().count
        for _ in 0..<100 {
            let pid = try Spawner.spawn(path: "/bin/true", arguments: ["true"], environment: [:], descriptors: [-1, -1, -1])
            _ = Spawner.reap(pid, wait: true)
            #expect(failure("/no/such/cmd") != nil)
        }
        // Tests beside this one open and close files too; what leaked stays, what they hold goes.
        var after = try open().count
        for _ in 0..<1000 where after > before {
            usleep(10_000)
            after = try open().count
        }
        #expect(after <= before)
    }
}
