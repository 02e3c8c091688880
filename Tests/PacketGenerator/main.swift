// Numbered UDP packets for the end-to-end tests: packet-generator ADDRESS PORT COUNT PER_SECOND [SIZE]
// Each carries its number (8 bytes, big-endian) and zeros up to SIZE. Prints how many were sent, at SIGTERM too.
//
// packet-generator frames|tun|tap INTERFACE FILE sends the lines of FILE, each a frame in hex: out of the interface as they
// are (packet(7)), or into it, as the program behind a tunnel does. `retyped` is `tun` and makes its link type Ethernet
// first, for which it must be down.
import Glibc

nonisolated(unsafe) var isTold = false
signal(SIGTERM) { _ in isTold = true }

func number(_ at: Int, _ otherwise: Int) -> Int {
    CommandLine.arguments.count > at ? Int(CommandLine.arguments[at]) ?? otherwise : otherwise
}

func failed(_ what: String) -> Never {
    perror(what)
    exit(1)
}

/// A descriptor into which frames are written.
func opened(_ kind: String, _ name: String) -> Int32 {
    if kind == "frames" {
        // sockaddr_ll: AF_PACKET, any protocol, the interface.
        var address: [UInt32] = [17, if_nametoindex(name), 0, 0, 0]
        let out = socket(17, Int32(SOCK_RAW.rawValue), 0)
        let result = address.withUnsafeMutableBytes { bind(out, $0.baseAddress!.assumingMemoryBound(to: sockaddr.self), 20) }
        if result != 0 { failed(name) }
        return out
    }
    // struct ifreq: the name, and IFF_TUN or IFF_TAP with IFF_NO_PI (linux/if_tun.h).
    var request = Array(name.utf8) + [UInt8](repeating: 0, count: 40 - name.utf8.count)
    request[16] = kind == "tap" ? 2 : 1
    request[17] = 0x10
    let out = open("/dev/net/tun", O_RDWR)
    let setInterface: UInt = 0x4004_54ca  // TUNSETIFF
    if ioctl(out, setInterface, &request) != 0 { failed(name) }
    let setLink: UInt = 0x4004_54cd  // TUNSETLINK
    if kind == "retyped", ioctl(out, setLink, 1) != 0 { failed(name) }
    return out
}

if CommandLine.arguments.count == 4 {
    let out = opened(CommandLine.arguments[1], CommandLine.arguments[2])
    if dup2(open(CommandLine.arguments[3], O_RDONLY), 0) < 0 { failed(CommandLine.arguments[3]) }
    while let line = readLine() {
        let digits = line.utf8.map { UInt8($0 > 0x39 ? $0 - 0x57 : $0 - 0x30) }
        let frame = stride(from: 0, to: digits.count - 1, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
        if write(out, frame, frame.count) != frame.count { failed("write") }
    }
    exit(0)
}
guard CommandLine.arguments.count >= 5 else {
    print("usage: packet-generator ADDRESS PORT COUNT PER_SECOND [SIZE]\n       packet-generator frames|tun|tap|retyped INTERFACE FILE")
    exit(64)
}
var target = sockaddr_in()
target.sin_family = sa_family_t(AF_INET)
target.sin_port = UInt16(number(2, 9)).bigEndian
inet_pton(AF_INET, CommandLine.arguments[1], &target.sin_addr)
let count = number(3, 0)
let rate = number(4, 1000)
var payload = [UInt8](repeating: 0, count: max(8, number(5, 64)))
let out = socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0)

func now() -> Double {
    var t = timespec()
    clock_gettime(CLOCK_MONOTONIC, &t)
    return Double(t.tv_sec) + Double(t.tv_nsec) / 1e9
}

let start = now()
var sent = 0
while sent < count, !isTold {
    let due = min(count, Int((now() - start) * Double(rate)) + 1)
    while sent < due {
        for byte in 0..<8 { payload[byte] = UInt8(truncatingIfNeeded: sent >> (56 - 8 * byte)) }
        let result = withUnsafePointer(to: &target) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                sendto(out, payload, payload.count, 0, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        // A refusal that ICMP reported for an earlier packet says nothing about this one: it was not sent.
        if result < 0 {
            if errno == ECONNREFUSED || errno == ENOBUFS || errno == EAGAIN { continue }
            failed("sendto")
        }
        sent += 1
    }
    usleep(1000)
}
print(sent)
