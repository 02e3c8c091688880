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

    /// All groups of the user (getgrouplist(3)), its own among them.
    public var groups: [UInt32] {
        var count: Int32 = 64
        while true {
            var list = [gid_t](repeating: 0, count: Int(count))
            let before = count
            if unsafe getgrouplist(name, gid, &list, &count) >= 0 { return Array(list.prefix(Int(count))) }
            if count <= before { return [gid] }
        }
    }

    /// Root in a container may have no right to become anybody else.
    public static var canChange: Bool { sensor_can_become_user() != 0 }

    /// Becomes this user for good, keeping CAP_NET_RAW alone.
    public func become() throws(SystemError) {
        try checked("become user \(name)") { Int(sensor_become_user(uid, gid)) }
    }

    /// Gives one name in `directory` to this user, and what a directory of that name holds; links are not followed.
    public func own(_ name: String, in directory: borrowing Directory) throws(SystemError) {
        guard let status = try directory.status(name) else { return }
        if status.isDirectory {
            let inner = try Directory("\(directory.path)/\(name)")
            for each in try inner.names() { try own(each, in: inner) }
        }
        // A second name of a file may lie anywhere, and be anybody's.
        if status.owner == uid || !status.isDirectory && status.links > 1 { return }
        try checked("chown \(directory.path)/\(name)") { unsafe Int(fchownat(directory.number, name, uid, gid, AT_SYMLINK_NOFOLLOW)) }
    }

    /// Gives the directory itself, and nothing in it.
    public func own(_ directory: borrowing Directory) throws(SystemError) {
        try checked("chown \(directory.path)") { Int(fchown(directory.number, uid, gid)) }
    }
}
