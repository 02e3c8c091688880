import CLinux
import Glibc
import Linux

/// Hears that the program should end: a signal, or the end of the supervisor's pipe on descriptor 0.
///
/// After a signal there are some seconds in which what is under way may be finished; when the supervisor is
/// gone there are none, because the next one may start at once.
final class StopWatch {
    private let signals: SignalDescriptor
    private let lifeline: Int32?
    private(set) var isStopping = false
    private var end: MonotonicTime?
    static let grace = 1.8

    init(isSupervised: Bool) throws(SystemError) {
        self.signals = try SignalDescriptor([SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGPIPE])
        self.lifeline = isSupervised ? 0 : nil
    }

    var isOver: Bool { end.map { $0 <= MonotonicTime.now() } ?? false }

    /// What `wait` may be woken by besides the stop.
    struct Woken { var read = false, write = false, second = false }

    /// Waits for a descriptor, the stop or `deadline`. Throws `.stopped` when the grace is over, or at once
    /// where `untilStop` says that nothing is worth finishing.
    @discardableResult
    func wait(
        _ descriptor: Int32 = -1, read: Bool = true, write: Bool = false, second: Int32 = -1, until deadline: MonotonicTime?,
        untilStop: Bool = false
    ) throws(ShipFault) -> Woken {
        var entries = [
            pollfd(fd: descriptor, events: Int16((read ? POLLIN : 0) | (write ? POLLOUT : 0)), revents: 0),
            pollfd(fd: second, events: Int16(POLLIN), revents: 0),
        ]
        try wait(&entries, until: deadline, untilStop: untilStop)
        let failed = Int16(POLLERR) | Int16(POLLHUP)
        return Woken(
            read: entries[0].revents & (Int16(POLLIN) | failed) != 0,
            write: entries[0].revents & (Int16(POLLOUT) | failed) != 0,
            second: entries[1].revents != 0)
    }

    /// The same for many descriptors; what happened to them is in their `revents`.
    func wait(_ entries: inout [pollfd], until deadline: MonotonicTime?, untilStop: Bool = false) throws(ShipFault) {
        if isOver || (untilStop && isStopping) { throw .stopped }
        let count = entries.count
        entries.append(pollfd(fd: signals.number, events: Int16(POLLIN), revents: 0))
        entries.append(pollfd(fd: lifeline ?? -1, events: Int16(POLLIN), revents: 0))
        let due = [deadline, end].compactMap { $0 }.min()
        let milliseconds = due.map { Int32(min(max(0, ($0 - .now()) * 1000 + 0.999), 86_400_000)) } ?? -1
        unsafe poll(&entries, UInt(entries.count), milliseconds)
        while let signal = signals.next() { if signal != SIGPIPE { stop(after: Self.grace) } }
        if entries[count + 1].revents != 0 {
            var byte: UInt8 = 0
            if unsafe Glibc.read(0, &byte, 1) <= 0 { stop(after: 0) }
        }
        entries.removeLast(2)
        if isOver || (untilStop && isStopping) { throw .stopped }
    }

    /// Gives `seconds` more than there were, from now on.
    func grant(_ seconds: Double) { end = end.map { max($0, .now() + seconds) } }

    /// Seconds until everything ends; nil where nothing has told it to.
    var remaining: Double? { end.map { $0 - .now() } }

    private func stop(after seconds: Double) {
        isStopping = true
        let then = MonotonicTime.now() + seconds
        end = min(end ?? then, then)
    }
}
