import Keygen
import Testing

@Suite struct ContainerLayerTests {
    static func line(_ point: String, _ type: String, optional: String = "", root: String = "/") -> String {
        "36 35 0:50 \(root) \(point) rw,relatime \(optional)- \(type) source rw\n"
    }
    static let container = line("/", "overlay") + line("/proc", "proc") + line("/etc/hosts", "ext4")

    @Test(
        "a key vanishes only on a container's own layer",
        arguments: [
            ("/data", container, true, true),
            ("/data", container, false, true),
            ("/data", container + line("/data", "ext4"), true, false),
            ("/data/keys", container + line("/data", "ext4", optional: "master:1 shared:2 "), true, false),
            ("/data/", container + line("/data", "ext4"), true, false),
            ("/database", container + line("/data", "ext4"), true, true),
            ("/my data", container + line("/my\\040data", "xfs"), true, false),
            ("/a\\b/c", container + line("/a\\134b", "xfs"), true, false),
            ("/data", line("/", "ext4") + line("/proc", "proc"), false, false),
            ("/data", line("/", "btrfs", root: "/var/lib/containers/storage/vfs/dir/5d1f"), true, true),
            ("/data", line("/", "btrfs", root: "/@root"), false, false),
            ("/data", line("/", "ext4"), true, false),
            ("/data", line("/", "fuse-overlayfs"), false, true),
            ("/data", line("/", "aufs"), false, true),
            ("/data", line("/", "ext4") + line("/", "overlay"), false, true),
            ("/data", line("/", "rootfs") + line("/data", "ext4") + line("/data", "overlay"), false, false),
            ("/", container, false, true),
            ("/data", "", true, false),
            ("/data", "garbage\n1 2 3 - \n\n" + container, false, true),
        ])
    func table(path: String, mountinfo: String, markers: Bool, vanishes: Bool) {
        #expect(ContainerLayer.vanishes(path: path, mountinfo: mountinfo, markers: markers) == vanishes)
    }

    @Test("this process's mounts can be read, for paths that do not exist yet too")
    func here() {
        #expect(!ContainerLayer.vanishes(path: "/proc/self"))
        #expect(ContainerLayer.vanishes(path: "/no/such/place") == ContainerLayer.vanishes(path: "/"))
    }
}
