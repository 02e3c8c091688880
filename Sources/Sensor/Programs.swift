import Capture
import Events
import Linux
import Settings
import Spool
import Supervisor

/// The programs of a sensor, in supervisord's words.
struct Programs {
    /// The workers have so long to finish before SIGKILL.
    private static let stopwaitsecs = 6.0
    static let group = "pcap"
    /// What the names of the capture programs begin with.
    static let capture = "pcap_capture_"

    let groups: [GroupSpec]
    /// `any`: those that come later, and those that go.
    let members: RosterMembers?

    /// `isFallback`: `any` found no interface, so one was chosen, which no roster will name.
    init(interfaces: [String], settings: Settings, isFallback: Bool, lock: Int32) {
        let ship = Self.worker("pcap_ship", ["ship", "--supervised"], lock)
        guard settings.interfaces == ["any"] else {
            groups = [GroupSpec(name: Self.group, programs: interfaces.map { Self.capture($0, settings.ringBytes, lock) } + [ship])]
            members = nil
            return
        }
        var budget = RingBudget(settings.ringBytes, among: interfaces)
        func member(_ interface: String) -> ProgramSpec {
            var spec = Self.capture(interface, budget.ring(for: interface), lock)
            spec.member = isFallback && interfaces.contains(interface) ? nil : interface
            return spec
        }
        var watch = Self.worker("pcap_watch", ["watch", "--supervised"], lock)
        watch.announcesRoster = true
        groups = [GroupSpec(name: Self.group, programs: interfaces.map(member) + [ship, watch])]
        members = RosterMembers(
            join: { interface in isFallback && interfaces.contains(interface) ? nil : member(interface) },
            leave: { interface in budget.remove(interface) })
    }

    private static func capture(_ interface: String, _ ring: Int64, _ lock: Int32) -> ProgramSpec {
        var spec = worker(
            Self.capture + SpoolName.escape(interface), ["capture", "--supervised", "--interface=\(interface)", "--ring=\(ring)"], lock)
        spec.essential = true
        return spec
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
