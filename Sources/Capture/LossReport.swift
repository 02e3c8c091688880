import Events

/// Packets that were not recorded, or not whole, since the start, each cause for itself.
struct Losses: Equatable, Sendable {
    /// The ring was full (PACKET_STATISTICS, packet(7)).
    var ring: UInt64 = 0
    /// The interface had no room (/sys/class/net/*/statistics).
    var interface: UInt64 = 0
    var disk: UInt64 = 0
    /// Recorded, but not to the end of what was on the wire.
    var cut: UInt64 = 0

    /// One line for each cause that has grown since `told`. `isCutWanted`: somebody has set a snaplen.
    func report(since told: Losses, interface name: String, refusal: String?, isCutWanted: Bool) -> [Event] {
        var out: [Event] = []
        if ring > told.ring {
            out.append(
                Event(
                    .warn, "packets_dropped",
                    "\(ring - told.ring) packets of \(name) dropped by the kernel, the ring was full; \(ring) in all",
                    ["packets": .number(Int64(ring - told.ring)), "total": .number(Int64(ring))]))
        }
        if interface > told.interface {
            out.append(
                Event(
                    .warn, "packets_missed",
                    "\(interface - told.interface) packets of \(name) dropped by the interface; \(interface) in all",
                    ["packets": .number(Int64(interface - told.interface)), "total": .number(Int64(interface))]))
        }
        if disk > told.disk {
            out.append(
                Event(
                    .erro, "disk_refused",
                    "lost \(disk - told.disk) packets to the disk (\(refusal ?? "full")), \(disk) in all; trying again each second",
                    ["packets": .number(Int64(disk - told.disk)), "total": .number(Int64(disk))]))
        }
        if cut > told.cut, !isCutWanted {
            out.append(
                Event(
                    .warn, "packets_cut",
                    "\(cut - told.cut) packets of \(name) were longer than a record can be and are cut; \(cut) in all",
                    ["packets": .number(Int64(cut - told.cut)), "total": .number(Int64(cut))]))
        }
        return out
    }
}
