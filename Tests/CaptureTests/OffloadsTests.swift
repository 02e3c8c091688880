import Glibc
import Testing

@testable import Capture

/// What offloads mean for the record.
struct OffloadsTests {
    @Test(
        arguments: [
            ([:], [], nil),
            ([.gro: false, .lro: false, .gso: false, .tso: false, .rxChecksum: false, .txChecksum: false], [], nil),
            // Checked on receipt: the bytes are the same.
            ([.rxChecksum: true], ["rx-checksum"], nil),
            (
                [.gro: true], ["gro"],
                "eth0: with gro on, merged frames (up to 64 KB or more) are recorded whole, as the host sees them and not as they were on the wire; to switch that off: `ethtool -K eth0 gro off`"
            ),
            (
                [.txChecksum: true, .tso: false], ["tx-checksum"],
                "eth0: with tx-checksum on, checksums of outgoing packets may not be filled in; to switch that off: `ethtool -K eth0 tx off`"
            ),
            (
                [.gro: true, .lro: true, .gso: true, .tso: true, .rxChecksum: true, .txChecksum: true],
                ["gro", "lro", "gso", "tso", "rx-checksum", "tx-checksum"],
                "eth0: with gro, lro, gso, tso on, merged frames (up to 64 KB or more) are recorded whole, as the host sees them and not as they were on the wire; with tx-checksum on, checksums of outgoing packets may not be filled in; to switch that off: `ethtool -K eth0 gro off lro off gso off tso off tx off`"
            ),
        ] as [([Offloads.Kind: Bool], [String], String?)])
    func `what is on has its name, and what it changes in the record its sentence`(
        states: [Offloads.Kind: Bool], names: [String], advice: String?
    ) {
        let offloads = Offloads(states)
        #expect(offloads.names == names)
        #expect(offloads.advice("eth0") == advice)
    }

    @Test func `of an interface that is not there nothing is known`() {
        let offloads = Offloads.of("no-such-if0")
        #expect(offloads == Offloads([:]))
        for kind in Offloads.Kind.allCases { #expect(offloads[kind] == nil) }
    }

    @Test func `the kernel's answers for the loopback are taken, and its refusals stay unknown`() {
        let offloads = Offloads.of("lo")
        #expect(offloads[.lro] != true)
        #expect(offloads.names.count <= Offloads.Kind.allCases.count)
    }
}
