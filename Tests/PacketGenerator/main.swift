// Numbered UDP packets for the end-to-end tests: packet-generator ADDRESS PORT COUNT PER_SECOND [SIZE]
// Each carries its number (8 bytes, big-endian) and zeros up to SIZE. Prints how many were sent, at SIGTERM too.
import Glibc

nonisolated(unsafe) var isTold = false
signal(SIGTERM) { _ in isTold = true }

func number(_ at: Int, _ otherwise: Int) -> Int {
    CommandLine.arguments.count > at ? Int(CommandLine.arguments[at]) ?? otherwise : otherwise
}

guard CommandLine.arguments.count >= 5 else {
    print("usage: packet-generator ADDRESS PORT COUNT PER_SECOND [SIZE]")
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
            perror("sendto")
            exit(1)
        }
        sent += 1
    }
    usleep(1000)
}
print(sent)
