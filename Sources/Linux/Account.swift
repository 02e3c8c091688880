import CLinux
import Glibc

/// A user of this system (getpwnam(3)).
public struct Account: Sendable, Equatable {
    public let name: String
    public let uid: UInt32, gid: UInt32

    public init?(named name: String) {
        guard let entry = unsafe getpwnam(name) else { return nil }
        self.name = name
        self.uid = unsafe entry.pointee.pw_uid
        self.gid = unsafe entry.pointee.pw_gid
    }
    /// A number needs no entry: a volume's owner is often unknown inside a container.
    public init(uid: UInt32, gid: UInt32) {
        if let entry = unsafe getpwuid(uid), let text = unsafe entry.pointee.pw_name {
            self.name = unsafe String(cString: text)
        } else {
            self.name = String(uid)
        }
        self.uid = uid
        self.gid = gid
    }

    /// Root in a container may have no right to become anybody else.
    public static var canChange: Bool { sensor_can_become_user() != 0 }

    /// Becomes this user for good, keeping CAP_NET_RAW alone.
    public func become() throws(SystemError) {
        try checked("become user \(name)") { Int(sensor_become_user(uid, gid)) }
    }

    /// Gives `path` and, in a directory, everything below it to this user; links are not followed.
    public func own(_ path: String) throws(SystemError) {
        let directory: Directory
        do { directory = try Directory(path) } catch {
            if error.code == ENOENT { return }
            if error.code == ENOTDIR {
                try checked("chown \(path)") { unsafe Int(lchown(path, uid, gid)) }
                return
            }
            throw error
        }
        try own(directory)
    }

    private func own(_ directory: borrowing Directory) throws(SystemError) {
        for name in try directory.names() {
            guard let status = try directory.status(name) else { continue }
            if status.isDirectory { try own(try Directory("\(directory.path)/\(name)")) }
            if status.owner != uid {
                try checked("chown \(directory.path)/\(name)") {
                    unsafe Int(fchownat(directory.number, name, uid, gid, AT_SYMLINK_NOFOLLOW))
                }
            }
        }
        if try directory.status(".")?.owner != uid { try checked("chown \(directory.path)") { Int(fchown(directory.number, uid, gid)) } }
    }
}
