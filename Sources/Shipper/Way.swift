import Glibc
import Linux

/// What there is between here and the target: connections, or nothing but a directory.
enum Way {
    case directory(DirectoryLane)
    case ssh(Uplink)

    var isReady: Bool { if case .ssh(let uplink) = self { uplink.isReady } else { true } }
    var lanes: [any Lane] {
        switch self {
        case .directory(let lane): [lane]
        case .ssh(let uplink): uplink.lanes
        }
    }
    var isPOSIX: Bool { if case .ssh(let uplink) = self { uplink.first?.isOpenSSH ?? false } else { true } }
    var underWay: Int { lanes.reduce(0) { $0 + $1.underWay } }
    var due: MonotonicTime? {
        switch self {
        case .directory(let lane): lane.underWay > 0 ? .now() : nil
        case .ssh(let uplink): uplink.due
        }
    }
    func addPolls(_ entries: inout [pollfd]) { if case .ssh(let uplink) = self { uplink.addPolls(&entries) } }
    func advance(now: MonotonicTime) throws(ShipFault) -> Bool {
        if case .ssh(let uplink) = self { return try uplink.advance(now: now) }
        return false
    }
    func adapt(now: MonotonicTime, waiting: Int64, done: Int64, isHeld: Bool) throws(ShipFault) {
        if case .ssh(let uplink) = self { try uplink.adapt(now: now, waiting: waiting, done: done, isHeld: isHeld) }
    }
}
