public import Events
import Linux
public import Settings

public struct ShipOptions: Sendable {
    public var spool: String
    public var state: String
    public var target: Target
    /// Private keys, tried in this order.
    public var keyFiles: [String]
    /// Read all; the first is learned into.
    public var knownHostsFiles: [String]
    public var arguments = SCPArguments()
    public var pinnedHostKeys: [PinnedHostKey] = []
    public var sourcePorts: ClosedRange<UInt16> = 60872...60887
    /// Bytes per second.
    public var rate: Int64?
    public var interval = 300.0
    /// When bytes may flow; `once` is asked for by somebody who is there, and does not mind them.
    public var hours = ShippingHours.always
    /// Delivers what is there and ends.
    public var once = false
    /// Descriptor 0 is a pipe from the supervisor, whose end ends this program.
    public var isSupervised = false
    public var showsProgress = false
    public var face = LogFace.text

    public init(spool: String, state: String, target: Target, keyFiles: [String], knownHostsFiles: [String]) {
        self.spool = spool
        self.state = state
        self.target = target
        self.keyFiles = keyFiles
        self.knownHostsFiles = knownHostsFiles
    }
}

extension ShipOptions {
    /// Bytes per second at most, of all that say so.
    var limit: Int64? {
        // scp's -l counts in 1024 bits.
        [rate, arguments.limitKbit.map { Int64($0) * 128 }].compactMap { $0 }.min()
    }
    /// How people call the target.
    var label: String {
        switch target {
        case .directory(let path): return path
        case .ssh(let ssh):
            let host = ssh.host.contains(":") ? "[\(ssh.host)]" : ssh.host
            return "\(SSHApproach.user(self, ssh))@\(host):\(ssh.directory)"
        }
    }
}
