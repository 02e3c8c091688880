import Synchronization

/// A worker's lines on stdout, from more than one thread.
public final class WorkerLog: Sendable {
    private let sink = Mutex(LogSink(descriptor: 1))
    private let face: LogFace
    public init(_ face: LogFace) { self.face = face }
    public func say(_ event: Event) { sink.withLock { $0.write(face.workerLine(event)) } }
}
