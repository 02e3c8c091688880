import CLinux
public import Events
import Evidence
import Glibc
public import Linux
import Settings

/// What a trial needs beyond a delivery, which never removes anything.
protocol TrialDropBox: DropBox, ~Copyable {
    /// Bytes that the account may still write; nil where the target does not tell.
    mutating func freeSpace() throws(ShipFault) -> Int64?
    /// False where the target refused.
    mutating func remove(_ name: String) throws(ShipFault) -> Bool
}

/// Does once at the target all that delivering takes, with a small hidden file, and keeps nothing: no host key is learned.
public struct TargetTrial {
    private static let content = [UInt8](repeating: 0x2e, count: 4096)
    /// More than this between the clocks of two machines and their records no longer fit together.
    static let clockTolerance: Int64 = 3

    private let options: ShipOptions
    private let sensor: String
    private let tell: (CheckResult) -> Void
    private let stop: StopWatch
    /// What is being tried: a fault is told of it.
    private var step = "target"
    /// Of an SSH target, numeric, as soon as they are known.
    public private(set) var addresses: [String] = []

    public init(_ options: ShipOptions, sensor: String, tell: @escaping (CheckResult) -> Void) throws {
        self.options = options
        self.sensor = sensor
        self.tell = tell
        self.stop = try StopWatch(isSupervised: false)
    }

    /// Ends at the first step that fails, since none after it can be tried.
    public mutating func run() {
        do throws(ShipFault) {
            switch options.target {
            case .directory(let path):
                var box = try DirectoryDropBox(path, stop: stop)
                found(.ok, path)
                try use(&box)
            case .ssh(let ssh):
                var box = try connect(ssh)
                found(.ok, "\(ShipWorker.label(options)) lets this sensor in, with SFTP")
                try use(&box)
            }
        } catch { found(.fail, error.description) }
    }

    private func found(_ state: CheckResult.State, _ detail: String) { tell(CheckResult(state, step, detail)) }

    // MARK: getting there

    private mutating func connect(_ ssh: SSHTarget) throws(ShipFault) -> SFTPDropBox {
        let port = options.arguments.port ?? 22
        step = "target name"
        let resolved = try Resolver.resolve(ssh.host, port: port, family: options.arguments.addressFamily, stop: stop)
        addresses = resolved.map(\.text)
        found(.ok, "\(ssh.host) is \(addresses.joined(separator: ", "))")
        step = "connection"
        let approach = try SSHApproach(options, ssh)
        let connection = try Connector.connect(
            resolved, host: ssh.host, port: port, from: options.sourcePorts, timeout: approach.timeout, stop: stop)
        let (low, high) = (options.sourcePorts.lowerBound, options.sourcePorts.upperBound)
        found(.ok, "\(connection.address.text) port \(port) answers, from a source port of \(low)-\(high)")
        step = "host key"
        let file = options.knownHostsFile
        var isTrusted = false
        let box: SFTPDropBox
        do throws(ShipFault) {
            let tell = self.tell
            box = try SFTPDropBox.open(
                connection.takeSocket(), approach.login, directory: ssh.directory, place: "\(ssh.host) port \(port)", stop: stop
            ) { key throws(ShipFault) in
                let result = try Self.judge(
                    approach.policy.decide(key, known: approach.known, file: file), words: "\(key.type) \(key.fingerprint)",
                    isPinned: !options.pinnedHostKeys.isEmpty, file: file)
                tell(result)
                isTrusted = true
            }
        } catch {
            if isTrusted { step = "login" }
            throw error
        }
        step = "login"
        return box
    }

    static func judge(_ decision: HostKeyPolicy.Decision, words: String, isPinned: Bool, file: String) throws(ShipFault) -> CheckResult {
        switch decision {
        case .accept: return CheckResult(.ok, "host key", "\(words), as \(isPinned ? "SCP_HOST_KEY" : file) says")
        case .learn:
            return CheckResult(
                .warn, "host key",
                "\(words) is not known yet: the first delivery learns it into \(file); compare it before with ssh-keygen -l at the server, or set SCP_HOST_KEY"
            )
        case .refuse(let why): throw ShipFault(.operators, why)
        }
    }

    // MARK: being there

    /// Two names, of which the one is free: where removing is not allowed one empty file stays, and is taken again next time.
    static func names(of sensor: String, existing: (String) throws(ShipFault) -> Bool) throws(ShipFault) -> (from: String, to: String)? {
        var free: [String] = []
        var taken: [String] = []
        for number in 1...4 {
            let name = ".sensor-check.\(sensor).\(number).part"
            if try existing(name) { taken.append(name) } else { free.append(name) }
        }
        let from = taken.first ?? free.removeFirst()
        return free.first.map { (from, $0) }
    }

    private mutating func use<Box: TrialDropBox & ~Copyable>(_ box: inout Box) throws(ShipFault) {
        step = "target write"
        guard let names = try Self.names(of: sensor, existing: { name throws(ShipFault) in try box.status(of: name) != nil }) else {
            throw ShipFault(.operators, "the files .sensor-check.\(sensor).*.part of earlier trials are in the way: remove them there")
        }
        var last = names.from
        do throws(ShipFault) {
            try tryOut(&box, names.from, names.to, &last)
        } catch {
            found(.fail, error.description)
            step = "target removal"
            try cleanUp(&box, last)
            return
        }
        step = "target removal"
        try cleanUp(&box, last)
    }

    private mutating func tryOut<Box: TrialDropBox & ~Copyable>(
        _ box: inout Box, _ from: String, _ to: String, _ last: inout String
    ) throws(ShipFault) {
        let before = WallTime.now().seconds
        _ = try box.openTemporary(from, at: 0)
        try write(&box)
        let size = Int64(Self.content.count)
        step = "target fsync"
        let isSynced = try box.sync()
        step = "target write"
        try box.closeTemporary(size: size)
        let after = WallTime.now().seconds
        found(.ok, "a file of \(size) bytes")
        step = "target fsync"
        if isSynced {
            found(.ok, "done")
        } else {
            found(.warn, "the server cannot: what its disk had not written when its power fails is lost there")
        }
        step = "clock"
        let there = try box.status(of: from)
        let (state, words) = Self.clock(there?.modified, from: before, to: after)
        found(state, words)
        step = "target rename"
        guard try box.rename(from, to: to) else {
            throw ShipFault(.operators, "\(ShipWorker.label(options)) refuses to rename, so no file would ever get its final name")
        }
        last = to
        found(.ok, "done")
        step = "target space"
        let (room, said) = Self.space(try box.freeSpace())
        found(room, said)
    }

    private func write<Box: TrialDropBox & ~Copyable>(_ box: inout Box) throws(ShipFault) {
        let file = try ShipFault.here { () throws(SystemError) in try Self.source() }
        var source = UploadSource(file.number, size: Int64(Self.content.count))
        try source.fill()
        while source.available > 0 { source.advance(try box.write(source, count: source.available)) }
    }

    private static func source() throws(SystemError) -> Descriptor {
        let file = Descriptor(owning: Int32(try checked("memfd_create") { unsafe Int(sensor_memory_file("sensor-check")) }))
        try file.writeAll(content)
        return file
    }

    private mutating func cleanUp<Box: TrialDropBox & ~Copyable>(_ box: inout Box, _ name: String) throws(ShipFault) {
        if try box.status(of: name) == nil { return }
        if try box.remove(name) { return found(.ok, "the trial's file is gone again") }
        // The line of `print-key --authorized-keys` does not allow it either.
        _ = try box.openTemporary(name, at: 0)
        try box.closeTemporary(size: 0)
        found(.ok, "the account may not remove files, which is as it should be; \(name), empty, stays there for the next trial")
    }

    // MARK: judging

    /// `modified`: by the target's clock, of a file that was written between `from` and `to` of ours.
    static func clock(_ modified: Int64?, from: Int64, to: Int64) -> (state: CheckResult.State, words: String) {
        guard let modified else { return (.warn, "the target does not tell when a file was written") }
        let difference = modified > to ? modified - to : modified < from ? modified - from : 0
        guard abs(difference) > clockTolerance else { return (.ok, "at most \(clockTolerance) s apart") }
        return (
            .warn,
            "the target's clock is \(abs(difference)) s \(difference > 0 ? "ahead of" : "behind") this one: have both follow NTP, or records of different machines do not fit together"
        )
    }

    private static let little: Int64 = 1 << 30

    static func space(_ free: Int64?) -> (state: CheckResult.State, words: String) {
        guard let free else { return (.warn, "the target does not tell how much is free") }
        if free < little { return (.warn, "only \(readable(free)) free: make room there, or files will wait here") }
        return (.ok, "\(readable(free)) free")
    }
}

/// A local directory as target says that it is meant by holding a file.
public enum LocalTarget {
    /// Makes the file. Whoever asks for it has looked whether the right disk is mounted.
    public static func mark(_ path: String) throws(SystemError) {
        _ = try Directory(path).open(DirectoryDropBox.marker, flags: O_WRONLY | O_CREAT, mode: 0o644)
    }
}
