import Linux
import Testing

@testable import Shipper

@Suite struct ForecastTests {
    /// An uplink and traffic in lumps, looked at every few seconds.
    private struct World {
        var forecast = Forecast()
        var now = 1000.0
        var waiting = 0.0
        var delivered = 0.0
        var nextLump: Double

        /// `arriving` bytes per second, finished every `every` seconds; `uplink` bytes per second.
        mutating func run(_ seconds: Double, arriving: Double, every: Double, uplink: Double, step: Double = 2, isSending: Bool = true) {
            let end = now + seconds
            while now < end {
                now += step
                if isSending {
                    let sent = min(waiting, uplink * step)
                    waiting -= sent
                    delivered += sent
                }
                while now >= nextLump {
                    waiting += arriving * every
                    nextLump += every
                }
                forecast.note(at: now, waitingBytes: Int64(waiting), deliveredBytes: Int64(delivered), isSending: isSending)
            }
        }
        init(backlog: Double, firstLump: Double = 30) {
            waiting = backlog
            nextLump = 1000 + firstLump
        }
        /// Seconds until nothing waits, if the lumps were a stream.
        func truth(arriving: Double, uplink: Double) -> Double { waiting / (uplink - arriving) }
    }

    @Test("without a backlog there is nothing to say")
    func clear() {
        var forecast = Forecast()
        #expect(forecast.outlook == .clear)
        forecast.note(at: 0, waitingBytes: 0, deliveredBytes: 0)
        forecast.note(at: 60, waitingBytes: 0, deliveredBytes: 1000)
        #expect(forecast.outlook == .clear && forecast.outlook.text == "")
    }

    @Test("at first nothing is said, and soon something")
    func first() {
        var forecast = Forecast()
        forecast.note(at: 0, waitingBytes: 10_000_000, deliveredBytes: 0)
        #expect(forecast.outlook == .unknown)
        forecast.note(at: 1, waitingBytes: 9_900_000, deliveredBytes: 100_000)
        #expect(forecast.outlook == .unknown)
        forecast.note(at: 4, waitingBytes: 9_600_000, deliveredBytes: 400_000)
        #expect(forecast.outlook == .clears(seconds: 96))
    }

    @Test(
        "a backlog that shrinks clears in about the time that it takes",
        arguments: [(0.0, 60.0, 1e6), (0.3e6, 60, 1e6), (0.5e6, 10, 1e6), (0.9e6, 60, 1e6), (2e6, 300, 5e6)])
    func shrinks(arriving: Double, every: Double, uplink: Double) {
        var world = World(backlog: 20e9)
        world.run(1500, arriving: arriving, every: every, uplink: uplink)
        let truth = world.truth(arriving: arriving, uplink: uplink)
        guard case .clears(let seconds) = world.forecast.outlook else {
            Issue.record("\(world.forecast.outlook)")
            return
        }
        #expect(abs(Double(seconds) - truth) < 0.35 * truth, "\(seconds) s told, \(truth) s true")
    }

    @Test(
        "traffic that is more than the uplink carries is said to outrun it, and stays said",
        arguments: [(1.5e6, 60.0), (1.2e6, 10), (3e6, 300)])
    func outruns(arriving: Double, every: Double) {
        var world = World(backlog: 100e6)
        world.run(1200, arriving: arriving, every: every, uplink: 1e6)
        #expect(world.forecast.outlook == .outrun)
        #expect(world.forecast.outlook.text == "traffic outruns the uplink")
        for _ in 0..<100 {
            world.run(10, arriving: arriving, every: every, uplink: 1e6)
            #expect(world.forecast.outlook == .outrun)
        }
    }

    @Test("an uplink that is used half is never said to be outrun, whatever the lumps", arguments: [1.0, 10, 60, 300, 3600])
    func halfUsed(every: Double) {
        var world = World(backlog: 0, firstLump: every)
        for _ in 0..<1000 {
            world.run(10, arriving: 0.5e6, every: every, uplink: 1e6)
            #expect(world.forecast.outlook != .outrun, "at \(world.now)")
        }
    }

    @Test("several interfaces that end their files together are one batch")
    func batches() {
        var forecast = Forecast()
        var (now, waiting, delivered) = (0.0, 0.0, 0.0)
        for minute in 0..<10 {
            for part in 0..<4 {
                now = Double(minute) * 60 + 30 + Double(part) * 0.3
                waiting += 5e6
                forecast.note(at: now, waitingBytes: Int64(waiting), deliveredBytes: Int64(delivered))
            }
            for _ in 0..<20 {
                now += 1
                let sent = min(waiting, 1e6)
                waiting -= sent
                delivered += sent
                forecast.note(at: now, waitingBytes: Int64(waiting), deliveredBytes: Int64(delivered))
                #expect(forecast.outlook != .outrun)
            }
        }
        let rate = forecast.arrivingPerSecond ?? 0
        #expect(abs(rate - 20e6 / 60) < 0.25 * 20e6 / 60, "\(rate)")
    }

    @Test("an outage does not make the uplink look slow afterwards")
    func outage() {
        var world = World(backlog: 0)
        world.run(600, arriving: 0.3e6, every: 60, uplink: 1e6)
        world.run(3600, arriving: 0.3e6, every: 60, uplink: 0, isSending: false)
        world.run(120, arriving: 0.3e6, every: 60, uplink: 1e6)
        guard case .clears(let seconds) = world.forecast.outlook else {
            Issue.record("\(world.forecast.outlook)")
            return
        }
        let truth = world.truth(arriving: 0.3e6, uplink: 1e6)
        #expect(abs(Double(seconds) - truth) < 0.3 * truth)
    }

    @Test("a link that gives nothing promises nothing, and traffic that ends lets the backlog clear")
    func ends() {
        var world = World(backlog: 50e6)
        world.run(1200, arriving: 2e6, every: 60, uplink: 1e6)
        #expect(world.forecast.outlook == .outrun)
        world.run(900, arriving: 0, every: 60, uplink: 1e6)
        guard case .clears = world.forecast.outlook else {
            Issue.record("\(world.forecast.outlook)")
            return
        }
        world.run(7200, arriving: 0, every: 60, uplink: 0)
        #expect(world.forecast.outlook == .unknown || (world.forecast.deliveredPerSecond ?? 0) < 1e4)
        var dead = Forecast()
        for second in 0..<300 { dead.note(at: Double(second), waitingBytes: 1000, deliveredBytes: 0) }
        #expect(dead.outlook == .unknown)
    }

    @Test("a clock that stands, a budget that drops and a count that begins anew do no harm")
    func odd() {
        var forecast = Forecast()
        forecast.note(at: 10, waitingBytes: 1 << 40, deliveredBytes: 5)
        forecast.note(at: 10, waitingBytes: 0, deliveredBytes: 5)
        forecast.note(at: 9, waitingBytes: 1 << 40, deliveredBytes: 5)
        forecast.note(at: 20, waitingBytes: 1 << 20, deliveredBytes: 0)
        forecast.note(at: 40, waitingBytes: 1 << 19, deliveredBytes: 1 << 19)
        #expect((forecast.deliveredPerSecond ?? 0) >= 0 && (forecast.arrivingPerSecond ?? 0) >= 0)
        #expect(forecast.outlook.text.hasPrefix("clears in "))
    }
}
