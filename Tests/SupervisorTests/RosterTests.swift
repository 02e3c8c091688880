import Testing

@testable import Supervisor

struct RosterTests {
    typealias Entry = Roster.Entry
    typealias Member = RosterChange.Member

    @Test(arguments: [[], [Entry("eth0", joins: true)], [Entry("eth0", joins: false), Entry("ü %\u{7}", joins: true)]])
    func `a roster is read as it was written, however it is cut`(_ roster: [Entry]) throws {
        let frame = Roster.encode(roster)
        for count in 0..<frame.count {
            var part = Array(frame[..<count])
            #expect(try Roster.decode(&part) == nil)
        }
        var two = frame + frame
        #expect(try Roster.decode(&two) == roster)
        #expect(try Roster.decode(&two) == roster)
        #expect(two.isEmpty)
    }

    @Test func `as many names as there may be fit into a frame`() throws {
        let roster = (0..<Roster.most).map { Entry("interface-\($0)", joins: true) }
        var frame = Roster.encode(roster)
        #expect(try Roster.decode(&frame) == roster)
    }

    @Test(
        arguments: [
            ("a frame of nothing", [0, 0, 0, 0]),
            ("a length beyond all bounds", [255, 255, 255, 255]),
            ("an unknown value", [1, 0, 0, 0, 99]),
            ("bytes after the value", [2, 0, 0, 0, 0, 0]),
            ("text", Array("eth0\neth1\n".utf8)),
            ("no structure", ControlFrame.encode(.null)),
            ("a list of names", ControlFrame.encode(.array([.string("eth0")]))),
            ("no yes or no", ControlFrame.encode(.structure([("eth0", .int(1))]))),
            ("an empty name", ControlFrame.encode(.structure([("", .bool(true))]))),
            ("a name too long", ControlFrame.encode(.structure([(String(repeating: "a", count: 256), .bool(true))]))),
            ("a name twice", ControlFrame.encode(.structure([("a", .bool(true)), ("a", .bool(false))]))),
            ("too many", ControlFrame.encode(.structure((0...Roster.most).map { ("\($0)", .bool(true)) }))),
            ("no text", [10, 0, 0, 0, 7, 1, 0, 0, 0, 1, 0, 0, 0, 255, 2, 1]),
        ] as [(String, [UInt8])])
    func `what is no roster is refused in words`(_ what: String, _ bytes: [UInt8]) {
        var bytes = bytes
        #expect(isRefused(&bytes), "\(what)")
    }
    private func isRefused(_ bytes: inout [UInt8]) -> Bool {
        do throws(Roster.Problem) { _ = try Roster.decode(&bytes) } catch { return !error.description.isEmpty }
        return false
    }

    @Test func `ten thousand broken frames are read or refused, and none ends the process`() {
        var random = SplitMix(state: 5)
        let seeds = [
            Roster.encode((0..<20).map { Entry("eth\($0)", joins: $0 % 2 == 0) }), Roster.encode([]),
            Roster.encode([Entry("a", joins: true)]),
        ]
        var read = 0
        var refused = 0
        for _ in 0..<10_000 {
            var bytes = random.mutated(seeds)
            do throws(Roster.Problem) {
                while try Roster.decode(&bytes) != nil { read += 1 }
            } catch { refused += 1 }
        }
        #expect(read > 100 && refused > 100)
    }

    @Test(
        arguments: [
            ("nobody, nobody", [], [], [], []),
            ("one joins", [], [Entry("a", joins: true)], [], ["a"]),
            ("one that only stays is none where it is not", [], [Entry("a", joins: false)], [], []),
            ("one that is there stays", [Member(name: "a")], [Entry("a", joins: false)], [], []),
            ("one that is there does not join again", [Member(name: "a")], [Entry("a", joins: true)], [], []),
            ("one leaves", [Member(name: "a"), Member(name: "b")], [Entry("b", joins: true)], ["a"], []),
            ("one leaves and one joins", [Member(name: "a")], [Entry("b", joins: true)], ["a"], ["b"]),
            ("one on its way out leaves once", [Member(name: "a", isLeaving: true)], [], [], []),
            ("one on its way out does not join before it is gone", [Member(name: "a", isLeaving: true)], [Entry("a", joins: true)], [], []),
        ] as [(String, [Member], [Entry], [String], [String])])
    func `members become those of the roster, and all others are left alone`(
        _ what: String, _ members: [Member], _ roster: [Entry], _ leaves: [String], _ joins: [String]
    ) {
        let change = RosterChange(from: members, to: roster)
        #expect(change.leaves == leaves, "\(what)")
        #expect(change.joins == joins, "\(what)")
    }
}
