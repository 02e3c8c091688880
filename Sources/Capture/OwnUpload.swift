import Linux
import Spool

/// The shipper's own connections, as pcap-filter(7) text.
public enum OwnUpload {
    /// nil where no address is known yet. `tagged`: in up to two VLAN tags too, where the link has them. Fragments are
    /// none of ours (the shipper's packets are not fragmented), and where one lacks the ports its bytes could look like them.
    public static func expression(
        addresses: [String], port: UInt16, sources: ClosedRange<UInt16>, tagged: Bool
    ) -> String? {
        guard !addresses.isEmpty else { return nil }
        let range = "portrange \(sources.lowerBound)-\(sources.upperBound)"
        let one = addresses.map { address in
            let host = address.prefix { $0 != "%" }
            let whole = host.contains(":") ? "ip6[6] = 6" : "ip[6:2] & 0x3fff = 0"
            return
                "(tcp and \(whole) and ((dst host \(host) and dst port \(port) and src \(range)) or (src host \(host) and src port \(port) and dst \(range))))"
        }.joined(separator: " or ")
        return tagged ? "(\(one)) or (vlan and ((\(one)) or (vlan and (\(one)))))" : one
    }

    /// What is to be left out of what `handle` records, as text; nil where nothing is, or nothing is known of the target.
    static func expression(
        _ sources: ClosedRange<UInt16>?, in state: borrowing Directory, on handle: borrowing PcapHandle
    ) throws(PcapError) -> String? {
        guard let sources, let target = JSONFile.read(TargetAddresses.self, TargetAddresses.file, in: state) else { return nil }
        func text(tagged: Bool) -> String? {
            expression(addresses: target.addresses, port: target.port, sources: sources, tagged: tagged)
        }
        guard let tagged = text(tagged: true), let plain = text(tagged: false) else { return nil }
        if (try? handle.compile(tagged)) != nil { return tagged }
        _ = try handle.compile(plain)
        return plain
    }
}
