import CLinux
public import Events
import Glibc
import Linux

/// Tells which interfaces `PCAP_INTERFACE=any` means now, whenever that changes, until told to stop.
///
/// The kernel's messages are the reason to look again and nothing more: they are not read for what they say, and one
/// that was lost costs nothing.
public struct InterfaceWatch {
    private enum Wake { case change, quiet, stop }
    /// Milliseconds without a change before it is looked: many that are made at once cost one look.
    private static let settling: Int32 = 200
    /// Seconds after which it is looked all the same.
    private static let longestSettling = 1.0

    private let log: WorkerLog
    /// Where the announcements go: its end is the end of this program.
    private let channel: Int32
    private let announce: ([InterfaceRoster.Entry]) throws -> Void

    public init(face: LogFace, channel: Int32, announce: @escaping ([InterfaceRoster.Entry]) throws -> Void) {
        log = WorkerLog(face)
        self.channel = channel
        self.announce = announce
    }

    public func run() throws {
        // SIGUSR1 is for the capture programs of the group.
        let signals = try SignalDescriptor([SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGPIPE])
        unsafe sensor_prctl_name("sensor-watch")
        if sensor_drop_capabilities() != 0 {
            log.say(Event(.warn, "capabilities_kept", "cannot drop the capabilities: \(SystemError.text(errno))"))
        }
        // Before the first look, so that nothing that comes in between is missed.
        let changes = Descriptor(owning: Int32(try checked("netlink socket") { Int(sensor_link_changes()) }))
        var roster = InterfaceRoster()
        repeat {
            let look = roster.look(try InterfaceChoice.links())
            if let found = look.excess {
                log.say(
                    Event(
                        .warn, "interfaces_bounded",
                        "PCAP_INTERFACE=any finds \(found) interfaces, and follows no more than \(InterfaceRoster.most): the others are not recorded",
                        ["found": .number(Int64(found)), "most": .number(Int64(InterfaceRoster.most))]))
            }
            for entries in look.announcements { try announce(entries) }
            sensor_release_code()
        } while hearsChange(changes, signals)
    }

    /// Waits for a change and until it has settled. False when it is time to end.
    private func hearsChange(_ changes: borrowing Descriptor, _ signals: borrowing SignalDescriptor) -> Bool {
        guard wait(changes, signals, -1) == .change else { return false }
        let latest = MonotonicTime.now() + Self.longestSettling
        repeat {
            sensor_drain(changes.number)
            switch wait(changes, signals, Self.settling) {
            case .stop: return false
            case .quiet: return true
            case .change: break
            }
        } while .now() < latest
        sensor_drain(changes.number)
        return true
    }

    private func wait(_ changes: borrowing Descriptor, _ signals: borrowing SignalDescriptor, _ milliseconds: Int32) -> Wake {
        var entries = [
            pollfd(fd: signals.number, events: Int16(POLLIN), revents: 0),
            pollfd(fd: 0, events: Int16(POLLIN), revents: 0),
            pollfd(fd: channel, events: 0, revents: 0),  // an error when nobody reads it any more
            pollfd(fd: changes.number, events: Int16(POLLIN), revents: 0),
        ]
        while true {
            let ready = unsafe poll(&entries, 4, milliseconds)
            if ready == 0 { return .quiet }
            if ready < 0 { continue }
            if entries[0].revents != 0, let signal = signals.next(), signal != SIGUSR1, signal != SIGPIPE { return .stop }
            if entries[1].revents != 0 {
                var byte: UInt8 = 0
                if unsafe read(0, &byte, 1) <= 0 { return .stop }
            }
            if entries[2].revents != 0 { return .stop }
            if entries[3].revents != 0 { return .change }
        }
    }
}
