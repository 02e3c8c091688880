import Evidence
import Glibc
import Linux
import Spool
import Supervisor
import Synchronization
import Testing

/// A shipper by hand and a drop box, each in its own namespace; the test makes the files. Lighter than `Lab`: nothing
/// is captured, nothing supervises.
///
/// It lies in /run, whose parents are root's alone, as sshd wants them for a chroot.
final class ShipLab {
    nonisolated(unsafe) private static var made = 0
    static let shipperAddress = "10.78.0.1", boxAddress = "10.78.0.2"
    static let port = 2222, linkPort = 2022

    /// What an account at the centre is like.
    struct Account {
        var user = "nobody"
        /// Lines of sshd_config.
        var config = "Subsystem sftp internal-sftp"
        /// Before the key in authorized_keys; `@D` is the drop box.
        var key = ""
        /// The account sees the lab's directory as `/`.
        var isChrooted = false
    }

    let root: String
    let shipperSpace: String, boxSpace: String
    var account: Account
    /// The port that the shipper connects to.
    private(set) var port = ShipLab.port
    var spool: String { root + "/spool" }
    var drop: String { root + "/jail/drop" }
    var knownHosts: String { root + "/known_hosts" }
    var key: String { root + "/key" }
    private(set) var link: FaultyLink?
    private(set) var watch: DropWatch?
    private var server: Background?
    private var runs = 0
    /// What was put into the spool.
    private(set) var files: [String: (size: Int, digest: [UInt8])] = [:]
    private var sequence: [String: UInt64] = [:]

    init(_ account: Account = Account(), server: Bool = true) throws {
        if let missing = Needs.missing { throw LabError(description: missing) }
        self.account = account
        Self.made += 1
        let unique = "\(getpid())-\(Self.made)"
        root = "/run/sensor-ship-\(unique)"
        shipperSpace = "ship-\(unique)-s"
        boxSpace = "ship-\(unique)-b"
        try runTool(["mkdir", "-p", "-m", "755", root, root + "/jail", spool, root + "/jail/drop", "/run/sshd"])
        try runTool(["chown", account.user, drop])
        for space in [shipperSpace, boxSpace] { try runTool(["ip", "netns", "add", space]) }
        try runTool(["ip", "-n", shipperSpace, "link", "add", "eth0", "type", "veth", "peer", "name", "eth0", "netns", boxSpace])
        for (space, address) in [(shipperSpace, Self.shipperAddress), (boxSpace, Self.boxAddress)] {
            try runTool(["ip", "-n", space, "address", "add", "\(address)/24", "dev", "eth0"])
            for name in ["lo", "eth0"] { try runTool(["ip", "-n", space, "link", "set", name, "up"]) }
        }
        for name in ["host_key", "key"] { try makeKey(name) }
        try authorize()
        if server { try startServer() }
        watch = try DropWatch(drop)
    }

    deinit {
        watch?.stop()
        for pid in processes(in: shipperSpace) + processes(in: boxSpace) { kill(pid, SIGKILL) }
        server?.end(SIGKILL)
        link?.program.end(SIGKILL)
        for space in [shipperSpace, boxSpace] { _ = try? runTool(["ip", "netns", "del", space], mayFail: true) }
        for place in [drop, spool] { _ = try? runTool(["umount", "-l", "-q", place], mayFail: true) }
        if getenv("SENSOR_TEST_KEEP") == nil { _ = try? runTool(["rm", "-rf", root], mayFail: true) }
    }

    func makeKey(_ name: String) throws {
        try runTool(["rm", "-f", "\(root)/\(name)", "\(root)/\(name).pub"])
        try runTool(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", "\(root)/\(name)"])
    }
    func authorize() throws {
        let options = account.key.isEmpty ? "" : account.key.replacing("@D", with: drop) + " "
        try write(options + text(of: key + ".pub"), to: root + "/authorized_keys")
    }
    func processes(in space: String) -> [Int32] {
        ((try? runTool(["ip", "netns", "pids", space], mayFail: true).output) ?? "").split(separator: "\n").compactMap { Int32($0) }
    }
    /// In the network namespace only: a mount that the test makes later is seen.
    func inSpace(_ space: String, _ command: [String]) -> [String] { ["/usr/bin/nsenter", "--net=/run/netns/\(space)"] + command }

    // MARK: the centre

    func startServer(_ more: String = "") throws {
        try write(
            """
            Port \(Self.port)
            ListenAddress \(Self.boxAddress)
            HostKey \(root)/host_key
            PidFile none
            UsePAM no
            StrictModes no
            PasswordAuthentication no
            PermitRootLogin yes
            PrintMotd no
            PrintLastLog no
            AuthorizedKeysFile \(root)/authorized_keys
            LogLevel VERBOSE
            \(account.config.contains("MaxStartups") || more.contains("MaxStartups") ? "" : "MaxStartups 100:30:200")
            \(account.isChrooted ? "ChrootDirectory \(root)/jail" : "")
            \(account.config)
            \(more)

            """, to: root + "/sshd_config")
        try startServer(["/usr/sbin/sshd", "-D", "-e", "-f", root + "/sshd_config"])
    }
    /// Any other that listens on the port.
    func startServer(_ command: [String]) throws {
        server = try Background(inSpace(boxSpace, command), environment: ["HOME": root], log: root + "/server.log")
        try waitUntil(15, "the server listens: \(serverLog)") { try listens(Self.port) }
    }
    private func listens(_ port: Int) throws -> Bool {
        try runTool(inSpace(boxSpace, ["ss", "-Hltn", "sport", "= :\(port)"])).output.contains("LISTEN")
    }
    var serverPid: Int32? { server?.pid }
    var serverLog: String { (try? text(of: root + "/server.log")) ?? "" }
    /// The server and every session of it; the bad link stays.
    func killServer() {
        server?.send(SIGKILL)
        for pid in processes(in: boxSpace) where pid != link?.program.pid { kill(pid, SIGKILL) }
        server?.end(SIGKILL)
        server = nil
    }

    /// From here on the shipper goes through the bad link.
    @discardableResult
    func startLink(_ settings: [String: String] = [:]) throws -> FaultyLink {
        let made = try FaultyLink(self, settings)
        link = made
        port = Self.linkPort
        try waitUntil(5, "the link listens: \(made.program.output)") { try listens(Self.linkPort) }
        return made
    }

    /// After another directory or disk was put in the drop box's place.
    func watchAgain() throws {
        watch?.stop()
        watch = try DropWatch(drop)
    }
    /// A disk of its own for the drop box.
    func mountDrop(_ options: String) throws {
        try runTool(["mount", "-t", "tmpfs", "-o", "mode=777,\(options)", "tmpfs", drop])
        try watchAgain()
    }

    // MARK: files

    /// `count` captures with random records of `size` bytes or a little more, with their facts beside them.
    @discardableResult
    func make(_ count: Int, of size: Int, interface: String = "eth0") throws -> [String] {
        try (0..<count).map { _ in
            let number = sequence[interface, default: 1]
            sequence[interface] = number + 1
            let name = SpoolName(sensor: "lab", interface: interface, stamp: "20260101T000000Z", sequence: number)
            let facts = CaptureFacts(
                sensor: "lab", interface: interface, series: "s", sequence: number, linktype: 1, snaplen: 262_144,
                opened: "2026-01-01T00:00:00.000000Z")
            try put(JSONFile.encode(facts), name.meta)
            try put(Self.capture(of: size), name.pcap)
            return name.pcap
        }
    }
    /// Renamed in, as the contract asks of others.
    func put(_ content: [UInt8], _ name: String) throws {
        let directory = try Directory(spool)
        let file = try directory.open(".new", flags: O_WRONLY | O_CREAT | O_TRUNC)
        try file.writeAll(content)
        try directory.rename(".new", to: name)
        if name.hasSuffix(".pcap") { files[name] = (content.count, FileDigest.of(content)) }
    }
    /// Takes a file out of what the checks expect.
    func forget(_ name: String) { files[name] = nil }

    static func capture(of size: Int) throws -> [UInt8] {
        var out: [UInt8] = [0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0] + [UInt8](repeating: 0, count: 8) + [0, 0, 4, 0, 1, 0, 0, 0]
        let random = try Descriptor.open("/dev/urandom", flags: O_RDONLY)
        out.reserveCapacity(size + 65_536)
        var second: UInt32 = 1_767_225_600
        func word(_ value: UInt32) -> [UInt8] { (0..<4).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) } }
        repeat {
            let length = min(60_000, max(60, size - out.count - 16))
            out += word(second) + word(0) + word(UInt32(length)) + word(UInt32(length))
            out += try random.read(length)
            second += 1
        } while out.count < size
        return out
    }

    var waiting: [String] { ((try? Directory(spool).names()) ?? []).filter { $0.hasSuffix(".pcap") && !$0.hasPrefix(".") }.sorted() }
    var delivered: [String] { ((try? Directory(drop).names()) ?? []).filter { $0.hasSuffix(".pcap") && !$0.hasPrefix(".") }.sorted() }
    /// Temporary files at the centre, with their sizes.
    var hidden: [String: Int] {
        guard let directory = try? Directory(drop), let names = try? directory.names() else { return [:] }
        var out: [String: Int] = [:]
        for name in names where name.hasPrefix(".") && name != ".sensor-target" {
            out[name] = ((try? directory.status(name)) ?? nil).map { Int($0.size) }
        }
        return out
    }
    /// Bytes of the largest temporary file.
    var uploaded: Int { hidden.values.max() ?? 0 }

    // MARK: the shipper

    /// `before` are words of a command that starts it.
    func command(_ more: [String] = [], target: String? = nil, arguments: String = "", before: [String] = []) -> [String] {
        let directory = account.isChrooted ? "/drop" : drop
        return inSpace(
            shipperSpace,
            before + [
                Lab.sensorBinary, "ship", "--spool", spool, "--target", target ?? "\(account.user)@\(Self.boxAddress):\(directory)",
                "--arguments", "-P \(port) \(arguments)", "--key", key, "--known-hosts", knownHosts,
            ] + more)
    }
    /// Settings of the shipper beside its flags.
    var settings: [String: String] = [:]
    private var environment: [String: String] {
        ["SENSOR_DATA_DIR": root + "/data", "TZ": "UTC", "SENSOR_SPOOL_FREE": "0"].merging(settings) { _, new in new }
    }
    /// What the shipper says of itself.
    var status: ShipStatus? {
        guard let state = try? Directory(spool + "/.state") else { return nil }
        return JSONFile.read(ShipStatus.self, ShipStatus.file, in: state)
    }

    func startShipper(_ more: [String] = [], target: String? = nil, arguments: String = "", before: [String] = []) throws -> Background {
        runs += 1
        return try Background(
            command(more, target: target, arguments: arguments, before: before), environment: environment,
            log: "\(root)/shipper-\(runs).log")
    }
    /// `ship --once`.
    func ship(_ more: [String] = [], target: String? = nil, arguments: String = "", within seconds: Double = 30) throws
        -> (status: Ending, output: String)
    {
        let shipper = try startShipper(["--once"] + more, target: target, arguments: arguments)
        try shipper.waitForEnd(within: seconds)
        return (try #require(shipper.status), shipper.output)
    }
    func waitForDelivery(_ seconds: Double, _ shipper: Background) throws {
        try waitUntil(seconds, "delivery of \(waiting.count): \(waiting.prefix(3)); \(shipper.output.suffix(2000))") { waiting.isEmpty }
    }

    // MARK: the checks

    /// What does not hold of: every file is at the centre once, byte for byte, with its manifest that was there before
    /// it; no final name was ever short; each interface in the order of its numbers; nothing is left on either side.
    func faults(kept: Set<String> = [], hiddenMayBeLeft: Bool = false) throws -> [String] {
        var out: [String] = []
        let place = watch?.taken ?? drop
        watch?.settle()
        for (name, (size, digest)) in files where !kept.contains(name) {
            guard let there = try? bytes(of: "\(place)/\(name)") else {
                out.append("\(name) is not there")
                continue
            }
            if there.count != size || FileDigest.of(there) != digest { out.append("\(name) differs: \(there.count) bytes of \(size)") }
            let manifest = (try? bytes(of: "\(place)/\(SpoolName.manifest(of: name))")).flatMap {
                JSONFile.decode(Manifest.self, from: $0)
            }
            if manifest?.size != Int64(size) || manifest?.sha256 != FileDigest.hex(digest) || manifest?.file != name {
                out.append("\(name): its manifest is not of it")
            }
        }
        let left = try Directory(spool).names().filter { name in
            name != ".state" && !kept.contains { name == $0 || name == SpoolName.meta(of: $0) || name == SpoolName.manifest(of: $0) }
        }
        if !left.isEmpty { out.append("left in the spool: \(left)") }
        if !hiddenMayBeLeft, !hidden.isEmpty { out.append("left at the centre: \(hidden)") }
        if let watch { out += watch.faults(files.mapValues(\.size)) }
        return out
    }
    /// Records each fault as an issue of the test.
    func check(kept: Set<String> = [], hiddenMayBeLeft: Bool = false, _ output: String = "", at place: SourceLocation = #_sourceLocation)
        throws
    {
        let faults = try faults(kept: kept, hiddenMayBeLeft: hiddenMayBeLeft)
        if !faults.isEmpty { Issue.record("\(faults.joined(separator: "\n"))\n\(output.suffix(4000))", sourceLocation: place) }
    }
}

/// The proxy in front of the server, see Tests/FaultyLink.
final class FaultyLink: Sendable {
    nonisolated(unsafe) let program: Background
    private let control: String, status: String
    private let serial = Mutex(0)

    fileprivate init(_ lab: ShipLab, _ settings: [String: String]) throws {
        control = lab.root + "/link"
        status = lab.root + "/link.status"
        program = try Background(
            lab.inSpace(
                lab.boxSpace,
                [
                    Lab.binaries + "/faulty-link", ShipLab.boxAddress, "\(ShipLab.linkPort)", ShipLab.boxAddress, "\(ShipLab.port)",
                    control,
                    status,
                ]), log: lab.root + "/link.log")
        try set(settings)
    }

    /// In force when it returns; what is not named is off.
    func set(_ settings: [String: String] = [:]) throws {
        let lines = settings.map { "\($0.key)=\($0.value)\n" }.joined()
        try serial.withLock { serial in
            serial += 1
            try write("serial=\(serial)\n\(lines)", to: control + ".new")
            rename(control + ".new", control)
            let asked = serial
            try waitUntil(5, "the link's answer: \(program.output)") { number("serial") == asked }
        }
    }
    func number(_ name: String) -> Int {
        let words = ((try? text(of: status)) ?? "").split(separator: " ")
        return words.firstIndex { $0 == name }.flatMap { Int(words[$0 + 1]) } ?? 0
    }
    /// Bytes that went to the server.
    var up: Int { number("up") }
}

/// Sees each final name at the moment it appears. On a thread of its own, because a test's own waits would see it late.
final class DropWatch: Sendable {
    struct Arrival {
        let name: String
        let size: Int
        let hasManifest: Bool
    }
    private struct State {
        var arrivals: [Arrival] = []
        var taken: String?
        var atArrival: (@Sendable (String) -> Void)?
        var thread: pthread_t?
        var isOver = false
        var isIdle = true
    }
    private let directory: String
    private let notify: Int32
    private let state = Mutex(State())

    init(_ directory: String) throws {
        self.directory = directory
        notify = inotify_init1(Int32(bitPattern: UInt32(IN_CLOEXEC)) | Int32(bitPattern: UInt32(IN_NONBLOCK)))
        guard inotify_add_watch(notify, directory, UInt32(IN_CREATE) | UInt32(IN_MOVED_TO)) >= 0 else {
            throw LabError(description: "inotify on \(directory): \(errno)")
        }
        var thread = pthread_t()
        pthread_create(
            &thread, nil,
            {
                Unmanaged<DropWatch>.fromOpaque($0!).takeUnretainedValue().run()
                return nil
            }, Unmanaged.passUnretained(self).toOpaque())
        state.withLock { $0.thread = thread }
    }
    /// To be called before the last reference goes.
    func stop() {
        let thread = state.withLock {
            $0.isOver = true
            return $0.thread
        }
        if let thread { pthread_join(thread, nil) }
        close(notify)
    }
    var seen: [Arrival] { state.withLock { $0.arrivals } }
    /// Where files are taken at once, as a careful centre does.
    var taken: String? { state.withLock { $0.taken } }

    /// Takes every final file away into `directory` from now on.
    func take(into directory: String) { state.withLock { $0.taken = directory } }
    /// Called once, on the watch's thread, when the next final pcap has appeared.
    func onNextArrival(_ body: @escaping @Sendable (String) -> Void) { state.withLock { $0.atArrival = body } }

    /// Everything that happened before the call is seen when it returns.
    func settle() {
        usleep(50_000)
        while !state.withLock({ $0.isIdle }) { usleep(5_000) }
    }

    private func run() {
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while !state.withLock({ $0.isOver }) {
            var waiting = pollfd(fd: notify, events: Int16(POLLIN), revents: 0)
            poll(&waiting, 1, 20)
            state.withLock { $0.isIdle = false }
            let got = read(notify, &buffer, buffer.count)
            var at = 0
            while at + 16 <= got {
                let length = (0..<4).reduce(0) { $0 | Int(buffer[at + 12 + $1]) << (8 * $1) }
                appeared(String(decoding: buffer[(at + 16)..<(at + 16 + length)].prefix { $0 != 0 }, as: UTF8.self))
                at += 16 + length
            }
            state.withLock { $0.isIdle = got <= 0 }
        }
    }

    private func appeared(_ name: String) {
        guard name.hasSuffix(".pcap"), !name.hasPrefix(".") else { return }
        var status = stat()
        let size = lstat("\(directory)/\(name)", &status) == 0 ? Int(status.st_size) : -1
        let manifest = SpoolName.manifest(of: name)
        let hasManifest = access("\(directory)/\(manifest)", F_OK) == 0
        let (taken, body) = state.withLock { state in
            state.arrivals.append(Arrival(name: name, size: size, hasManifest: hasManifest))
            defer { state.atArrival = nil }
            return (state.taken, state.atArrival)
        }
        body?(name)
        guard let taken else { return }
        for each in [manifest, name] { rename("\(directory)/\(each)", "\(taken)/\(each)") }
    }

    func faults(_ sizes: [String: Int]) -> [String] {
        var out: [String] = []
        var last: [String: UInt64] = [:]
        var known: Set<String> = []
        for each in seen where sizes[each.name] != nil {
            if each.size != sizes[each.name] { out.append("\(each.name) appeared with \(each.size) bytes of \(sizes[each.name] ?? 0)") }
            if !each.hasManifest { out.append("\(each.name) appeared before its manifest") }
            if !known.insert(each.name).inserted { out.append("\(each.name) appeared twice") }
            guard let name = SpoolName(each.name) else { continue }
            if let before = last[name.interface], before > name.sequence { out.append("\(each.name) appeared after number \(before)") }
            last[name.interface] = name.sequence
        }
        return out
    }
}

extension Background {
    /// The lines for the operator: warnings and errors.
    var complaints: [String] {
        output.split(separator: "\n").map(String.init).filter { $0.hasPrefix("ERRO ") || $0.hasPrefix("WARN ") || $0.hasPrefix("CRIT ") }
    }
}
