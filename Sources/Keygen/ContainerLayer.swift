import Glibc
import Linux

/// Whether what is written at a path vanishes with the container.
public enum ContainerLayer {
    private static let layered: Set<String> = ["overlay", "aufs", "fuse-overlayfs", "fuse.fuse-overlayfs"]

    /// `mountinfo` is /proc/self/mountinfo (proc(5)); `markers`: an engine left its mark in the root, which alone
    /// says little, since whole machines are made from container images. With a copying storage driver the
    /// root is a directory of the host's file system.
    public static func vanishes(path: String, mountinfo: String, markers: Bool) -> Bool {
        var best: (point: String, type: String, isWholeDisk: Bool)?
        for line in mountinfo.split(separator: "\n") {
            let words = line.split(separator: " ")
            guard words.count >= 10, let dash = words.firstIndex(of: "-"), dash + 1 < words.count else { continue }
            let point = unescape(words[4])
            let isAbove = point == "/" || path == point || path.hasPrefix(point + "/")
            // Of two mounts at one place the later one counts.
            if isAbove, point.utf8.count >= (best?.point.utf8.count ?? 0) { best = (point, String(words[dash + 1]), words[3] == "/") }
        }
        guard let best, best.point == "/" else { return false }
        return layered.contains(best.type) || markers && !best.isWholeDisk
    }

    public static func vanishes(path: String) -> Bool {
        guard let file = try? Descriptor.open("/proc/self/mountinfo", flags: O_RDONLY) else { return false }
        var bytes: [UInt8] = []
        while let part = try? file.read(1 << 16), !part.isEmpty { bytes += part }
        let markers = unsafe access("/.dockerenv", F_OK) == 0 || access("/run/.containerenv", F_OK) == 0
        return vanishes(path: existing(path), mountinfo: String(decoding: bytes, as: UTF8.self), markers: markers)
    }

    /// The path without links, as far as it exists.
    private static func existing(_ path: String) -> String {
        var path = path
        while true {
            if let real = unsafe realpath(path, nil) {
                defer { unsafe free(real) }
                return unsafe String(cString: real)
            }
            guard let slash = path.lastIndex(of: "/"), slash != path.startIndex else { return path.hasPrefix("/") ? "/" : existing(".") }
            path = String(path[..<slash])
        }
    }

    /// Blanks and backslashes as three octal digits.
    private static func unescape(_ text: Substring) -> String {
        var out: [UInt8] = []
        var rest = Array(text.utf8)[...]
        while let byte = rest.popFirst() {
            if byte == 0x5c, rest.count >= 3, let value = UInt8(String(decoding: rest.prefix(3), as: UTF8.self), radix: 8) {
                out.append(value)
                rest = rest.dropFirst(3)
            } else {
                out.append(byte)
            }
        }
        return String(decoding: out, as: UTF8.self)
    }
}
