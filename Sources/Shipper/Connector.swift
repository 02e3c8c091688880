import CLinux
import Glibc
import Linux

/// A connected socket and the address at its other end.
struct Connection: ~Copyable {
    let socket: Descriptor
    let address: SocketAddress
    consuming func takeSocket() -> Descriptor { socket }
}

/// Connects from a small range of source ports, so that a fixed filter can name the sensor's own upload.
enum Connector {
    /// After so long without an answer the kernel gives up a connection (TCP_USER_TIMEOUT, tcp(7)).
    private static let userTimeout: UInt32 = 30_000

    /// Tries each address in turn; the fault tells of the last.
    static func connect(
        _ addresses: [SocketAddress], host: String, port: UInt16, from sources: ClosedRange<UInt16>, timeout: Double, stop: StopWatch
    ) throws(ShipFault) -> Connection {
        var last = ShipFault(.passing, "the name \(host) has no address")
        for address in addresses {
            do {
                return Connection(
                    socket: try connect(address, host: host, port: port, from: sources, timeout: timeout, stop: stop), address: address)
            } catch {
                if error.kind == .stopped { throw error }
                last = error
            }
        }
        throw last
    }

    private static func connect(
        _ address: SocketAddress, host: String, port: UInt16, from sources: ClosedRange<UInt16>, timeout: Double, stop: StopWatch
    ) throws(ShipFault) -> Descriptor {
        let place = "\(address.text) port \(port)"
        // A port whose old connection the kernel still remembers is no reason to stop: the next one is tried.
        let first = Int.random(in: 0..<sources.count)
        for step in 0..<sources.count {
            let source = sources.lowerBound + UInt16((first + step) % sources.count)
            let number = Glibc.socket(
                address.family, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue), 0)
            guard number >= 0 else { throw .local(SystemError("socket", code: errno)) }
            let socket = Descriptor(owning: number)
            set(number, SOL_SOCKET, SO_REUSEADDR, 1)
            set(number, Int32(IPPROTO_TCP), TCP_NODELAY, 1)
            set(number, SOL_SOCKET, SO_KEEPALIVE, 1)
            sensor_set_tcp_user_timeout(number, userTimeout)
            // Leaves no TIME_WAIT behind, which would block the source port for the next connection.
            sensor_set_linger_zero(number)
            guard bind(number, address.family, source) else {
                if [EADDRINUSE, EACCES].contains(errno) { continue }
                throw .local(SystemError("bind to port \(source)", code: errno))
            }
            let result = unsafe address.bytes.withUnsafeBytes {
                unsafe Glibc.connect(number, $0.baseAddress!.assumingMemoryBound(to: sockaddr.self), socklen_t($0.count))
            }
            if result == 0 { return socket }
            switch errno {
            case EADDRNOTAVAIL, EADDRINUSE: continue
            case EINPROGRESS: break
            case let code: throw ShipFault(.passing, "cannot connect to \(place): \(SystemError.text(code))")
            }
            let woken = try stop.wait(number, read: false, write: true, until: .now() + timeout)
            guard woken.write else { throw ShipFault(.passing, "cannot connect to \(place): no answer within \(Int(timeout)) s") }
            var code: Int32 = 0
            var length = socklen_t(4)
            unsafe getsockopt(number, SOL_SOCKET, SO_ERROR, &code, &length)
            if code == 0 { return socket }
            if code == EADDRNOTAVAIL { continue }
            throw ShipFault(.passing, "cannot connect to \(place): \(SystemError.text(code))")
        }
        throw ShipFault(.passing, "none of the source ports \(sources.lowerBound)-\(sources.upperBound) is free (SCP_SOURCE_PORTS)")
    }

    private static func set(_ socket: Int32, _ level: Int32, _ option: Int32, _ value: Int32) {
        var value = value
        unsafe setsockopt(socket, level, option, &value, 4)
    }

    private static func bind(_ socket: Int32, _ family: Int32, _ port: UInt16) -> Bool {
        if family == AF_INET6 {
            var any = sockaddr_in6()
            any.sin6_family = sa_family_t(AF_INET6)
            any.sin6_port = port.bigEndian
            return unsafe withUnsafeBytes(of: &any) { unsafe bind(socket, $0) }
        }
        var any = sockaddr_in()
        any.sin_family = sa_family_t(AF_INET)
        any.sin_port = port.bigEndian
        return unsafe withUnsafeBytes(of: &any) { unsafe bind(socket, $0) }
    }
    private static func bind(_ socket: Int32, _ address: UnsafeRawBufferPointer) -> Bool {
        unsafe Glibc.bind(socket, address.baseAddress!.assumingMemoryBound(to: sockaddr.self), socklen_t(address.count)) == 0
    }
}
