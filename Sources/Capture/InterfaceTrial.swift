import CLinux
public import Events
import Glibc
import Linux
import Spool

/// Opens an interface as recording does, with this user's rights, and closes it again.
public enum InterfaceTrial {
    /// A running sensor has its own ring: this one only shows that there can be one.
    private static let ring: Int64 = 2 << 20
    private static let up: UInt32 = 0x1

    public static func run(_ interface: String, promiscuous: Bool, filter: String?, uploadPort: UInt16) -> [CheckResult] {
        let check = "interface \(interface)"
        var flags: UInt32 = 0
        var driver = [CChar](repeating: 0, count: 32)
        let isThere = unsafe sensor_interface(interface, &flags, &driver) == 0
        if let problem = presence(check, interface, isThere: isThere, isUp: flags & up != 0, others: InterfaceChoice.names()) {
            return [problem]
        }
        sensor_raise_net_raw()
        do throws(PcapError) {
            let handle = try PcapHandle(
                interface: interface, snaplen: PcapFormat.maximumSnaplen, ring: ring, promiscuous: promiscuous)
            var results = [CheckResult(.ok, check, "can be recorded, link type \(handle.linktype)")]
            if let warning = handle.warning { results.append(CheckResult(.warn, check, warning)) }
            if let filter { results.append(tryFilter(filter, on: handle, interface, uploadPort: uploadPort)) }
            results.append(offloads(interface))
            return results
        } catch { return [CheckResult(.fail, check, error.description)] }
    }

    /// nil where it can be opened.
    static func presence(_ check: String, _ interface: String, isThere: Bool, isUp: Bool, others: [String]) -> CheckResult? {
        if !isThere {
            return CheckResult(
                .fail, check,
                "there is none of this name, only \(others.joined(separator: ", ")); set PCAP_INTERFACE, or the sensor waits for it")
        }
        if !isUp { return CheckResult(.fail, check, "is down, and the sensor waits for it; run: ip link set \(interface) up") }
        return nil
    }

    private static func tryFilter(
        _ filter: String, on handle: borrowing PcapHandle, _ interface: String, uploadPort: UInt16
    ) -> CheckResult {
        let check = "filter on \(interface)"
        do throws(PcapError) { _ = try handle.compile(filter) } catch {
            return CheckResult(.fail, check, "PCAP_BPF_FILTER='\(filter)': libpcap says \(error)")
        }
        if let warning = FilterAdvice.warning(for: filter, uploadPort: uploadPort, linktype: handle.linktype) {
            return CheckResult(.warn, check, warning)
        }
        return CheckResult(.ok, check, "compiles")
    }

    private static func offloads(_ interface: String) -> CheckResult {
        let offloads = Offloads.of(interface)
        if let advice = offloads.advice(interface) { return CheckResult(.warn, "offloads", advice) }
        return CheckResult(.ok, "offloads", "\(interface): none is on, as far as is known, that changes what is recorded")
    }
}
