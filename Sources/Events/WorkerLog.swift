import Glibc
import Synchronization

/// A worker's lines on stdout, from more than one thread.
public final class WorkerLog: Sendable {
    private let sink = Mutex(LogSink(descriptor: 1))
    private let face: LogFace
    private let wipe: String

    /// `overProgress`: a progress line may stand on the terminal, and gives way to each line.
    public init(_ face: LogFace, overProgress: Bool = false) {
        self.face = face
        wipe = overProgress && isatty(1) == 1 ? "\r\u{1b}[K" : ""
    }
    public func say(_ event: Event) { sink.withLock { $0.write(wipe + face.workerLine(event)) } }
}
