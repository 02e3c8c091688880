import CLinux
import Glibc

/// Signals taken as records from a descriptor (signalfd(2)) instead of by handlers.
public struct SignalDescriptor: ~Copyable {
    private let descriptor: Descriptor
    public var number: Int32 { descriptor.number }

    /// Blocks `signals` for this thread and those it starts later, and collects them.
    public init(_ signals: [Int32]) throws(SystemError) {
        Self.hold(signals)
        var set = sigset_t()
        unsafe sigemptyset(&set)
        for signal in signals { unsafe sigaddset(&set, signal) }
        self.descriptor = Descriptor(
            owning: Int32(try checked("signalfd") { unsafe Int(signalfd(-1, &set, Int32(SFD_CLOEXEC) | Int32(SFD_NONBLOCK))) }))
    }

    /// Keeps `signals` for a descriptor that is made later: none is lost, and none ends the process before.
    public static func hold(_ signals: [Int32]) {
        var set = sigset_t()
        unsafe sigemptyset(&set)
        for signal in signals { unsafe sigaddset(&set, signal) }
        unsafe pthread_sigmask(SIG_BLOCK, &set, nil)
    }
    public static func release(_ signals: [Int32]) {
        var set = sigset_t()
        unsafe sigemptyset(&set)
        for signal in signals { unsafe sigaddset(&set, signal) }
        unsafe pthread_sigmask(SIG_UNBLOCK, &set, nil)
    }
    /// Whether one of them is held.
    public static func isHeld(_ signals: [Int32]) -> Bool {
        var set = sigset_t()
        guard unsafe sigpending(&set) == 0 else { return false }
        return signals.contains { unsafe sigismember(&set, $0) == 1 }
    }

    /// The next pending signal, nil when there is none.
    public func next() -> Int32? {
        var info = signalfd_siginfo()
        let size = MemoryLayout<signalfd_siginfo>.size
        let got = unsafe read(number, &info, size)
        return got == size ? Int32(info.ssi_signo) : nil
    }
}
