/// Which groups are stopped together, and when the next ones are: the highest priority first, equal ones at once,
/// each stage when the one before is at rest.
struct ShutdownOrder {
    private var stage: Int?

    /// The groups to be stopped now, by index, out of those that are not at rest.
    mutating func next(priorities: [(index: Int, priority: Int)]) -> [Int] {
        guard let highest = priorities.map(\.priority).max(), highest != stage else { return [] }
        stage = highest
        return priorities.filter { $0.priority == highest }.map(\.index)
    }
}

/// When a supervisor that has nothing left to do ends by itself, with a code that says so.
enum ExitOnFatal {
    /// Of the essential programs, by their states: one is FATAL and none can run any more.
    static func isDue(_ states: [ProgramState]) -> Bool {
        states.contains(.fatal) && states.allSatisfy { $0 == .fatal || $0 == .exited || $0 == .stopped }
    }
}
