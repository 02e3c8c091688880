import Evidence
import Glibc
import Linux
import Settings

/// The connections to one SSH target: the first, and as many more as bring something.
final class Uplink {
    private let options: ShipOptions
    private let target: SSHTarget
    private let addresses: [SocketAddress]
    private let approach: SSHApproach
    private var login: SSHOptions
    /// Host keys that were no pinned ones.
    private var shown: [SSHPublicKey] = []
    private let maxSegment: Int32?
    private let check: (SSHPublicKey) throws(ShipFault) -> Void
    private var connections: [SSHConnection] = []
    private var plan = StreamPlan()
    private var numbers = 0
    /// Bytes were under way, or a login, and nothing was heard any more.
    private(set) var wentSilent = false

    /// `check` throws for a host key that is not the right one.
    init(
        _ options: ShipOptions, _ target: SSHTarget, addresses: [SocketAddress], approach: SSHApproach, maxSegment: Int32?,
        check: @escaping (SSHPublicKey) throws(ShipFault) -> Void
    ) throws(ShipFault) {
        self.options = options
        self.target = target
        self.addresses = addresses
        self.approach = approach
        self.login = approach.login
        self.maxSegment = maxSegment
        self.check = check
        connections = [try connection(to: addresses)]
    }

    private func connection(to addresses: [SocketAddress]) throws(ShipFault) -> SSHConnection {
        let port = approach.port
        let dialer = Dialer(
            addresses,
            Dialer.Settings(
                host: target.host, port: port, sources: options.sourcePorts, timeout: approach.timeout, maxSegment: maxSegment,
                probing: approach.probing))
        return try SSHConnection(
            dialer, login, at: SSHConnection.Place(name: "\(target.host) port \(port)", port: port, directory: Self.directory(target)),
            numbers: { [unowned self] in
                numbers += 1
                return numbers
            }, check: check)
    }

    /// Relative is to the home directory, where SFTP begins.
    private static func directory(_ target: SSHTarget) -> String {
        target.directory == "~" ? "" : target.directory.hasPrefix("~/") ? String(target.directory.dropFirst(2)) : target.directory
    }

    var first: SSHConnection? { connections.first }
    var isReady: Bool { connections.contains(where: \.isReady) }
    var lanes: [any Lane] { connections.flatMap { $0.channels.filter(\.isReady) } }
    var underWay: Int { connections.reduce(0) { $0 + $1.underWay } }
    var due: MonotonicTime? { connections.compactMap(\.due).min() }
    func addPolls(_ entries: inout [pollfd]) { for connection in connections { connection.addPolls(&entries) } }

    /// As far as it goes without waiting; true where something moved. Throws when the last connection is lost.
    func advance(now: MonotonicTime) throws(ShipFault) -> Bool {
        var moved = false
        for connection in connections {
            do throws(ShipFault) {
                if try connection.advance(now: now) { moved = true }
            } catch {
                let others = connections.filter { $0 !== connection }
                guard others.contains(where: { $0.stage == .channels }) else {
                    if try askForAnother(connection, error) { return true }
                    wentSilent = connection.wasSilent(at: now)
                    throw error
                }
                // It was one too many, or else the server would be asked for it again at once, and again.
                plan.refused(beyond: others.count, at: seconds(now))
                connections = others
                moved = true
            }
        }
        return moved
    }

    /// A pin by fingerprint does not tell the type of its key: a server that showed another one first is asked for the next.
    private func askForAnother(_ connection: SSHConnection, _ fault: ShipFault) throws(ShipFault) -> Bool {
        guard connection.hostKey == nil, fault.kind == .operators else { return false }
        if let key = connection.shownKey {
            shown.append(key)
        } else if !shown.isEmpty {
            // It has no further key.
            throw ShipFault(.operators, approach.policy.refusal(ofPinned: shown))
        }
        let rest = approach.policy.algorithmsLeft(of: login.hostKeyPreference, shown: shown.map(\.type))
        if shown.isEmpty || rest.isEmpty {
            if shown.count > 1 { throw ShipFault(.operators, approach.policy.refusal(ofPinned: shown)) }
            return false
        }
        login.hostKeyPreference = rest
        connections = [try self.connection(to: addresses)]
        return true
    }

    /// Opens and gives back connections. `waiting` bytes have not been handed out.
    func adapt(now: MonotonicTime, waiting: Int64, done: Int64, isHeld: Bool) throws(ShipFault) {
        // From the login on: by the time a further one carries anything, this one has begun.
        guard let first = connections.first(where: { $0.stage == .channels }), let roundTrip = first.roundTrip, let address = first.address
        else { return }
        let ready = max(1, connections.count(where: \.isReady))
        plan.look(at: seconds(now), streams: ready, waiting: waiting, done: done, roundTrip: roundTrip, isHeld: isHeld)
        while connections.count < plan.wanted { connections.append(try connection(to: [address])) }
        if connections.count > plan.wanted, let idle = connections.last, idle !== first, !idle.isReady || idle.isIdle {
            connections.removeLast()
        }
    }

    private func seconds(_ now: MonotonicTime) -> Double { Double(now.nanoseconds) / 1e9 }
}
