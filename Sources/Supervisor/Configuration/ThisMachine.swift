import Glibc
import Linux

extension ConfigurationWorld {
    /// The machine and the process this runs on.
    public static func thisMachine(environment: [String: String]) -> ConfigurationWorld {
        var world = ConfigurationWorld(environment: environment, currentDirectory: currentDirectory, hostName: hostName)
        world.file = read
        world.exists = { unsafe access($0, F_OK) == 0 }
        world.isDirectory = { path in
            var status = stat()
            return unsafe stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
        }
        world.glob = matches
        world.userNamed = { Account(named: $0).map { user($0) } }
        world.userNumbered = { uid in
            guard let entry = unsafe getpwuid(uid) else { return nil }
            return user(Account(uid: uid, gid: unsafe entry.pointee.pw_gid))
        }
        world.groupNamed = { name in
            guard let entry = unsafe getgrnam(name) else { return nil }
            return unsafe entry.pointee.gr_gid
        }
        world.groupNumbered = { unsafe getgrgid($0) != nil }
        world.home = { name in
            let entry = unsafe name.map { unsafe getpwnam($0) } ?? getpwuid(geteuid())
            guard let entry = unsafe entry, let path = unsafe entry.pointee.pw_dir else { return nil }
            return unsafe String(cString: path)
        }
        return world
    }

    private static func user(_ account: Account) -> UserID {
        UserID(name: account.name, uid: account.uid, gid: account.gid, groups: account.groups)
    }

    private static var currentDirectory: String {
        var path = [CChar](repeating: 0, count: 4096)
        return unsafe getcwd(&path, path.count) == nil ? "/" : string(in: path)
    }
    private static var hostName: String {
        var name = [CChar](repeating: 0, count: 256)
        unsafe gethostname(&name, 255)
        return string(in: name)
    }

    /// A configuration is no gigabyte; what is no regular file (a FIFO, /dev/zero) must not hold us up.
    private static let longest: Int64 = 16 << 20
    private static func read(_ path: String) -> File {
        do throws(SystemError) {
            let file = try Descriptor.open(path, flags: O_RDONLY | O_NONBLOCK | O_NOCTTY)
            let status = try file.status()
            guard status.isRegular, status.size <= longest else { return .unreadable }
            var bytes: [UInt8] = []
            while bytes.count <= Int(longest) {
                let part = try file.read(65_536)
                if part.isEmpty { return .bytes(bytes) }
                bytes += part
            }
            return .unreadable
        } catch { return error.code == ENOENT || error.code == ENOTDIR ? .missing : .unreadable }
    }

    private static func matches(_ pattern: String) -> [String] {
        var found = unsafe glob_t()
        defer { unsafe globfree(&found) }
        guard unsafe Glibc.glob(pattern, GLOB_NOESCAPE, nil, &found) == 0 else { return [] }
        var paths: [String] = []
        let count = unsafe Int(found.gl_pathc)
        for index in 0..<count {
            if let path = unsafe found.gl_pathv[index] { paths.append(unsafe String(cString: path)) }
        }
        return paths
    }
}
