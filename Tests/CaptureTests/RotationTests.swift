import Capture
import Testing

struct RotationTests {
    let minute = RotationRule(seconds: 60, bytes: 1000)

    @Test(arguments: [
        (Int64(0), Int64(60)), (59, 60), (60, 120), (61, 120), (1_515_750_911, 1_515_750_960), (-1, 0), (-60, 0), (-61, -60),
    ])
    func `windows end at multiples on the epoch`(second: Int64, end: Int64) {
        #expect(minute.end(of: second) == end)
    }

    @Test(arguments: [1, 7, 50, 60, 86_400] as [Int64])
    func `a second lies in the window that ends after it, whatever the length`(seconds: Int64) {
        let rule = RotationRule(seconds: seconds, bytes: 1000)
        for second in stride(from: Int64(-200_000), through: 200_000, by: 37) {
            let end = rule.end(of: second)
            #expect(end > second && end - seconds <= second)
            #expect(end % seconds == 0)
            #expect(!rule.endsFile(second: second, size: 0, end: end, fileBytes: 24))
        }
    }

    @Test(arguments: [
        (Int64(119), false), (120, true), (121, true), (100_000, true),
        (60, false),  // the window's first second
        (59, false), (58, false),  // packets may leave the ring a little out of order
        (57, true), (0, true), (-100_000, true),  // a clock that was set back
    ])
    func `a packet belongs by its own stamp, and a step back ends the file`(second: Int64, ends: Bool) {
        #expect(minute.endsFile(second: second, size: 100, end: 120, fileBytes: 24) == ends)
    }

    @Test(arguments: [(Int64(900), false), (899, false), (901, true), (1000, true), (5000, true)])
    func `a file ends before it would be larger than it may`(bytes: Int64, ends: Bool) {
        #expect(minute.endsFile(second: 60, size: 100, end: 120, fileBytes: bytes) == ends)
    }

    @Test func `totals go on where the kernel's 32 bits wrap`() {
        var counter = WrappingCounter()
        #expect(counter.total == 0)
        counter.update(10)
        counter.update(10)
        #expect(counter.total == 10)
        counter.update(.max)
        #expect(counter.total == 0xffff_ffff)
        counter.update(4)
        #expect(counter.total == 0x1_0000_0004)
        for _ in 0..<3 {
            counter.update(0x8000_0000)
            counter.update(4)
        }
        #expect(counter.total == 0x4_0000_0004)
    }
}
