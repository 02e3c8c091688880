import CLinux
import Glibc
import Linux

/// What a capture program waits for, all at once (poll(2)).
struct Wakes: ~Copyable {
    struct Set: OptionSet {
        let rawValue: Int
        static let stop = Set(rawValue: 1), cut = Set(rawValue: 2), target = Set(rawValue: 4), link = Set(rawValue: 8)
        static let packets = Set(rawValue: 16)
    }
    private let signals: SignalDescriptor
    /// New addresses of the target (inotify(7)).
    private let target: Descriptor
    /// Changes of interfaces (netlink(7)).
    private let links: Descriptor
    /// Descriptor 0 is a pipe from the supervisor, whose end is a reason to stop.
    private let isSupervised: Bool

    init(state: String, isSupervised: Bool) throws(SystemError) {
        let signals = try SignalDescriptor([SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGPIPE])
        let flags = Int32(bitPattern: UInt32(IN_CLOEXEC)) | Int32(bitPattern: UInt32(IN_NONBLOCK))
        let target = Descriptor(owning: Int32(try checked("inotify_init1") { Int(inotify_init1(flags)) }))
        unsafe inotify_add_watch(target.number, state, UInt32(IN_MOVED_TO))
        let links = Descriptor(owning: Int32(try checked("netlink") { Int(sensor_link_changes()) }))
        self.signals = signals
        self.target = target
        self.links = links
        self.isSupervised = isSupervised
    }

    /// Waits until `deadline` at most; nil: for ever. `packets` is the handle's descriptor, or -1.
    func wait(_ packets: Int32, until deadline: MonotonicTime?) -> Set {
        var entries: InlineArray<5, pollfd> = [
            pollfd(fd: signals.number, events: Int16(POLLIN), revents: 0),
            pollfd(fd: isSupervised ? 0 : -1, events: Int16(POLLIN), revents: 0),
            pollfd(fd: target.number, events: Int16(POLLIN), revents: 0),
            pollfd(fd: links.number, events: Int16(POLLIN), revents: 0),
            pollfd(fd: packets, events: Int16(POLLIN), revents: 0),
        ]
        let milliseconds = deadline.map { Int32(max(0, min(($0 - .now()) * 1000, 1e9)).rounded(.up)) } ?? -1
        var span = entries.mutableSpan
        _ = unsafe span.withUnsafeMutableBufferPointer { unsafe poll($0.baseAddress, 5, milliseconds) }
        var woken: Set = []
        while entries[0].revents != 0, let signal = signals.next() {
            if signal == SIGUSR1 { woken.insert(.cut) } else if signal != SIGPIPE { woken.insert(.stop) }
        }
        if entries[1].revents != 0 {
            var byte: UInt8 = 0
            if unsafe read(0, &byte, 1) <= 0 { woken.insert(.stop) }
        }
        if entries[2].revents != 0 {
            sensor_drain(target.number)
            woken.insert(.target)
        }
        if entries[3].revents != 0 {
            sensor_drain(links.number)
            woken.insert(.link)
        }
        if entries[4].revents != 0 { woken.insert(.packets) }
        // A descriptor in trouble says so again and again until libpcap has taken the error; what became of the interface is asked.
        if entries[4].revents & Int16(POLLERR | POLLHUP) != 0 { woken.insert(.link) }
        return woken
    }
}
