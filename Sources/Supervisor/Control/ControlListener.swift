import CLinux
import Glibc
import Linux

/// The control socket's own words in a configuration.
public struct ControlServerOptions: Sendable {
    /// Absolute.
    public var path: String
    public var mode: UInt32 = 0o700
    /// nil: as it is.
    public var owner: (uid: UInt32, gid: UInt32?)?
    public var credentials: BasicCredentials?
    public init(path: String) { self.path = path }
}

/// Why there is no control socket: one line.
public struct ControlSocketProblem: Error, CustomStringConvertible, Sendable {
    public enum Kind: Sendable { case inUse, system }
    public let kind: Kind
    public let description: String
}

/// A listening socket in the file system, with nobody let in whom the mode does not let in, not for a moment.
public struct ControlListener: ~Copyable {
    let socket: Descriptor
    public let options: ControlServerOptions
    /// Something was there that nobody listened to.
    public let hasReplacedStale: Bool
    private let inode: UInt64

    /// The kernel's queue of connections that nobody has accepted.
    private static let backlog: Int32 = 64

    public init(_ options: ControlServerOptions) throws(ControlSocketProblem) {
        func problem(_ what: String, _ code: Int32) -> ControlSocketProblem {
            ControlSocketProblem(
                kind: .system, description: "cannot make the control socket \(options.path): \(what): \(SystemError.text(code))")
        }
        let socket: Descriptor
        do throws(SystemError) { socket = try Descriptor.unixSocket(SOCK_STREAM, isBlocking: false) } catch {
            throw problem("socket", error.code)
        }
        // Another name first: what is under the right one is ready to be talked to, and never a moment too open.
        let temporary = "\(options.path).\(getpid())"
        unsafe unlink(temporary)
        let before = umask(0o777)
        let bound = unsafe sensor_bind_unix(socket.number, temporary)
        let code = errno
        umask(before)
        guard bound == 0 else { throw problem("bind", code) }
        defer { unsafe unlink(temporary) }
        if let owner = options.owner, unsafe chown(temporary, owner.uid, owner.gid ?? .max) < 0 { throw problem("chown", errno) }
        guard unsafe chmod(temporary, options.mode) == 0 else { throw problem("chmod", errno) }
        guard listen(socket.number, Self.backlog) == 0 else { throw problem("listen", errno) }
        var stale = false
        while unsafe link(temporary, options.path) != 0 {
            guard errno == EEXIST else { throw problem("link", errno) }
            if Self.isAnswered(options.path) {
                throw ControlSocketProblem(
                    kind: .inUse,
                    description:
                        "Another program is already listening on a port that one of our HTTP servers is configured to use.  Shut this program down first before starting supervisord."
                )
            }
            guard unsafe unlink(options.path) == 0 || errno == ENOENT else { throw problem("unlink", errno) }
            stale = true
        }
        var status = stat()
        inode = unsafe stat(options.path, &status) == 0 ? UInt64(status.st_ino) : 0
        hasReplacedStale = stale
        self.options = options
        self.socket = socket
    }

    /// Takes the name away, unless somebody has put another there.
    deinit {
        var status = stat()
        if unsafe stat(options.path, &status) == 0, UInt64(status.st_ino) == inode { unsafe unlink(options.path) }
    }

    private static func isAnswered(_ path: String) -> Bool {
        guard let probe = try? Descriptor.unixSocket(SOCK_STREAM, isBlocking: false) else { return false }
        return unsafe sensor_connect_unix(probe.number, path) == 0 || errno == EAGAIN
    }

    /// The next connection, of whoever may make one; nil: none waits, or with `isShort` there is no descriptor for it.
    /// Others are closed.
    func accept(_ isShort: inout Bool) -> Descriptor? {
        while true {
            let number = sensor_accept(socket.number)
            if number < 0 {
                if errno == EINTR || errno == ECONNABORTED { continue }
                isShort = errno != EAGAIN
                return nil
            }
            let connection = Descriptor(owning: number)
            if maySpeak(number) { return connection }
        }
    }

    /// Where the mode is for the owner alone, a descriptor that was handed on is not enough.
    private func maySpeak(_ number: Int32) -> Bool {
        guard options.mode & 0o077 == 0 else { return true }
        let peer = sensor_peer_uid(number)
        return peer >= 0 && (peer == 0 || peer == Int64(geteuid()) || peer == Int64(options.owner?.uid ?? geteuid()))
    }
}
