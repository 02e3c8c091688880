import CPcap
import Events
import Glibc
import Spool
import Testing

@testable import Capture

@Suite struct LossReportTests {
    static func lines(_ now: Losses, since told: Losses = Losses(), isCutWanted: Bool = false) -> [String] {
        now.report(since: told, interface: "eth0", refusal: nil, isCutWanted: isCutWanted).map(\.name)
    }

    @Test func `each cause has its own line, and only when it has grown`() {
        let all = Losses(ring: 1, interface: 2, disk: 3, cut: 4)
        #expect(Self.lines(all) == ["packets_dropped", "packets_missed", "disk_refused", "packets_cut"])
        #expect(Self.lines(all, since: all) == [])
        #expect(Self.lines(Losses(ring: 2, interface: 2, disk: 3, cut: 4), since: all) == ["packets_dropped"])
        #expect(Self.lines(Losses(ring: 1, interface: 3, disk: 3, cut: 4), since: all) == ["packets_missed"])
        #expect(Self.lines(Losses(ring: 1, interface: 2, disk: 4, cut: 4), since: all) == ["disk_refused"])
        #expect(Self.lines(Losses(ring: 1, interface: 2, disk: 3, cut: 5), since: all) == ["packets_cut"])
    }

    @Test func `packets cut by a snaplen that somebody wanted are no news`() {
        #expect(Self.lines(Losses(cut: 4), isCutWanted: true) == [])
    }

    @Test func `a line says how many since the last one, and how many in all`() {
        let event = Losses(ring: 150).report(since: Losses(ring: 30), interface: "eth0", refusal: nil, isCutWanted: false)[0]
        #expect(event.message == "120 packets of eth0 dropped by the kernel, the ring was full; 150 in all")
    }
}

@Suite struct GapSumTests {
    static func facts(_ gaps: [Gap]) -> CaptureFacts {
        var facts = CaptureFacts(
            sensor: "s", interface: "eth0", series: "x", sequence: 1, linktype: 1, snaplen: 1, opened: "2026-11-25T05:11:47.000123Z")
        facts.tell(gaps)
        return facts
    }
    static let from = "2026-11-25T05:11:47.500000Z", to = "2026-11-25T05:12:49.750000Z"

    @Test func `blind time and what the budget dropped are summed apart`() {
        let facts = Self.facts([
            Gap(from: Self.from, to: Self.to, reason: "interface gone", lost: nil),
            Gap(from: Self.from, to: Self.to, reason: "killed", lost: nil),
            Gap(from: Self.from, to: Self.to, reason: Gap.budgetReason, lost: 70),
            Gap(from: Self.from, to: Self.to, reason: Gap.diskReason, lost: 9),
        ])
        #expect(facts.secondsBlind == 124.5)
        #expect(facts.droppedByBudget == 70)
    }

    @Test func `no gap is zero of both; a drop that nobody counted is unknown`() {
        #expect(Self.facts([]).secondsBlind == 0)
        #expect(Self.facts([]).droppedByBudget == 0)
        #expect(Self.facts([Gap(from: Self.from, to: Self.to, reason: Gap.budgetReason, lost: nil)]).droppedByBudget == nil)
    }

    @Test func `a clock that was set back during a gap makes no negative time`() {
        #expect(Self.facts([Gap(from: Self.to, to: Self.from, reason: "killed", lost: nil)]).secondsBlind == 0)
    }
}

@Suite struct BoundLinkTests {
    typealias Look = BoundLink.Look
    let link = BoundLink(name: "eth0", index: 5, hardware: 1)

    @Test(arguments: [
        (Look?.some(Look(index: 5, hardware: 1, isUp: true)), BoundLink.Verdict.up),
        (Look(index: 5, hardware: 1, isUp: false), .down),
        (nil, .gone("there is no interface of this name any more")),
        (Look(index: 7, hardware: 1, isUp: true), .gone("another interface has its name now (number 7, recorded was 5)")),
        (Look(index: 5, hardware: 65534, isUp: true), .gone("its link type has changed (ARPHRD 65534, was 1)")),
        (Look(index: 7, hardware: 65534, isUp: false), .gone("another interface has its name now (number 7, recorded was 5)")),
    ]) func `what the name means now decides whether recording goes on`(look: Look?, verdict: BoundLink.Verdict) {
        #expect(link.verdict(look) == verdict)
    }
}

@Suite struct OpeningTests {
    @Test(arguments: [
        (PCAP_ERROR_NO_SUCH_DEVICE, "", PcapError.Kind.interfaceAbsent), (PCAP_ERROR_IFACE_NOT_UP, "", .interfaceAbsent),
        (PCAP_ERROR_PERM_DENIED, "", .refused), (PCAP_ERROR_PROMISC_PERM_DENIED, "", .promiscuousRefused),
        (PCAP_ERROR, "setsockopt (PACKET_ADD_MEMBERSHIP): Operation not permitted", .promiscuousRefused),
        (PCAP_ERROR, "can't mmap rx ring: Cannot allocate memory", .other),
    ]) func `why an interface cannot be opened decides what is done`(result: Int32, words: String, kind: PcapError.Kind) {
        #expect(PcapError.kind(ofActivating: result, words) == kind)
    }

    @Test(arguments: [2, 8] as [Int64]) func `the ring that the kernel gave is known`(mebibytes: Int64) throws {
        try #require(geteuid() == 0, "needs root: opens lo")
        let handle = try PcapHandle(interface: "lo", snaplen: 262_144, ring: mebibytes << 20, promiscuous: false)
        let ring = handle.ringBytes
        #expect(ring == mebibytes << 20)
    }
}
