import CLinux
public import Events
import Evidence
import Glibc
public import Linux
import Settings

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
                let lane = try DirectoryLane(path, number: 1)
                found(.ok, path)
                try use(.directory(lane))
            case .ssh(let ssh):
                let uplink = try connect(ssh)
                found(.ok, "\(options.label) lets this sensor in, with SFTP")
                try use(.ssh(uplink))
            }
        } catch { found(.fail, error.description) }
    }

    private func found(_ state: CheckResult.State, _ detail: String) { tell(CheckResult(state, step, detail)) }

    // MARK: getting there

    private mutating func connect(_ ssh: SSHTarget) throws(ShipFault) -> Uplink {
        step = "target name"
        let approach = try SSHApproach(options, ssh, stop)
        let port = approach.port
        let resolved = try Resolver.resolve(ssh.host, port: port, family: options.arguments.addressFamily, stop: stop)
        addresses = resolved.map(\.text)
        found(.ok, "\(ssh.host) is \(addresses.joined(separator: ", "))")
        step = "connection"
        let file = options.knownHostsFiles[0]
        let (options, tell) = (options, tell)
        let way = Way.ssh(
            try Uplink(options, ssh, addresses: resolved, approach: approach, maxSegment: nil) { key throws(ShipFault) in
                tell(
                    try Self.judge(
                        approach.policy.decide(key, known: approach.known, file: file), words: "\(key.type) \(key.fingerprint)",
                        isPinned: !options.pinnedHostKeys.isEmpty, file: file))
            })
        guard case .ssh(let uplink) = way else { throw .stopped }
        while !uplink.isReady {
            let now = MonotonicTime.now()
            do throws(ShipFault) { _ = try uplink.advance(now: now) } catch {
                step = uplink.first?.address == nil ? "connection" : uplink.first?.hostKey == nil ? "host key" : "login"
                throw error
            }
            if step == "connection", let address = uplink.first?.address {
                let (low, high) = (options.sourcePorts.lowerBound, options.sourcePorts.upperBound)
                found(.ok, "\(address.text) port \(port) answers, from a source port of \(low)-\(high)")
                step = "host key"
            }
            if !uplink.isReady { try wait(way) }
        }
        step = "login"
        return uplink
    }

    private func wait(_ way: Way) throws(ShipFault) {
        var entries: [pollfd] = []
        way.addPolls(&entries)
        try stop.wait(&entries, until: way.due, untilStop: true)
    }

    /// One question, and its answer.
    private func ask(_ call: TargetCall, _ way: Way, content: [UInt8] = []) throws(ShipFault) -> TargetAnswer {
        guard let lane = way.lanes.first else { throw .stopped }
        if case .write(let handle, let offset, let count) = call {
            _ = unsafe lane.write(handle, offset..<(offset + Int64(count)), for: 1) {
                unsafe $0.copyBytes(from: content)
                return true
            }
        } else {
            lane.ask(call, for: 1)
        }
        while true {
            _ = try way.advance(now: .now())
            if let answer = lane.takeAnswers().first(where: { $0.owner == 1 }) { return answer.answer }
            try wait(way)
        }
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

    private mutating func use(_ way: Way) throws(ShipFault) {
        guard let lane = way.lanes.first?.number else { throw .stopped }
        step = "target write"
        let trial = self
        let taken = { (name: String) throws(ShipFault) -> Bool in
            switch try trial.ask(.look(name, lane: lane), way) {
            case .refused(.missing): return false
            case .refused(let why): throw ShipFault(.operators, FileDelivery.words("look at \(name)", why, trial.options.label))
            default: return true
            }
        }
        guard let names = try Self.names(of: sensor, existing: taken) else {
            throw ShipFault(.operators, "the files .sensor-check.\(sensor).*.part of earlier trials are in the way: remove them there")
        }
        var last = names.from
        do throws(ShipFault) { try tryOut(way, lane, names.from, names.to, &last) } catch {
            found(.fail, error.description)
        }
        step = "target removal"
        guard try taken(last) else { return }
        if try ask(.remove(last, lane: lane), way) == .done { return found(.ok, "the trial's file is gone again") }
        // The line of `print-key --authorized-keys` does not allow it either.
        found(
            .ok,
            "the account may not remove files, which is as it should be; \(last), of \(Self.content.count) bytes, stays there for the next trial"
        )
    }

    private mutating func tryOut(_ way: Way, _ lane: Int, _ from: String, _ to: String, _ last: inout String) throws(ShipFault) {
        let before = WallTime.now().seconds
        let handle: TargetHandle
        switch try ask(.open(from, .any, lane: lane), way) {
        case .opened(let opened): handle = opened
        case .refused(var why):
            if case .other = why { why = FileDelivery.why("make a file", why, try ask(.space(lane: lane), way)) }
            throw ShipFault(.operators, FileDelivery.words("make a file", why, options.label))
        default: throw ShipFault(.passing, "the target answered something else")
        }
        let size = Self.content.count
        let written = try ask(.write(handle, offset: 0, count: size), way, content: Self.content)
        step = "target fsync"
        let synced = written == .done ? try ask(.sync(handle), way) : written
        step = "target write"
        _ = try ask(.close(handle), way)
        if case .refused(let why) = written {
            let free = try ask(.space(lane: lane), way)
            throw ShipFault(.operators, FileDelivery.words("write", FileDelivery.why("write", why, free), options.label))
        }
        let after = WallTime.now().seconds
        found(.ok, "a file of \(size) bytes")
        step = "target fsync"
        if synced == .done {
            found(.ok, "done")
        } else {
            found(.warn, "the server cannot: what its disk had not written when its power fails is lost there")
        }
        step = "clock"
        var modified: Int64?
        if case .status(let there) = try ask(.look(from, lane: lane), way) { modified = there.modified }
        let (state, words) = Self.clock(modified, from: before, to: after)
        found(state, words)
        step = "target rename"
        guard try ask(.rename(from, to: to, lane: lane), way) == .done else {
            throw ShipFault(.operators, "\(options.label) refuses to rename, so no file would ever get its final name")
        }
        last = to
        found(.ok, "done")
        step = "target space"
        var free: Int64?
        if case .space(let bytes) = try ask(.space(lane: lane), way) { free = bytes }
        let (room, said) = Self.space(free)
        found(room, said)
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
        _ = try Directory(path).open(DirectoryLane.marker, flags: O_WRONLY | O_CREAT, mode: 0o644)
    }
}
