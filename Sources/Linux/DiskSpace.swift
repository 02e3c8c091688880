import CLinux

/// Room on the file system of an open file or directory, in bytes (statvfs(3)).
public struct DiskSpace: Sendable {
    public let total: Int64
    /// What a process without privileges may take.
    public let free: Int64

    /// nil where the kernel does not tell.
    public init?(of descriptor: Int32) {
        var disk = statvfs()
        guard unsafe fstatvfs(descriptor, &disk) == 0 else { return nil }
        total = Int64(disk.f_blocks) * Int64(disk.f_frsize)
        free = Int64(disk.f_bavail) * Int64(disk.f_frsize)
    }
}
