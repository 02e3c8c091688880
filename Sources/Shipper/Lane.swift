/// A way to the target over which requests go, many at a time, and answers come back in any order.
protocol Lane: AnyObject {
    /// Never used twice in a process.
    var number: Int { get }
    var isReady: Bool { get }
    /// Requests that have no answer yet.
    var underWay: Int { get }
    /// How many bytes of file it would take now; 0 while enough waits to be sent.
    var appetite: Int { get }
    /// In one write, at most.
    var longestWrite: Int { get }
    /// Files that may be open over it at once.
    var mostOpen: Int { get }
    func ask(_ call: TargetCall, for owner: Int)
    /// Asks to write; `fill` puts the bytes where they are sent from. False where it could not, and nothing is asked.
    func write(_ handle: TargetHandle, _ range: Range<Int64>, for owner: Int, fill: (UnsafeMutableRawBufferPointer) -> Bool) -> Bool
    /// Answers that have come since.
    func takeAnswers() -> [LaneAnswer]
}

struct LaneAnswer {
    /// Who asked.
    let owner: Int
    let call: TargetCall
    let answer: TargetAnswer
}
