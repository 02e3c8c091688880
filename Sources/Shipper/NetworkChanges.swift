import CLinux
import Linux

/// Tells when an interface, an address or a route of this machine has changed (rtnetlink(7)).
final class NetworkChanges {
    private let socket: Descriptor

    /// nil where the kernel does not tell.
    init?() {
        let number = sensor_network_changes()
        guard number >= 0 else { return nil }
        socket = Descriptor(owning: number)
    }

    var descriptor: Int32 { socket.number }

    /// Takes what there is to hear. True where something was.
    func hear() -> Bool {
        var heard = false
        while let bytes = try? socket.read(1 << 14), !bytes.isEmpty { heard = true }
        return heard
    }
}
