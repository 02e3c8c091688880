import CLinux
import Glibc
import Linux

/// Connects to the first of several addresses that answers (RFC 8305, "happy eyeballs"), from a small range of
/// source ports, so that a fixed filter can name the sensor's own upload.
struct Dialer: ~Copyable {
    /// A socket on its way; closes itself unless it is taken.
    private final class Attempt {
        private(set) var socket: Int32
        let address: SocketAddress
        let due: MonotonicTime
        init(_ socket: Int32, _ address: SocketAddress, due: MonotonicTime) {
            self.socket = socket
            self.address = address
            self.due = due
        }
        deinit { if socket >= 0 { close(socket) } }
        func take() -> Int32 {
            defer { socket = -1 }
            return socket
        }
    }
    struct Settings {
        let host: String
        let port: UInt16
        let sources: ClosedRange<UInt16>
        /// Seconds for one address.
        let timeout: Double
        /// Bytes of a TCP segment at most; nil is the kernel's choice.
        var maxSegment: Int32?
        /// Seconds of silence until the peer is probed.
        var probing: Int32 = 10
    }
    /// The next address is tried when the one before has been silent for so long (RFC 8305, section 5).
    private static let head = 0.25
    /// After so long without an answer the kernel gives up a connection (TCP_USER_TIMEOUT, tcp(7)).
    private static let userTimeout: UInt32 = 30_000

    private let settings: Settings
    private var waiting: [SocketAddress]
    private var attempts: [Attempt] = []
    private var nextStart: MonotonicTime
    private var last: ShipFault

    init(_ addresses: [SocketAddress], _ settings: Settings) {
        self.settings = settings
        self.waiting = Self.interleaved(addresses)
        self.nextStart = MonotonicTime(nanoseconds: 0)
        self.last = ShipFault(.passing, "the name \(settings.host) has no address")
    }

    /// Families by turns, the first one's first, each in the order the resolver gave (RFC 8305, section 4).
    static func interleaved(_ addresses: [SocketAddress]) -> [SocketAddress] {
        guard let family = addresses.first?.family else { return [] }
        var (one, other) = (addresses.filter { $0.family == family }[...], addresses.filter { $0.family != family }[...])
        var out: [SocketAddress] = []
        while !one.isEmpty || !other.isEmpty {
            if let next = one.popFirst() { out.append(next) }
            if let next = other.popFirst() { out.append(next) }
        }
        return out
    }

    /// A server that takes a connection and ends it before it says anything.
    static func closed(_ address: SocketAddress, _ port: UInt16) -> ShipFault {
        ShipFault(
            .passing,
            "cannot connect to \(address.text) port \(port): it closes connections at once (sshd: MaxStartups or PerSourcePenalties; or a proxy with nothing behind it)"
        )
    }

    /// A server that says something else than SSH. sshd does so where it has too many connections.
    static func answered(_ line: String, _ address: SocketAddress, _ port: UInt16) -> ShipFault {
        let isSSHD = line == "Exceeded MaxStartups" || line == "Not allowed at this time"
        let why = isSSHD ? "sshd: MaxStartups or PerSourcePenalties" : "is it an SSH server? the port is -P in SCP_ARGUMENTS"
        return ShipFault(.passing, "cannot connect to \(address.text) port \(port): it says \"\(line)\" where SSH should begin (\(why))")
    }

    /// Writable when something has happened.
    var sockets: [Int32] { attempts.map(\.socket) }
    /// When to look again though nothing has.
    var due: MonotonicTime? { ([waiting.isEmpty ? nil : nextStart] + attempts.map { Optional($0.due) }).compactMap { $0 }.min() }

    /// The connected socket, nil while there is none yet; throws the last fault where no address is left.
    mutating func advance(now: MonotonicTime) throws(ShipFault) -> (socket: Int32, address: SocketAddress)? {
        for attempt in attempts {
            var entry = pollfd(fd: attempt.socket, events: Int16(POLLOUT), revents: 0)
            if unsafe poll(&entry, 1, 0) > 0 {
                var code: Int32 = 0
                var length = socklen_t(4)
                unsafe getsockopt(attempt.socket, SOL_SOCKET, SO_ERROR, &code, &length)
                if code == 0 {
                    attempts.removeAll { $0 === attempt }
                    return (attempt.take(), attempt.address)
                }
                fail(attempt, SystemError.text(code))
                if code == ECONNRESET || code == EPIPE { last = Self.closed(attempt.address, settings.port) }
            } else if attempt.due <= now {
                fail(attempt, "no answer within \(Int(settings.timeout)) s")
            }
        }
        while !waiting.isEmpty, nextStart <= now || attempts.isEmpty {
            let address = waiting.removeFirst()
            if let attempt = try start(address, now: now) { attempts.append(attempt) }
            nextStart = now + Self.head
        }
        if attempts.isEmpty, waiting.isEmpty { throw last }
        return nil
    }

    private mutating func fail(_ attempt: Attempt, _ why: String) {
        attempts.removeAll { $0 === attempt }
        fail(attempt.address, why)
    }

    private mutating func fail(_ address: SocketAddress, _ why: String) {
        last = ShipFault(.passing, "cannot connect to \(address.text) port \(settings.port): \(why)")
        // The next one need not wait.
        nextStart = MonotonicTime(nanoseconds: 0)
    }

    private mutating func start(_ address: SocketAddress, now: MonotonicTime) throws(ShipFault) -> Attempt? {
        // A port whose old connection the kernel still remembers is no reason to stop: the next one is tried.
        let sources = settings.sources
        let first = Int.random(in: 0..<sources.count)
        var mayLackRoute = false
        for step in 0..<sources.count {
            let source = sources.lowerBound + UInt16((first + step) % sources.count)
            guard let number = try open(address, SOCK_STREAM) else { return nil }
            let attempt = Attempt(number, address, due: now + settings.timeout)
            prepare(number)
            guard sensor_bind_source_port(number, address.family, source) == 0 else {
                if [EADDRINUSE, EACCES].contains(errno) { continue }
                throw .local(SystemError("bind to port \(source)", code: errno))
            }
            if address.connect(number) || errno == EINPROGRESS { return attempt }
            switch errno {
            case EADDRINUSE: continue
            case EADDRNOTAVAIL: mayLackRoute = true
            default:
                fail(address, SystemError.text(errno))
                return nil
            }
        }
        last = ShipFault(.passing, "none of the source ports \(sources.lowerBound)-\(sources.upperBound) is free (SCP_SOURCE_PORTS)")
        if mayLackRoute { try checkRoute(address) }
        return nil
    }

    /// connect(2) has EADDRNOTAVAIL for a port in use and for a host without an address to reach the peer from;
    /// a datagram socket, whose port is any, knows only the second.
    private mutating func checkRoute(_ address: SocketAddress) throws(ShipFault) {
        guard let probe = try open(address, SOCK_DGRAM) else { return }
        defer { close(probe) }
        guard !address.connect(probe) else { return }
        fail(address, errno == EADDRNOTAVAIL ? "this host has no address to reach it from" : SystemError.text(errno))
    }

    /// A socket, or nil where this host does not speak the address's family: the other addresses are still tried.
    private mutating func open(_ address: SocketAddress, _ kind: __socket_type) throws(ShipFault) -> Int32? {
        let number = socket(address.family, Int32(kind.rawValue) | Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue), 0)
        guard number < 0 else { return number }
        if [EMFILE, ENFILE, ENOBUFS, ENOMEM].contains(errno) { throw .local(SystemError("socket", code: errno)) }
        fail(address, SystemError.text(errno))
        return nil
    }

    private func prepare(_ socket: Int32) {
        var on: Int32 = 1
        unsafe setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &on, 4)
        unsafe setsockopt(socket, Int32(IPPROTO_TCP), TCP_NODELAY, &on, 4)
        // A dead peer is found by the kernel, with data under way or without.
        sensor_set_tcp_keepalive(socket, settings.probing, 5, 4)
        sensor_set_tcp_user_timeout(socket, Self.userTimeout)
        // Leaves no TIME_WAIT behind, which would block the source port for the next connection.
        sensor_set_linger_zero(socket)
        if let segment = settings.maxSegment { sensor_set_tcp_max_segment(socket, segment) }
    }
}
