import Testing

@testable import Capture

struct LinkTests {
    private static let bound = BoundLink(name: "eth0", index: 7, hardware: 1)

    @Test func `the interface that was opened is recorded on, whether up or down`() {
        #expect(Self.bound.verdict(.init(index: 7, hardware: 1, isUp: true)) == .up)
        #expect(Self.bound.verdict(.init(index: 7, hardware: 1, isUp: false)) == .down)
    }

    @Test(arguments: [
        (BoundLink.Look?.none, "no interface of this name"), (.init(index: 8, hardware: 1, isUp: true), "number 8, recorded was 7"),
        (.init(index: 7, hardware: 801, isUp: true), "ARPHRD 801, was 1"), (.init(index: 7, hardware: 801, isUp: false), "ARPHRD 801"),
    ])
    func `what is not the interface that was opened is gone, and the reason says why`(look: BoundLink.Look?, words: String) {
        guard case .gone(let reason) = Self.bound.verdict(look) else {
            Issue.record("not gone")
            return
        }
        #expect(reason.contains(words))
    }
}
