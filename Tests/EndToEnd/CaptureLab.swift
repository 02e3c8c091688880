import Glibc
import Linux
import Spool
import Testing

/// A capture program by hand in the lab, and frames for it.
extension Lab {
    var pcaps: String { root + "/pcaps" }

    func startCapture(
        _ options: [String] = [], filter: String = "udp port 4242", interface name: String? = nil, into directory: String? = nil,
        environment: [String: String] = [:], waitForCapture: Bool = true
    ) throws -> Background {
        let directory = directory ?? pcaps
        var all = ["SENSOR_SPOOL_FREE": "0", "TZ": "UTC"]
        for (key, value) in environment { all[key] = value }
        // One for each run: what an earlier one said must not be taken for this one's.
        var (log, run) = (directory + ".log", 1)
        while access(log, F_OK) == 0 {
            run += 1
            log = "\(directory)-\(run).log"
        }
        let words = ["capture", "-i", name ?? interface, "-w", directory, "--name", "hand"] + options
        let started = try Background(sensorCommand(words + (filter.isEmpty ? [] : [filter])), environment: all, log: log)
        if waitForCapture {
            try waitUntil(20, "capturing; \(started.output)") { started.says("capturing on ") > 0 || started.hasEnded }
            if started.hasEnded { throw LabError(description: "capture ended: \(started.output)") }
        }
        return started
    }

    /// What the finished files' facts say; nothing of the pcaps is read, so that it can be asked often.
    func facts(in directory: String? = nil) -> [CaptureFacts] {
        guard let spool = try? Directory(directory ?? pcaps), let names = try? spool.names() else { return [] }
        return names.compactMap(SpoolName.init).sorted().compactMap { JSONFile.read(CaptureFacts.self, $0.meta, in: spool) }
    }
    /// The open files.
    func parts(in directory: String? = nil) -> [String] {
        ((try? Directory(directory ?? pcaps).names()) ?? []).filter { $0.hasSuffix(".part") }
    }

    enum Way: String { case frames, tun, tap, retyped }
    /// Sends frames as they are out of an interface, or into it as the program behind a tunnel does.
    func inject(_ frames: [[UInt8]], _ way: Way = .frames, in space: String, _ interface: String) throws {
        let digits = Array("0123456789abcdef".utf8)
        var lines: [UInt8] = []
        for frame in frames {
            for byte in frame { lines += [digits[Int(byte >> 4)], digits[Int(byte & 15)]] }
            lines.append(10)
        }
        let file = root + "/frames"
        try write(String(decoding: lines, as: UTF8.self), to: file)
        try runTool(["ip", "netns", "exec", space, Self.binaries + "/packet-generator", way.rawValue, interface, file])
    }

    /// One more cable between the two hosts; 10.N.0.1 is the sensor's end, 10.N.0.2 the other.
    func connect(_ name: String, _ peer: String, network: Int) throws {
        try runTool(["ip", "-n", sensorSpace, "link", "add", name, "type", "veth", "peer", "name", peer, "netns", boxSpace])
        for (space, name, host) in [(sensorSpace, name, 1), (boxSpace, peer, 2)] {
            try runTool(["ip", "-n", space, "address", "add", "10.\(network).0.\(host)/24", "dev", name])
            try runTool(["ip", "-n", space, "link", "set", name, "up"])
        }
    }
    func link(_ words: String..., in space: String? = nil) throws { try runTool(["ip", "-n", space ?? sensorSpace, "link"] + words) }
    /// A carrier that is on is told with some delay (linkwatch), and what is sent before goes nowhere.
    func waitForCarrier() throws {
        for (space, name) in [(sensorSpace, interface), (boxSpace, boxInterface)] {
            try waitUntil(15, "\(name) is up") { try runTool(["ip", "-n", space, "link", "show", name]).output.contains("state UP") }
        }
    }
}

extension Background {
    /// Lines with these words.
    func says(_ words: String) -> Int { output.split(separator: "\n").count { $0.contains(words) } }
}
