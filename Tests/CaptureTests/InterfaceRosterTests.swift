import Testing

@testable import Capture

/// Which interfaces `PCAP_INTERFACE=any` means, look by look.
struct InterfaceRosterTests {
    typealias Link = InterfaceChoice.Link

    private func link(
        _ name: String, _ index: UInt32, isUp: Bool = true, isLoopback: Bool = false, isMember: Bool = false, isVeth: Bool = false
    ) -> Link {
        Link(name: name, index: index, isUp: isUp, isLoopback: isLoopback, isMember: isMember, isVeth: isVeth)
    }
    private func joins(_ name: String) -> InterfaceRoster.Entry { .init(name: name, isUp: true) }
    private func stays(_ name: String) -> InterfaceRoster.Entry { .init(name: name, isUp: false) }

    /// What is said of the second of two looks; nil: nothing.
    @Test func `each change of an interface has its answer`() {
        let lo = link("lo", 1, isLoopback: true)
        let eth = link("eth0", 2)
        let table: [(what: String, before: [Link], after: [Link], said: [InterfaceRoster.Entry]?)] = [
            ("nothing", [lo, eth], [lo, eth], nil),
            ("one is there that is up", [eth], [eth, link("tun0", 3)], [joins("eth0"), joins("tun0")]),
            ("one is there that is down", [eth], [eth, link("tun0", 3, isUp: false)], [joins("eth0"), stays("tun0")]),
            ("it comes up", [eth, link("tun0", 3, isUp: false)], [eth, link("tun0", 3)], [joins("eth0"), joins("tun0")]),
            ("it goes down", [eth, link("tun0", 3)], [eth, link("tun0", 3, isUp: false)], [joins("eth0"), stays("tun0")]),
            ("it is gone", [eth, link("tun0", 3)], [eth], [joins("eth0")]),
            ("the last is gone", [lo, eth], [lo], []),
            ("it becomes a member", [eth, link("tun0", 3)], [eth, link("tun0", 3, isMember: true)], [joins("eth0")]),
            ("it is a member no more", [eth, link("tun0", 3, isMember: true)], [eth, link("tun0", 3)], [joins("eth0"), joins("tun0")]),
            ("another name", [eth, link("tun0", 3)], [eth, link("tun1", 3)], [joins("eth0"), joins("tun1")]),
            ("a veth end", [eth], [eth, link("veth0", 3, isVeth: true)], nil),
            ("a member that goes down", [eth, link("p0", 3, isMember: true)], [eth, link("p0", 3, isUp: false, isMember: true)], nil),
            ("loopback goes down", [lo, eth], [link("lo", 1, isUp: false, isLoopback: true), eth], nil),
        ]
        for row in table {
            var roster = InterfaceRoster()
            _ = roster.look(row.before)
            #expect(roster.look(row.after).announcements == (row.said.map { [$0] } ?? []), "\(row.what)")
        }
    }

    @Test func `the first look is announced whatever it finds`() {
        var roster = InterfaceRoster()
        #expect(roster.look([]).announcements == [[]])
        #expect(roster.look([]).announcements == [])
    }

    @Test func `interfaces that have exchanged names leave and join, one that was made anew stays`() {
        var roster = InterfaceRoster()
        _ = roster.look([link("a", 1), link("b", 2), link("c", 3)])
        let all = [joins("a"), joins("b"), joins("c")]
        #expect(roster.look([link("c", 1), link("b", 2), link("a", 3)]).announcements == [[joins("b")], all.reversed()])
        #expect(roster.look([link("c", 1), link("b", 2), link("a", 3)]).announcements == [])
        #expect(roster.look([link("c", 1), link("a", 3), link("b", 4)]).announcements == [[joins("c"), joins("a"), joins("b")]])
        // The name of one that is there still, under another: also where that is no eligible one any more.
        #expect(
            roster.look([link("z", 1, isMember: true), link("a", 3), link("b", 4), link("c", 5)]).announcements
                == [[joins("a"), joins("b")], all])
    }

    @Test func `more than can be followed are said once, and no newcomer puts out who was there`() {
        let most = InterfaceRoster.most
        let first = (1...most).map { link("v\($0)", UInt32($0), isUp: $0 != 7) }
        var roster = InterfaceRoster()
        #expect(roster.look(first).excess == nil)
        let more = [link("new0", 0), link("new1", 0)] + first
        let look = roster.look(more)
        #expect(look.excess == most + 2)
        #expect(look.announcements == [])
        #expect(roster.look(more) == InterfaceRoster.Look())
        // One place is free: the first of those that wait has it.
        let said = roster.look(more.filter { $0.name != "v9" })
        #expect(said.excess == nil)
        #expect(said.announcements.last?.count == most)
        #expect(said.announcements.last?.first == joins("new0"))
        #expect(roster.look(first).excess == nil)
        #expect(roster.look(more).excess == most + 2)
    }

    @Test func `of too many at once the first that are up are followed`() {
        let most = InterfaceRoster.most
        var roster = InterfaceRoster()
        let look = roster.look([link("down", 1, isUp: false)] + (2...most + 1).map { link("v\($0)", UInt32($0)) })
        #expect(look.excess == most + 1)
        #expect(look.announcements.last?.count == most)
        #expect(look.announcements.last?.contains(stays("down")) == false)
    }
}
