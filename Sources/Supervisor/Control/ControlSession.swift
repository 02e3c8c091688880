import Linux

/// One control connection: the child that reads it, and the channel to that child.
final class ControlSession {
    let pid: Int32
    var channel: Descriptor?
    var ticket: UInt64 = 0
    var isWatchedForRoom = false
    var received: [UInt8] = []
    var toSend: [UInt8] = []
    var waiting: WaitingCall?
    /// It shows a log as it grows, for as long as it likes.
    var isFollower = false
    /// Neither holds a place that others with a short question need.
    var isLong: Bool { isFollower || waiting != nil }

    init(pid: Int32, channel: consuming Descriptor) {
        self.pid = pid
        self.channel = consume channel
    }
}

/// A call that is answered when programs have come to be what it asks for.
struct WaitingCall {
    enum Goal { case started, stopped }
    /// Seconds between the lines that say who is waited for.
    static let reportInterval = 2.0

    let goal: Goal
    /// One program whose answer is the answer, or a list of results.
    let isSingle: Bool
    var targets: [(program: ManagedProgram, result: Result<Bool, ControlFault>?)]
    var nextReport: MonotonicTime?

    /// What has come of a program; nil: nothing yet.
    static func result(_ goal: Goal, _ program: ManagedProgram) -> Result<Bool, ControlFault>? {
        switch goal {
        case .started:
            switch program.state {
            case .running: return .success(true)
            case .starting: return nil
            // It was up for startsecs, or it would not be EXITED.
            case .exited where program.machine.problem.isEmpty: return .success(true)
            case .stopped, .backoff, .stopping, .exited, .fatal, .unknown:
                let fault: ControlFault = program.machine.problem.isEmpty ? .abnormalTermination : .spawnError
                return .failure(fault.about(program.name))
            }
        case .stopped:
            switch program.state {
            case .stopped, .exited, .fatal, .unknown, .backoff: return .success(true)
            case .starting, .running, .stopping: return nil
            }
        }
    }

    /// Notes what is decided. Returns the answer when everything is.
    mutating func settle() -> Result<ControlValue, ControlFault>? {
        for index in targets.indices where targets[index].result == nil {
            targets[index].result = Self.result(goal, targets[index].program)
        }
        guard targets.allSatisfy({ $0.result != nil }) else { return nil }
        if isSingle { return targets.first?.result?.map { .bool($0) } ?? .success(.bool(true)) }
        return .success(.array(targets.map { Self.status($0.program, $0.result ?? .success(true)) }))
    }

    static func status(_ program: ManagedProgram, _ result: Result<Bool, ControlFault>) -> ControlValue {
        let (code, text): (Int, String)
        switch result {
        case .success: (code, text) = (ControlFault.success.code, "OK")
        case .failure(let fault): (code, text) = (fault.code, fault.text)
        }
        return .structure([
            ("name", .string(program.name)), ("group", .string(program.spec.group)), ("status", .int(code)),
            ("description", .string(text)),
        ])
    }
}
