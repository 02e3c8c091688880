import Events
import Glibc
import Linux
import Testing

@testable import Capture

/// What `sensor check` says of interfaces and disks.
struct TrialTests {
    static let gigabyte: Int64 = 1 << 30

    @Test(
        arguments: [
            (100 * gigabyte, 10 * gigabyte, .ok, "100.0G free of 200.0G, 10.0G are to stay free"),
            (5 * gigabyte, 10 * gigabyte, .warn, "SENSOR_SPOOL_FREE"), (10 * gigabyte + 1, 10 * gigabyte, .warn, "PCAP_FILE_BYTES"),
            (1000, 0, .fail, "the disk is full"), (0, 10 * gigabyte, .fail, "the disk is full"),
        ] as [(Int64, Int64, CheckResult.State, String)])
    func `space is judged by what is to stay free and the size of a file`(
        free: Int64, wanted: Int64, state: CheckResult.State, words: String
    ) {
        let result = DiskTrial.space(free: free, total: 200 * Self.gigabyte, wanted: wanted, fileBytes: 256 << 20)
        #expect(result.state == state)
        #expect(result.detail.contains(words), "\(result.detail)")
    }

    @Test func `a disk is tried with files that are gone afterwards, those of a killed trial too`() throws {
        let scratch = try Scratch()
        let directory = try Directory(scratch.path)
        try directory.put(".sensor-check.\(getpid()).a.part", [1])
        let results = DiskTrial.run(in: scratch.path, budget: BudgetSettings(files: 0, bytes: nil, free: .bytes(0)), fileBytes: 1)
        #expect(results.map(\.check) == ["disk space", "disk write", "disk rename", "disk O_DIRECT"])
        #expect(results.allSatisfy { $0.state == .ok }, "\(results)")
        #expect(try directory.names() == [])
    }

    @Test func `a directory that is not there is one FAIL`() {
        let results = DiskTrial.run(in: "/no/such", budget: BudgetSettings(files: 0, bytes: nil, free: .automatic), fileBytes: 1)
        #expect(results.map(\.state) == [.fail])
    }

    @Test func `a file system without O_DIRECT is no fault`() {
        #expect(DiskTrial.direct(0) == CheckResult(.ok, "disk O_DIRECT", "taken"))
        #expect(DiskTrial.direct(EINVAL).state == .ok)
        #expect(DiskTrial.direct(EINVAL).detail.hasPrefix("not taken (Invalid argument)"))
    }

    @Test func `an interface that is not there or down is told with the others and the remedy`() throws {
        let absent = try #require(InterfaceTrial.presence("i", "eth7", isThere: false, isUp: false, others: ["lo", "eth0"]))
        #expect(absent.state == .fail && absent.detail.contains("only lo, eth0"))
        let down = try #require(InterfaceTrial.presence("i", "eth7", isThere: true, isUp: false, others: ["lo", "eth7"]))
        #expect(down.state == .fail && down.detail.contains("ip link set eth7 up"))
        #expect(InterfaceTrial.presence("i", "eth7", isThere: true, isUp: true, others: ["lo", "eth7"]) == nil)
    }

    @Test func `the own upload is told as left out, recorded, or not known yet`() {
        let run = { (addresses: [String], sources: ClosedRange<UInt16>?) in
            ExclusionTrial.run(addresses: addresses, port: 22, sources: sources, recorded: ["eth0"])
        }
        #expect(run([], 1...2) == [])
        #expect(run(["127.0.0.1", "::1"], 60872...60887).map(\.state) == [.ok])
        #expect(run(["127.0.0.1"], nil).map(\.state) == [.warn])
    }

    @Test(
        arguments: [
            (.ok, "ok   disk: a\\x0ab"), (.warn, "WARN disk: a\\x0ab"), (.fail, "FAIL disk: a\\x0ab"),
        ] as [(CheckResult.State, String)])
    func `a result is one line whatever it holds`(state: CheckResult.State, line: String) {
        #expect(CheckResult(state, "disk", "a\nb").text == line)
    }

    @Test func `results in JSON are an array of objects`() {
        #expect(CheckResult.json([]) == "[\n\n]\n")
        let two = [CheckResult(.ok, "a", "\"x\""), CheckResult(.fail, "b", "y\n")]
        #expect(
            CheckResult.json(two)
                == "[\n{\"check\":\"a\",\"state\":\"ok\",\"detail\":\"\\\"x\\\"\"},\n{\"check\":\"b\",\"state\":\"fail\",\"detail\":\"y\\n\"}\n]\n"
        )
    }

    @Test(
        arguments: [
            (0, "0 B"), (1023, "1023 B"), (1024, "1.0K"), (1536, "1.5K"), (1 << 20, "1.0M"), (10 << 30, "10.0G"), (3 << 40, "3.0T"),
        ] as [(Int64, String)])
    func `bytes are written as people read them`(bytes: Int64, text: String) { #expect(readable(bytes) == text) }
}
