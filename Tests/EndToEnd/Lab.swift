import Glibc
import Linux
import Spool
import Supervisor
import Testing

/// What these tests need: root, for namespaces, sshd and packet sockets.
enum Needs {
    static let missing: String? = {
        if geteuid() != 0 { return "needs root: network namespaces, sshd and packet sockets" }
        for tool in ["/usr/sbin/sshd", "/usr/bin/ssh-keygen", "/usr/sbin/ip", "/usr/sbin/tc"]
        where access(tool, X_OK) != 0 && access("/bin" + tool.dropFirst(9), X_OK) != 0 {
            return "needs \(tool) (make test installs it)"
        }
        return nil
    }()
}

struct LabError: Error, CustomStringConvertible {
    let description: String
}

/// Runs a program to its end. Returns exit status and output.
@discardableResult
func runTool(_ arguments: [String], environment: [String: String] = [:], mayFail: Bool = false) throws -> (status: Ending, output: String) {
    var environment = environment
    environment["PATH"] = environment["PATH"] ?? "/usr/sbin:/usr/bin:/sbin:/bin"
    let path =
        arguments[0].hasPrefix("/")
        ? arguments[0]
        : ["/usr/sbin/", "/usr/bin/", "/sbin/", "/bin/"].map { $0 + arguments[0] }.first { access($0, X_OK) == 0 } ?? arguments[0]
    var template = Array("/tmp/sensor-output-XXXXXX".utf8CString)
    let file = mkstemp(&template)
    defer {
        close(file)
        unlink(template)
    }
    let pid = try Spawner.spawn(path: path, arguments: arguments, environment: environment, descriptors: [-1, file, file])
    guard let ended = Spawner.reap(pid, wait: true) else { throw LabError(description: "\(arguments) was reaped by somebody else") }
    lseek(file, 0, SEEK_SET)
    var output: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 65_536)
    while true {
        let got = read(file, &buffer, buffer.count)
        if got <= 0 { break }
        output += buffer[..<got]
    }
    let text = String(decoding: output, as: UTF8.self)
    if !mayFail, ended.status != .code(0) { throw LabError(description: "\(arguments.joined(separator: " ")): \(ended.status): \(text)") }
    return (ended.status, text)
}

func waitUntil(_ seconds: Double, _ what: @autoclosure () -> String, _ condition: () throws -> Bool) throws {
    let end = MonotonicTime.now() + seconds
    while MonotonicTime.now() < end {
        if try condition() { return }
        usleep(20_000)
    }
    throw LabError(description: "not within \(seconds) s: \(what())")
}

/// A program in the background, its output in a file.
final class Background {
    let pid: Int32
    let log: String
    private(set) var status: Ending?

    init(_ arguments: [String], environment: [String: String] = [:], log: String) throws {
        self.log = log
        let file = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o644)
        defer { close(file) }
        var environment = environment
        environment["PATH"] = "/usr/sbin:/usr/bin:/sbin:/bin"
        pid = try Spawner.spawn(path: arguments[0], arguments: arguments, environment: environment, descriptors: [-1, file, file])
    }
    deinit { end(SIGKILL) }

    var output: String { (try? text(of: log)) ?? "" }
    var hasEnded: Bool {
        if status == nil { status = Spawner.reap(pid)?.status }
        return status != nil
    }
    func send(_ signal: Int32) { if !hasEnded { kill(pid, signal) } }

    /// Signals, waits, and returns how it ended and after how many seconds.
    @discardableResult
    func end(_ signal: Int32, within seconds: Double = 15) -> (status: Ending?, seconds: Double) {
        let start = MonotonicTime.now()
        send(signal)
        while !hasEnded, MonotonicTime.now() - start < seconds { usleep(5_000) }
        return (status, MonotonicTime.now() - start)
    }
    func waitForEnd(within seconds: Double) throws { try waitUntil(seconds, "the end of pid \(pid); \(output.suffix(2000))") { hasEnded } }
}

func text(of path: String) throws -> String { String(decoding: try bytes(of: path), as: UTF8.self) }
func bytes(of path: String) throws -> [UInt8] {
    let file = try Descriptor.open(path, flags: O_RDONLY)
    var all: [UInt8] = []
    while true {
        let part = try file.read(1 << 20)
        if part.isEmpty { return all }
        all += part
    }
}
func write(_ text: String, to path: String, mode: UInt32 = 0o644) throws {
    let file = try Descriptor.open(path, flags: O_WRONLY | O_CREAT | O_TRUNC, mode: mode)
    try file.writeAll(Array(text.utf8))
}

/// Two hosts of its own: the sensor's namespace and the drop box's, joined by a veth pair; an sshd in the latter.
final class Lab {
    nonisolated(unsafe) private static var made = 0
    static let sensorAddress = "10.77.0.1"
    static let boxAddress = "10.77.0.2"
    static let port = 2222

    let root: String
    let sensorSpace: String, boxSpace: String
    let interface: String
    let boxInterface: String
    var data: String { root + "/data" }
    var drop: String { root + "/drop" }
    var knownHosts: String { data + "/known_hosts" }
    private var sshd: Background?
    private var sensor: Background?
    private var runs = 0
    private var hasNetem = false

    init() throws {
        if let missing = Needs.missing { throw LabError(description: missing) }
        Self.made += 1
        let unique = "\(getpid())-\(Self.made)"
        root = "/tmp/sensor-lab-\(unique)"
        sensorSpace = "sensor-\(unique)-s"
        boxSpace = "sensor-\(unique)-b"
        interface = "cap\(Self.made)"
        boxInterface = "box\(Self.made)"
        try runTool(["mkdir", "-p", root, drop])
        try runTool(["chmod", "755", root])
        try runTool(["chown", "nobody", drop])
        for space in [sensorSpace, boxSpace] { try runTool(["ip", "netns", "add", space]) }
        try connect()
        try runTool(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", root + "/host_key"])
        try runTool(["mkdir", "-p", "/run/sshd"])
        try write(
            """
            Port \(Self.port)
            ListenAddress \(Self.boxAddress)
            HostKey \(root)/host_key
            PidFile none
            UsePAM no
            StrictModes no
            PasswordAuthentication no
            AuthorizedKeysFile \(root)/authorized_keys
            Subsystem sftp internal-sftp
            LogLevel VERBOSE
            MaxStartups 100:30:200

            """, to: root + "/sshd_config")
    }

    deinit {
        sensor?.end(SIGKILL)
        sshd?.end(SIGKILL)
        for pid in processes(in: [sensorSpace, boxSpace]) { kill(pid, SIGKILL) }
        for space in [sensorSpace, boxSpace] { _ = try? runTool(["ip", "netns", "del", space], mayFail: true) }
        _ = try? runTool(["umount", "-q", drop], mayFail: true)
        _ = try? runTool(["umount", "-q", data + "/spool"], mayFail: true)
        if getenv("SENSOR_TEST_KEEP") == nil { _ = try? runTool(["rm", "-rf", root], mayFail: true) }
    }

    func connect() throws {
        try runTool(["ip", "-n", sensorSpace, "link", "add", interface, "type", "veth", "peer", "name", boxInterface, "netns", boxSpace])
        for (space, name, address) in [(sensorSpace, interface, Self.sensorAddress), (boxSpace, boxInterface, Self.boxAddress)] {
            try runTool(["ip", "-n", space, "address", "add", "\(address)/24", "dev", name])
            try runTool(["ip", "-n", space, "link", "set", name, "up"])
            try runTool(["ip", "-n", space, "link", "set", "lo", "up"])
        }
        try runTool(["ip", "-n", sensorSpace, "route", "add", "default", "via", Self.boxAddress])
    }
    /// Takes both ends of the cable away.
    func cutCable() throws { try runTool(["ip", "-n", sensorSpace, "link", "del", interface]) }

    /// All processes that live in these namespaces.
    func processes(in spaces: [String]) -> [Int32] {
        spaces.flatMap { space -> [Int32] in
            let output = (try? runTool(["ip", "netns", "pids", space], mayFail: true).output) ?? ""
            return output.split(separator: "\n").compactMap { Int32($0) }
        }
    }

    // MARK: the drop box

    func startServer() throws {
        sshd = try Background(
            ["/usr/sbin/ip", "netns", "exec", boxSpace, "/usr/sbin/sshd", "-D", "-e", "-f", root + "/sshd_config"], log: root + "/sshd.log")
        try waitUntil(5, "sshd listens") {
            try runTool(["ip", "netns", "exec", boxSpace, "ss", "-Hltn", "sport", "= :\(Self.port)"]).output.contains("LISTEN")
        }
    }
    /// Ends the server and every session of it.
    func stopServer() {
        sshd?.end(SIGKILL)
        for pid in processes(in: [boxSpace]) { kill(pid, SIGKILL) }
        sshd = nil
    }
    func authorize() throws {
        let line = try runTool(sensorCommand(["print-key", "--authorized-keys", drop]), environment: environment()).output
        try write(line, to: root + "/authorized_keys")
    }

    var delivered: [String] { ((try? Directory(drop).names()) ?? []).filter { $0.hasSuffix(".pcap") && !$0.hasPrefix(".") }.sorted() }
    var waiting: [String] {
        ((try? Directory(data + "/spool").names()) ?? []).filter { $0.hasSuffix(".pcap") && !$0.hasPrefix(".") }.sorted()
    }

    // MARK: the sensor

    static let binaries: String = {
        var buffer = [CChar](repeating: 0, count: 4096)
        readlink("/proc/self/exe", &buffer, 4095)
        let exe = string(in: buffer)
        return String(exe[..<(exe.lastIndex(of: "/") ?? exe.startIndex)])
    }()
    static var sensorBinary: String { getenv("SENSOR_BINARY").map { String(cString: $0) } ?? binaries + "/sensor" }

    func sensorCommand(_ arguments: [String]) -> [String] { ["/usr/sbin/ip", "netns", "exec", sensorSpace, Self.sensorBinary] + arguments }

    func environment(_ changes: [String: String] = [:]) -> [String: String] {
        var out = [
            "SENSOR_DATA_DIR": data, "PCAP_INTERFACE": interface, "PCAP_FILE_SIZE": "1", "PCAP_SENSOR_NAME": "lab", "PCAP_RING_BYTES": "8M",
            "SCP_TARGET": "nobody@\(Self.boxAddress):\(drop)", "SCP_ARGUMENTS": "-P \(Self.port)", "SENSOR_SPOOL_FREE": "0", "TZ": "UTC",
            "SENSOR_SOCKET": data + "/control.sock",
        ]
        for (name, value) in changes { out[name] = value.isEmpty ? nil : value }
        return out
    }

    @discardableResult
    func startSensor(_ changes: [String: String] = [:], waitForCapture: Bool = true) throws -> Background {
        runs += 1
        let started = try Background(sensorCommand(["run"]), environment: environment(changes), log: root + "/sensor-\(runs).log")
        sensor = started
        if waitForCapture {
            try waitUntil(20, "capturing; \(started.output)") { started.output.contains("capturing on ") || started.hasEnded }
            if started.hasEnded { throw LabError(description: "sensor ended: \(started.output)") }
        }
        return started
    }

    func sendPackets(_ count: Int, perSecond: Int = 5000, size: Int = 64, to address: String = sensorAddress) throws {
        try runTool(generator(count, perSecond, size, address))
    }
    func sendPacketsInBackground(_ count: Int, perSecond: Int, size: Int = 64) throws -> Background {
        try Background(generator(count, perSecond, size), log: root + "/generator.log")
    }
    /// On one processor: what a sender that moves has sent may arrive in another order.
    private func generator(_ count: Int, _ perSecond: Int, _ size: Int, _ address: String = sensorAddress) -> [String] {
        [
            "/usr/sbin/ip", "netns", "exec", boxSpace, "taskset", "-c", Self.processor, Self.binaries + "/packet-generator", address,
            "4242",
            "\(count)", "\(perSecond)", "\(size)",
        ]
    }
    private static let processor = String(processStatus(getpid(), "Cpus_allowed_list").prefix { $0.isNumber })

    /// Nothing that the box sends arrives any more: `tc netem loss 100%`, or where the kernel has none a route into
    /// nothing.
    func cutNetwork() throws {
        let result = try runTool(
            ["tc", "-n", boxSpace, "qdisc", "add", "dev", boxInterface, "root", "netem", "loss", "100%"], mayFail: true)
        hasNetem = result.status == .code(0)
        if !hasNetem { try runTool(["ip", "-n", boxSpace, "route", "add", "blackhole", "\(Self.sensorAddress)/32"]) }
    }
    func mendNetwork() throws {
        try runTool(
            hasNetem
                ? ["tc", "-n", boxSpace, "qdisc", "del", "dev", boxInterface, "root"]
                : ["ip", "-n", boxSpace, "route", "del", "blackhole", "\(Self.sensorAddress)/32"])
    }

    /// Waits until the generator's last packet is at the drop box: a loaded machine may take its time.
    func waitForLast(_ number: Int, _ sensor: Background, in directory: String? = nil, within seconds: Double = 60) throws {
        try waitUntil(seconds, "packet \(number) at the drop box; \(sensor.output.suffix(3000))") {
            (try? DropBoxContents(directory ?? drop))?.numbers.last?.number == number
        }
    }

    /// Waits until the spool is empty and nothing is being written but what is needed.
    func waitForDelivery(_ seconds: Double = 30, _ sensor: Background) throws {
        try waitUntil(seconds, "delivery of \(waiting); \(sensor.output.suffix(3000))") { waiting.isEmpty }
    }
}
