import CLinux
import Glibc
import Linux

/// Sends lines to syslogd's socket (RFC 3164, facility user, severity info) and never waits for it.
final class Syslog {
    private let identity: String
    private var socket: Descriptor?

    init(identity: String) { self.identity = identity }

    func send(_ line: ArraySlice<UInt8>) {
        let text = line.last == 10 ? line.dropLast() : line
        if text.isEmpty { return }
        let message = Array("<14>\(identity): ".utf8) + text
        if socket == nil { connect() }
        guard let number = socket?.number else { return }
        let sent = unsafe message.withUnsafeBytes {
            unsafe Glibc.send(number, $0.baseAddress!, $0.count, Int32(MSG_DONTWAIT) | Int32(MSG_NOSIGNAL))
        }
        // Another syslogd listens after a restart.
        if sent < 0, errno != EAGAIN { socket = nil }
    }

    private func connect() {
        guard let opened = try? Descriptor.unixSocket(SOCK_DGRAM) else { return }
        if unsafe sensor_connect_unix(opened.number, "/dev/log") == 0 { socket = consume opened }
    }
}
