import Testing

@testable import Capture

struct RingBudgetTests {
    private static let mebibyte: Int64 = 1 << 20

    @Test(arguments: [(1, Int64(48)), (2, 24), (3, 16), (4, 12), (24, 2), (25, 2), (4096, 2)])
    func `at the start three quarters are shared out equally, and nobody gets less than 2 MiB`(count: Int, each: Int64) {
        let names = (0..<count).map { "eth\($0)" }
        var budget = RingBudget(64 * Self.mebibyte, among: names)
        #expect(names.map { budget.ring(for: $0) } == names.map { _ in each * Self.mebibyte })
    }

    @Test func `a newcomer gets half of what is left where that is less than an equal share`() {
        var budget = RingBudget(64 * Self.mebibyte, among: ["eth0"])
        #expect((1...6).map { budget.ring(for: "tun\($0)") / Self.mebibyte } == [8, 4, 2, 2, 2, 2])
        #expect(budget.left == 0)
    }

    @Test func `a newcomer gets no more than an equal share`() {
        var budget = RingBudget(64 * Self.mebibyte, among: ["a", "b", "c"])
        for name in ["a", "b", "c"] { budget.remove(name) }
        #expect(budget.left == 64 * Self.mebibyte)
        #expect(budget.ring(for: "d") == 32 * Self.mebibyte)
        budget = RingBudget(64 * Self.mebibyte, among: ["a", "b"])
        budget.remove("a")
        #expect(budget.ring(for: "c") == 20 * Self.mebibyte, "half of 40, and no more than 24")
    }

    @Test func `who has a ring keeps it, and what one had that is gone comes back`() {
        var budget = RingBudget(64 * Self.mebibyte, among: ["eth0", "eth1"])
        let before = budget.left
        let ring = budget.ring(for: "tun0")
        #expect(budget.ring(for: "tun0") == ring)
        budget.remove("tun0")
        budget.remove("nobody")
        #expect(budget.left == before)
        budget.remove("eth1")
        #expect(budget.left == before + 24 * Self.mebibyte)
    }

    @Test func `the sum is within the budget as long as nobody has to get the least`() {
        var budget = RingBudget(2047 * Self.mebibyte, among: ["eth0", "eth1", "eth2"])
        var sum = ["eth0", "eth1", "eth2"].reduce(Int64(0)) { $0 + budget.ring(for: $1) }
        for number in 0..<7 {
            sum += budget.ring(for: "tun\(number)")
            #expect(sum <= 2047 * Self.mebibyte)
        }
    }

    @Test func `no interface at all is no fault`() {
        var budget = RingBudget(512 << 10, among: [])
        #expect(budget.ring(for: "eth0") == RingBudget.least)
        #expect(budget.left == 0)
    }
}
