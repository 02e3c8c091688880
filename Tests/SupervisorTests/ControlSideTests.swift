import Glibc
import Linux
import Testing

@testable import Supervisor

/// The supervisor's side of control: frames, excerpts of logs, what status shows, who is stopped when.
struct ControlSideTests {
    @Test func `frames carry every value, and come whole or not yet`() throws {
        let value = ControlValue.array([
            .int(.min), .int(.max), .bool(true), .bool(false), .double(-0.5), .string("é\u{0}\n"), .base64([0, 255]), .null, .array([]),
            .structure([("b", .int(1)), ("a", .structure([]))]),
        ])
        let frame = ControlFrame.encode(value)
        for cut in 0..<frame.count {
            var part = Array(frame[..<cut])
            #expect(try ControlFrame.decode(&part, longest: 1000) == nil)
            #expect(part.count == cut)
        }
        var two = frame + frame + [1]
        #expect(try ControlFrame.decode(&two, longest: 1000) == value)
        #expect(try ControlFrame.decode(&two, longest: 1000) == value)
        #expect(two == [1])
    }

    @Test(arguments: [
        [0, 0, 0, 1, 0], [1, 0, 0, 0, 9], [1, 0, 0, 0, 4], [5, 0, 0, 0, 6, 255, 255, 255, 127], [2, 0, 0, 0, 0, 0], [2, 0, 0, 0, 2, 7],
        [6, 0, 0, 0, 4, 1, 0, 0, 0, 255], [0, 0, 0, 0],
    ])
    func `what is no frame is refused`(bytes: [UInt8]) {
        var bytes = bytes
        #expect(throws: ControlFrame.Problem.self) { _ = try ControlFrame.decode(&bytes, longest: 1 << 20) }
    }

    @Test func `a frame that nests without end is refused, not recursed into`() {
        var deep: [UInt8] = []
        for _ in 0..<10_000 { deep += [6, 1, 0, 0, 0] }
        let count = deep.count
        var frame = (0..<4).map { UInt8(truncatingIfNeeded: count >> (8 * $0)) } + deep
        #expect(throws: ControlFrame.Problem.self) { _ = try ControlFrame.decode(&frame, longest: 1 << 20) }
    }

    @Test func `parts of a log: from an offset, all that follows, or so much of the end`() throws {
        for (offset, length, range) in [
            (0, 0, 0..<100), (10, 0, 10..<100), (10, 5, 10..<15), (90, 50, 90..<100), (200, 5, 100..<100), (-30, 0, 70..<100),
            (-300, 0, 0..<100), (.max, .max, 100..<100), (.min, 0, 0..<100), (5, .max, 5..<100),
        ] as [(Int, Int, Range<Int64>)] {
            #expect(try LogExcerpt.range(offset: offset, length: length, size: 100) == range, "\(offset), \(length)")
        }
        #expect(throws: ControlFault.badArguments) { _ = try LogExcerpt.range(offset: -1, length: 1, size: 100) }
        #expect(throws: ControlFault.badArguments) { _ = try LogExcerpt.range(offset: 0, length: -1, size: 100) }
        for (offset, length, range, overflow) in [
            (0, 10, 90..<100, true), (95, 10, 90..<100, false), (100, 10, 100..<100, false), (0, 0, 100..<100, true),
            (0, 500, 0..<100, false),
            (.max, .max, 100..<100, false), (-5, -5, 100..<100, true),
        ] as [(Int, Int, Range<Int64>, Bool)] {
            let told = LogExcerpt.tail(offset: offset, length: length, size: 100)
            #expect(told.range == range && told.overflow == overflow && told.next == 100, "\(offset), \(length): \(told)")
        }
    }

    @Test func `an uptime is told as Python tells it`() {
        for (seconds, text) in [
            (0, "0:00:00"), (59.9, "0:00:59"), (3661, "1:01:01"), (86_399, "23:59:59"), (86_400, "1 day, 0:00:00"),
            (200_000, "2 days, 7:33:20"), (-5, "0:00:00"),
        ] as [(Double, String)] { #expect(ProcessInfo.uptime(seconds) == text) }
    }

    @Test func `a moment has twelve hours twice a day`() {
        // Whatever the zone, half a day later is the other half.
        let one = ProcessInfo.moment(WallTime(microseconds: 1_764_031_620_000_000))
        let other = ProcessInfo.moment(WallTime(microseconds: 1_764_031_620_000_000 + 43_200_000_000))
        #expect(one.suffix(2) != other.suffix(2))
        #expect(one.dropLast(2).suffix(6) == other.dropLast(2).suffix(6))
        #expect(one.wholeMatch(of: /[A-Z][a-z]{2} \d\d (0[1-9]|1[0-2]):\d\d [AP]M/) != nil)
    }

    @Test func `the highest priority is stopped first, equal ones together, the next when those are at rest`() {
        var order = ShutdownOrder()
        #expect(order.next(priorities: [(0, 1), (1, 999), (2, 999), (3, 5)]) == [1, 2])
        #expect(order.next(priorities: [(0, 1), (2, 999), (3, 5)]) == [])
        #expect(order.next(priorities: [(0, 1), (3, 5)]) == [3])
        #expect(order.next(priorities: [(0, 1)]) == [0])
        #expect(order.next(priorities: []) == [])
    }

    @Test func `it ends by itself only when one is FATAL and none can run`() {
        #expect(ExitOnFatal.isDue([.fatal]))
        #expect(ExitOnFatal.isDue([.fatal, .exited, .stopped]))
        for states in [[.exited], [.stopped], [], [.fatal, .running], [.fatal, .backoff], [.fatal, .stopping], [.fatal, .starting]]
            as [[ProgramState]]
        {
            #expect(!ExitOnFatal.isDue(states))
        }
    }

    @Test func `a waiting start or stop is answered when it is decided, and not before`() {
        func program(_ events: [ProgramEvent]) -> ManagedProgram {
            let managed = ManagedProgram(quietProgram())
            for event in events { _ = managed.machine.handle(event, at: seconds(0)) }
            return managed
        }
        let starting = program([.start, .spawned(pid: 5)])
        #expect(WaitingCall.result(.started, starting) == nil)
        #expect(WaitingCall.result(.stopped, starting) == nil)
        _ = starting.machine.handle(.deadline, at: seconds(2))
        #expect(WaitingCall.result(.started, starting) == .success(true))
        _ = starting.machine.handle(.stop, at: seconds(3))
        #expect(WaitingCall.result(.started, starting) == .failure(.abnormalTermination.about("cat")))
        #expect(WaitingCall.result(.stopped, starting) == nil)
        _ = starting.machine.handle(.exited(.code(0)), at: seconds(3))
        #expect(WaitingCall.result(.stopped, starting) == .success(true))
        let quick = program([.start, .spawned(pid: 5), .exited(.code(0))])
        #expect(WaitingCall.result(.started, quick) == .failure(.spawnError.about("cat")))
        var call = WaitingCall(goal: .stopped, isSingle: false, targets: [(quick, nil), (starting, .failure(.failed))], nextReport: nil)
        let told = try? call.settle()?.get()
        #expect(told?.elements?.map { $0["status"] } == [.int(80), .int(30)])
        #expect(told?.elements?.first?["description"] == .string("OK"))
    }
}

/// `program` is the test's own helper, hidden by a local name above.
private func quietProgram() -> ProgramSpec { program() }
