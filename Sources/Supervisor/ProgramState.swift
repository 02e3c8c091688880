/// supervisord's states, with its numbers.
public enum ProgramState: Int, Sendable, CaseIterable {
    case stopped = 0
    case starting = 10
    case running = 20
    case backoff = 30
    case stopping = 40
    case exited = 100
    case fatal = 200
    case unknown = 1000
}
