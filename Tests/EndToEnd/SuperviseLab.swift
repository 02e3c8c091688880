import Glibc
import Linux
import Supervisor
import Testing

/// A supervisor of its own: its directory, its configuration, its output, and Debian's supervisorctl against it.
final class SuperviseLab {
    nonisolated(unsafe) private static var made = 0
    let root: String
    private(set) var daemon: Background?
    var configuration: String { root + "/c.conf" }
    var socket: String { root + "/s.sock" }
    static let realControl = "/usr/bin/supervisorctl"
    static let realDaemon = "/usr/bin/supervisord"

    static let missing: String? = {
        if geteuid() != 0 { return "needs root: other users, read-only mounts, limits" }
        for tool in [realControl, realDaemon, "/usr/bin/setpriv", "/usr/bin/prlimit", "/usr/bin/unshare"] where access(tool, X_OK) != 0 {
            return "needs \(tool) (make test installs it)"
        }
        return nil
    }()

    /// `programs` in the syntax of supervisord.conf; `@D` is the lab's directory.
    init(_ programs: String, daemon extra: String = "user=root", base: Bool = true) throws {
        Self.made += 1
        root = "/tmp/sensor-supervise-\(getpid())-\(Self.made)"
        try runTool(["mkdir", "-m", "755", root])
        for name in ["supervisord", "supervisorctl"] { symlink(Lab.sensorBinary, "\(root)/\(name)") }
        let head = """
            [supervisord]
            nodaemon=true
            logfile=@D/supervisord.log
            pidfile=@D/supervisord.pid
            childlogdir=@D
            \(extra)
            [unix_http_server]
            file=@D/s.sock
            [rpcinterface:supervisor]
            supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface
            [supervisorctl]
            serverurl=unix://@D/s.sock

            """
        try rewrite((base ? head : "") + programs)
    }
    deinit {
        daemon?.end(SIGTERM, within: 5)
        daemon?.end(SIGKILL)
        if getenv("SENSOR_TEST_KEEP") == nil { _ = try? runTool(["rm", "-rf", root], mayFail: true) }
    }

    func rewrite(_ text: String) throws { try write(text.replacing("@D", with: root), to: configuration) }

    /// Started as the name `supervisord`, in the lab's directory. `before` are words of a command that starts it.
    @discardableResult
    func start(_ before: [String] = [], environment: [String: String] = [:], words: [String]? = nil, real: Bool = false) throws
        -> Background
    {
        let words = words ?? [real ? Self.realDaemon : root + "/supervisord", "-n", "-c", configuration]
        let command = before + words
        let path = command[0].hasPrefix("/") ? command[0] : "/usr/bin/" + command[0]
        var all = ["TZ": "UTC", "HOME": "/root", "PYTHONUNBUFFERED": "1"]
        for (name, value) in environment { all[name] = value }
        let started = try Background([path] + command.dropFirst(), environment: all, log: root + "/out.txt")
        daemon = started
        return started
    }
    /// With descriptors of its own; the caller reaps it.
    func start(stdout: Int32, stderr: Int32) throws -> Int32 {
        try Spawner.spawn(
            path: root + "/supervisord", arguments: ["supervisord", "-n", "-c", configuration], environment: [:],
            descriptors: [-1, stdout, stderr])
    }
    var output: String { daemon?.output ?? "" }
    var lines: [String] { output.split(separator: "\n").map(String.init) }
    func wait(for words: String, times: Int = 1, within seconds: Double = 15) throws {
        try waitUntil(seconds, "'\(words)' \(times) times; \(output.suffix(3000))") { count(words) >= times }
    }
    func count(_ words: String) -> Int { lines.count { $0.contains(words) } }

    /// Pid by the last `spawned:` line.
    func pid(of program: String) throws -> Int32 {
        let line = try #require(lines.last { $0.contains("spawned: '\(program)' with pid ") })
        return try #require(Int32(line.split(separator: " ").last ?? ""))
    }

    /// Debian's supervisorctl, or ours.
    @discardableResult
    func control(_ words: String..., ours: Bool = false) throws -> (status: Ending, output: String) {
        let program = ours ? root + "/supervisorctl" : Self.realControl
        return try runTool([program, "-c", configuration] + words, mayFail: true)
    }

    func stop(within seconds: Double = 15) -> (status: Ending?, seconds: Double) { daemon?.end(SIGTERM, within: seconds) ?? (nil, 0) }
}

func isAlive(_ pid: Int32) -> Bool { kill(pid, 0) == 0 }

/// A line of /proc/PID/status.
func processStatus(_ pid: Int32, _ name: String) -> String {
    let line = ((try? text(of: "/proc/\(pid)/status")) ?? "").split(separator: "\n").first { $0.hasPrefix(name + ":") }
    return line.map { String($0.dropFirst(name.count + 1)).filter { !$0.isWhitespace } } ?? ""
}

/// Hundredths of a second of CPU that a process has used.
func ticks(_ pid: Int32) -> Int {
    let fields = ((try? text(of: "/proc/\(pid)/stat")) ?? "").split(separator: ")").last?.split(separator: " ") ?? []
    return fields.count > 12 ? (Int(fields[11]) ?? 0) + (Int(fields[12]) ?? 0) : 0
}
