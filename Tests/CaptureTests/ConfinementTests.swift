import CLinux
import Events
import Glibc
import Linux
import Synchronization
import Testing

@testable import Capture

/// From inside: what a thread that has given everything up can still do. It ends with the test; others keep their rights.
@Suite struct ConfinementTests {
    /// Errors by attempt, 0 where it succeeded, and the capabilities afterwards: effective, permitted, inheritable.
    private final class Attempts: Sendable {
        let spool: String, state: String
        let results = Mutex<[String: Int32]>([:])
        let doubts = Mutex<[Event]>([])
        let capabilities = Mutex<[UInt32]>([])
        init(spool: String, state: String) {
            self.spool = spool
            self.state = state
        }
        func attempt(_ name: String, _ body: () -> Int32) {
            errno = 0
            let code = body() < 0 ? max(1, errno) : 0
            results.withLock { $0[name] = code }
        }
    }

    @Test func `spool, state and the interfaces' counters can be reached, nothing else, and no right comes back`() throws {
        try #require(geteuid() == 0, "needs root: without it there is nothing to give up")
        let scratch = try Scratch()
        for name in ["spool", "state", "other"] { _ = try Directory("\(scratch.path)/\(name)", create: true) }
        try Directory(scratch.path + "/other").put("x", [1])
        let attempts = Attempts(spool: scratch.path + "/spool", state: scratch.path + "/state")
        var thread = pthread_t()
        pthread_create(
            &thread, nil,
            { argument in
                let attempts = Unmanaged<Attempts>.fromOpaque(argument!).takeRetainedValue()
                guard let spool = try? Directory(attempts.spool), let state = try? Directory(attempts.state) else { return nil }
                let doubts = Confinement.enter(spool: spool, state: state)
                attempts.doubts.withLock { $0 = doubts }
                var sets: [UInt32] = [0, 0, 0]
                sensor_capabilities(&sets)
                attempts.capabilities.withLock { $0 = sets }
                let open: (String, Int32) -> Int32 = { path, flags in
                    let file = Glibc.open(path, flags | O_CLOEXEC, 0o600)
                    if file >= 0 { close(file) }
                    return file
                }
                attempts.attempt("make in spool") { open(attempts.spool + "/a.part", O_WRONLY | O_CREAT | O_EXCL) }
                attempts.attempt("rename in spool") { sensor_rename_noreplace(spool.number, "a.part", spool.number, "a") }
                attempts.attempt("truncate in spool") { truncate(attempts.spool + "/a", 0) }
                attempts.attempt("read state") { open(attempts.state, O_RDONLY | O_DIRECTORY) }
                attempts.attempt("remove in spool") { unlink(attempts.spool + "/a") }
                attempts.attempt("interface's counters") { open("/sys/class/net/lo/statistics/rx_dropped", O_RDONLY) }
                attempts.attempt("users") { open("/etc/passwd", O_RDONLY) }
                attempts.attempt("other directory") { open(attempts.spool + "/../other/x", O_RDONLY) }
                attempts.attempt("make elsewhere") { open(attempts.spool + "/../other/y", O_WRONLY | O_CREAT) }
                attempts.attempt("write counters") { open("/sys/class/net/lo/mtu", O_WRONLY) }
                attempts.attempt("processes") { open("/proc/self/mem", O_RDONLY) }
                attempts.attempt("packet socket") { socket(AF_PACKET, Int32(SOCK_RAW.rawValue), 0) }
                attempts.attempt("be root again") { sensor_raise_net_raw() == 1 ? 0 : -1 }
                attempts.attempt("give away") { chown(attempts.spool, 1, 1) }
                attempts.attempt("no_new_privs") { sensor_has_no_new_privileges() == 1 ? 0 : -1 }
                return nil
            }, Unmanaged.passRetained(attempts).toOpaque())
        pthread_join(thread, nil)
        #expect(attempts.doubts.withLock { $0 } == [])
        #expect(attempts.capabilities.withLock { $0 } == [0, 0, 0])
        let results = attempts.results.withLock { $0 }
        for allowed in ["make in spool", "rename in spool", "truncate in spool", "read state", "remove in spool", "interface's counters"] {
            #expect(results[allowed] == 0, "\(allowed)")
        }
        #expect(results["no_new_privs"] == 0)
        for refused in ["packet socket", "give away"] { #expect(results[refused] == EPERM, "\(refused)") }
        #expect(results["be root again"] != 0)
        try #require(sensor_landlock_version() > 0, "this kernel has no Landlock: the reach over files is not limited, and not tried")
        for refused in ["users", "other directory", "make elsewhere", "write counters", "processes"] {
            #expect(results[refused] == EACCES, "\(refused)")
        }
    }
}
