import Linux
import Testing

@testable import Settings

struct ShippingHoursTests {
    private static func at(_ hour: Int, _ minute: Int = 0) -> Int { hour * 60 + minute }

    /// Text, a minute of the day, whether it is open then, and minutes until that changes.
    static let table: [(String, Int, Bool, Int?)] = [
        ("22-06", at(21, 59), false, 1), ("22-06", at(22), true, 480), ("22-06", at(0), true, 360), ("22-06", at(5, 59), true, 1),
        ("22-06", at(6), false, 960), ("9-17", at(8, 59), false, 1), ("9-17", at(9), true, 480), ("9-17", at(17), false, 960),
        ("22:30-06:15", at(22, 29), false, 1), ("22:30-06:15", at(22, 30), true, 465), ("22:30-06:15", at(6, 14), true, 1),
        ("22:30-06:15", at(6, 15), false, 975),
        ("0-24", at(12), true, nil), ("00:00-24:00", at(0), true, nil), ("8-8", at(3), true, nil), ("0-0", at(3), true, nil),
        ("22-24", at(23), true, 60), ("22-24", at(0), false, 1320), ("22-0", at(23), true, 60), ("0-6", at(23), false, 60),
        // Several: those that touch or overlap are one.
        ("12-13,22-06", at(12, 30), true, 30), ("12-13,22-06", at(13), false, 540), ("12-13,22-06", at(23), true, 420),
        ("8-12,12-14", at(8), true, 360), ("8-12,10-14", at(11), true, 180), ("22-24,0-6", at(22), true, 480),
        ("8-20,20-8", at(9), true, nil),
        ("23:59-00:00", at(23, 59), true, 1), ("23:59-00:00", at(0), false, 1439),
    ]

    @Test(arguments: table)
    func `it is open within the spans, over midnight too`(text: String, minute: Int, isOpen: Bool, change: Int?) throws {
        let hours = try #require(ShippingHours(text))
        #expect(hours.isOpen(minuteOfDay: minute) == isOpen)
        #expect(hours.secondsUntilChange(minuteOfDay: minute) == change.map { $0 * 60 })
        #expect(hours.secondsUntilChange(minuteOfDay: minute, second: 59) == change.map { $0 * 60 - 59 })
    }

    @Test func `without spans it is always open`() {
        #expect((0..<1440).allSatisfy { ShippingHours.always.isOpen(minuteOfDay: $0) })
        #expect(ShippingHours.always.secondsUntilChange(minuteOfDay: 0) == nil)
    }

    @Test func `the change that is told is the first one, from any minute`() throws {
        for text in ["22-06", "9-17,17:01-18", "0-1", "23-0,12:30-12:31", "6-22"] {
            let hours = try #require(ShippingHours(text))
            for minute in 0..<1440 {
                let seconds = try #require(hours.secondsUntilChange(minuteOfDay: minute))
                let now = hours.isOpen(minuteOfDay: minute)
                #expect(seconds % 60 == 0 && seconds > 0)
                #expect(hours.isOpen(minuteOfDay: (minute + seconds / 60) % 1440) != now)
                #expect((minute..<(minute + seconds / 60)).allSatisfy { hours.isOpen(minuteOfDay: $0 % 1440) == now })
            }
        }
    }

    @Test(
        arguments: [
            "", "22", "22-", "-06", "22-06-", "25-06", "22-25", "22-24:01", "24-06", "22:60-06", "22:5-06", "a-b", "22 - 06", "22-06,",
            ",22-06", "022-06", "+2-06", "٢٢-٠٦", "22:-06", "22:00:00-06", "22–06",
        ])
    func `anything else is no time`(text: String) { #expect(ShippingHours(text) == nil) }

    @Test func `the minute of the day is that of the log's stamps`() {
        for seconds in stride(from: Int64(1_700_000_000), to: 1_700_200_000, by: 7_919) {
            let time = WallTime(microseconds: seconds * 1_000_000)
            let (minute, second) = time.localTimeOfDay
            #expect(time.local.dropFirst(11).prefix(8) == "\(pad(minute / 60, 2)):\(pad(minute % 60, 2)):\(pad(second, 2))")
        }
    }

    @Test func `a time is written as a clock shows it`() {
        #expect(ShippingHours.clock(375) == "06:15")
        #expect(ShippingHours.clock(1440) == "00:00")
    }
}
