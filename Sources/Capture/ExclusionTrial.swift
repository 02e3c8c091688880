public import Events

/// Whether the sensor's own upload stays out of the record.
public enum ExclusionTrial {
    /// `sources`: nil where it is to be recorded. `addresses` are the target's, numeric.
    public static func run(
        addresses: [String], port: UInt16, sources: ClosedRange<UInt16>?, recorded: [String]
    ) -> [CheckResult] {
        let check = "own upload"
        guard !addresses.isEmpty else { return [] }
        guard let sources else {
            return [
                CheckResult(
                    .warn, check,
                    "PCAP_EXCLUDE_SHIPPING=no: where a recorded interface carries the upload, it is recorded, uploaded, and so on without end; set it to yes"
                )
            ]
        }
        if let warning = TunnelAdvice.warning(addresses: addresses, recorded: recorded) { return [CheckResult(.warn, check, warning)] }
        let text = OwnUpload.expression(addresses: addresses, port: port, sources: sources, tagged: false) ?? ""
        if let problem = PcapFilter.problem(in: text) { return [CheckResult(.fail, check, "cannot be left out: libpcap says \(problem)")] }
        return [
            CheckResult(
                .ok, check,
                "left out, and nothing else: TCP between ports \(sources.lowerBound)-\(sources.upperBound) here and port \(port) of \(addresses.joined(separator: ", "))"
            )
        ]
    }
}
