import Spool
import Testing

struct SpoolBudgetTests {
    struct Row: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let budget: SpoolBudget
        let sizes: [Int64]
        let freeOnDisk: Int64
        let drops: Int
        init(_ what: String, files: Int = 0, bytes: Int64? = nil, free: Int64 = 0, sizes: [Int64], disk: Int64 = 1000, drops: Int) {
            testDescription = what
            budget = SpoolBudget(files: files, bytes: bytes, free: free)
            self.sizes = sizes
            freeOnDisk = disk
            self.drops = drops
        }
    }

    @Test(arguments: [
        Row("nothing there", files: 1, bytes: 1, free: 5000, sizes: [], drops: 0),
        Row("no limit", sizes: [10, 10, 10], drops: 0),
        Row("files within", files: 3, sizes: [10, 10, 10], drops: 0),
        Row("one file over", files: 2, sizes: [10, 10, 10], drops: 1),
        Row("many files over", files: 1, sizes: [10, 10, 10, 10], drops: 3),
        Row("bytes just within", bytes: 30, sizes: [10, 10, 10], drops: 0),
        Row("one byte over", bytes: 29, sizes: [10, 10, 10], drops: 1),
        Row("the oldest is big enough", bytes: 30, sizes: [100, 10, 10], drops: 1),
        Row("the newest alone is over", bytes: 5, sizes: [10, 10, 100], drops: 2),
        Row("only the newest, over", bytes: 5, sizes: [100], drops: 0),
        Row("enough free", free: 1000, sizes: [10, 10], drops: 0),
        Row("a little short", free: 1005, sizes: [10, 10, 10], drops: 1),
        Row("short by two files", free: 1015, sizes: [10, 10, 10], drops: 2),
        Row("short by just all but the newest", free: 1020, sizes: [10, 10, 10], drops: 2),
        Row("others filled the disk", free: 1021, sizes: [10, 10, 10], drops: 0),
        Row("others filled the disk, only the newest is ours", free: 1005, sizes: [10], drops: 0),
        Row("others filled the disk, yet the bytes are over", bytes: 20, free: 5000, sizes: [10, 10, 10], drops: 1),
        Row("the strictest wins", files: 3, bytes: 20, free: 1001, sizes: [10, 10, 10, 10], drops: 2),
        Row("sparse files of all sizes, over", bytes: 30, sizes: [.max, .max, 10], drops: 2),
        Row("sparse files of all sizes, short", free: 1005, sizes: [.max, .max, 10], drops: 1),
        Row("empty files count as files", files: 1, sizes: [0, 0], drops: 1),
    ])
    func `the oldest go, as many as it takes`(_ row: Row) {
        #expect(row.budget.drops(sizes: row.sizes, freeOnDisk: row.freeOnDisk) == row.drops)
    }

    @Test func `afterwards the budget holds or nothing more could go, and no more went than it took`() {
        var random = SplitMix(state: 4)
        for _ in 0..<50_000 {
            let sizes = (0..<Int.random(in: 0...12, using: &random)).map { _ in Int64.random(in: 0...50, using: &random) }
            let disk = Int64.random(in: 0...200, using: &random)
            let budget = SpoolBudget(
                files: .random(in: 0...8, using: &random), bytes: Bool.random(using: &random) ? .random(in: 1...300, using: &random) : nil,
                free: .random(in: 0...400, using: &random))
            let drops = budget.drops(sizes: sizes, freeOnDisk: disk)
            func holds(after count: Int) -> Bool {
                let left = sizes.dropFirst(count)
                let won = sizes.prefix(count).reduce(0, +)
                let filesHold = budget.files == 0 || left.count <= budget.files
                let bytesHold = budget.bytes.map { left.reduce(0, +) <= $0 } ?? true
                let winnable = sizes.dropLast().reduce(0, +)
                let isOthersFault = disk + winnable < budget.free
                return filesHold && bytesHold && (isOthersFault || disk + won >= budget.free)
            }
            let most = max(0, sizes.count - 1)
            let isRight = drops >= 0 && drops <= most && (holds(after: drops) || drops == most) && (drops == 0 || !holds(after: drops - 1))
            guard isRight else {
                Issue.record("\(budget), sizes \(sizes), free \(disk): \(drops)")
                return
            }
        }
    }
}
