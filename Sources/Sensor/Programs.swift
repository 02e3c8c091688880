import Events
import Linux
import Settings
import Spool
import Supervisor

/// The programs of a sensor, in supervisord's words.
enum Programs {
    /// The workers have so long to finish before SIGKILL.
    private static let stopwaitsecs = 6.0
    static let group = "pcap"
    /// What the names of the capture programs begin with.
    static let capture = "pcap_capture_"
    private static let leastRing: Int64 = 2 << 20

    static func all(interfaces: [String], settings: Settings, lock: Int32) -> [GroupSpec] {
        // `any`: the ring's budget is shared out.
        let ring = settings.interfaces == ["any"] ? max(leastRing, settings.ringBytes / Int64(interfaces.count)) : settings.ringBytes
        let captures = interfaces.map { interface in
            var spec = worker(
                capture + SpoolName.escape(interface),
                ["capture", "--supervised", "--interface=\(interface)", "--ring=\(ring)"], lock)
            spec.essential = true
            return spec
        }
        return [GroupSpec(name: group, programs: captures + [worker("pcap_ship", ["ship", "--supervised"], lock)])]
    }

    private static func worker(_ name: String, _ arguments: [String], _ lock: Int32) -> ProgramSpec {
        var spec = ProgramSpec(name: name, path: "/proc/self/exe", arguments: ["sensor"] + arguments, environment: Environment.all())
        spec.group = group
        spec.startretries = nil
        spec.stopasgroup = true
        spec.killasgroup = true
        spec.redirectStderr = true
        spec.stdout = OutputSpec(.descriptor(1))
        spec.stdout.hasPrefix = true
        spec.fatalExitcodes = [ExitStatus.wrongSetting]
        spec.stopwaitsecs = stopwaitsecs
        spec.inherited = [lock]
        return spec
    }

    static func farewell(undelivered: Int) -> Event {
        Event(
            .info, "ended",
            undelivered == 0
                ? "sensor stopped, every finished file is delivered"
                : "sensor stopped, \(undelivered) finished files are not yet delivered",
            ["undelivered": .number(Int64(undelivered))])
    }
}
