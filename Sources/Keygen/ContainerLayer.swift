import Glibc
import Linux

/// Tells whether a path lies on a container's own layer, which is gone when the container is removed.
public enum ContainerLayer {
    /// By the text of /proc/self/mountinfo (proc(5)): true where `path`, absolute and without links, is on the root
    /// mount itself, and that is of a kind that layers are made of, or a directory of the host's disk (the storage
    /// driver copies) where an engine left its `markers`. Those alone say little: whole machines are made from
    /// container images, too.
    public static func vanishes(path: String, mountinfo: String, markers: Bool) -> Bool {
        var best: (point: [UInt8], type: Substring, isWholeDisk: Bool)?
        for line in mountinfo.split(separator: "\n") {
            let fields = line.split(separator: " ")
            guard fields.count > 4, let dash = fields.firstIndex(of: "-"), dash + 1 < fields.count else { continue }
            let point = unescaped(fields[4])
            guard covers(point, Array(path.utf8)) else { continue }
            // Of two mounts on one point the later lies on top.
            if best.map({ point.count >= $0.point.count }) ?? true { best = (point, fields[dash + 1], fields[3] == "/") }
        }
        guard let best, best.point == Array("/".utf8) else { return false }
        return ["overlay", "aufs", "fuse-overlayfs", "fuse.fuse-overlayfs"].contains(best.type) || markers && !best.isWholeDisk
    }

    /// The same for this process. `path` need not exist yet.
    public static func vanishes(path: String) -> Bool {
        guard let mountinfo = try? read("/proc/self/mountinfo") else { return false }
        // Docker leaves the one, podman the other.
        let markers = unsafe access("/.dockerenv", F_OK) == 0 || access("/run/.containerenv", F_OK) == 0
        return vanishes(path: resolved(path), mountinfo: mountinfo, markers: markers)
    }

    private static func covers(_ point: [UInt8], _ path: [UInt8]) -> Bool {
        let slash = UInt8(ascii: "/")
        if point == [slash] { return path.first == slash }
        return path.starts(with: point) && (path.count == point.count || path[point.count] == slash)
    }

    /// Space, tab, line feed and backslash come as three octal digits.
    private static func unescaped(_ field: Substring) -> [UInt8] {
        var rest = Array(field.utf8)[...]
        var bytes: [UInt8] = []
        while let byte = rest.popFirst() {
            let digits = rest.prefix(3)
            if byte == UInt8(ascii: "\\"), digits.count == 3,
                let value = UInt8(String(decoding: digits, as: UTF8.self), radix: 8)
            {
                bytes.append(value)
                rest = rest.dropFirst(3)
            } else {
                bytes.append(byte)
            }
        }
        return bytes
    }

    /// Without links, as far as the path exists.
    private static func resolved(_ path: String) -> String {
        if let found = unsafe realpath(path, nil) {
            defer { unsafe free(found) }
            return unsafe String(cString: found)
        }
        guard let slash = path.lastIndex(of: "/"), slash != path.startIndex else {
            return path.hasPrefix("/") ? path : resolved(".") + "/" + path
        }
        return resolved(String(path[..<slash])) + path[slash...]
    }

    private static func read(_ path: String) throws(SystemError) -> String {
        let file = try Descriptor.open(path, flags: O_RDONLY)
        var bytes: [UInt8] = []
        while true {
            let part = try file.read(65_536)
            if part.isEmpty { return String(decoding: bytes, as: UTF8.self) }
            bytes += part
        }
    }
}
