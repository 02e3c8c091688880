import CLinux
import Glibc
import Linux

/// A client's connections to a supervisor: the acting half of `ControlClientCommands`.
public final class ControlDoor {
    private var url: String
    private var credentials: BasicCredentials?

    public init(serverURL: String, credentials: BasicCredentials?) {
        url = serverURL
        self.credentials = credentials
    }

    /// For the commands, with their output on stdout.
    public func doors() -> ControlClientDoors {
        ControlClientDoors(
            call: { [self] method, parameters throws(CallFailure) in try call(method, parameters) },
            output: { Console.write($0 + "\n", to: 1) }, complain: { Console.write($0 + "\n", to: 2) },
            follow: { [self] path in follow(path) }, foreground: { [self] paths, line in foreground(paths, line) },
            ask: { prompt, isHidden in Self.ask(prompt, isHidden) },
            connect: { [self] url, credentials in
                self.url = url
                self.credentials = credentials
            })
    }

    public func call(_ method: String, _ parameters: [ControlValue]) throws(CallFailure) -> ControlValue {
        let endpoint = try endpoint()
        let socket = try Self.connect(endpoint)
        var reader = HTTPResponseReader()
        var body: [UInt8] = []
        do {
            // A refusal may come before the question is taken.
            let request = endpoint.post(XMLRPCCall(method: method, parameters: parameters), credentials: credentials)
            try? Self.send(request, to: socket.number)
            while !reader.isComplete {
                let bytes = try Self.read(socket.number)
                if bytes.isEmpty {
                    try reader.finish()
                    break
                }
                body += try reader.feed(bytes)
            }
        } catch let problem as HTTPResponseProblem {
            throw .connection(.other("gave no answer: \(problem.reason)"))
        } catch let error as SystemError {
            throw .connection(.other("is gone: \(SystemError.text(error.code))"))
        } catch { throw .connection(.other("\(error)")) }
        guard reader.status == 200 else { throw .connection(.status(reader.status ?? 0, reason: reader.reason)) }
        guard let result = try? XMLRPCResponseReader.read(body) else { throw .connection(.other("gave an answer that is no XML-RPC")) }
        switch result {
        case .success(let value): return value
        case .failure(let fault): throw .fault(fault)
        }
    }

    private func endpoint() throws(CallFailure) -> ControlEndpoint {
        guard let endpoint = ControlEndpoint(url) else {
            throw .connection(.other("is no place to connect to; expected unix:///PATH or http://HOST:PORT"))
        }
        return endpoint
    }

    // MARK: logs

    private func follow(_ path: String) -> FollowEnd {
        guard let interrupt = try? Interrupt() else { return .failed(.other("cannot be followed")) }
        let end = follow(path, interrupt.number)
        interrupt.end()
        return end
    }

    private func follow(_ path: String, _ interrupt: Int32) -> FollowEnd {
        var end = FollowEnd.ended
        do throws(CallFailure) {
            let stream = try open(path)
            while !stream.reader.isComplete {
                var entries = [
                    pollfd(fd: stream.socket.number, events: Int16(POLLIN), revents: 0),
                    pollfd(fd: interrupt, events: Int16(POLLIN), revents: 0),
                ]
                unsafe poll(&entries, 2, -1)
                if entries[1].revents != 0 { return .interrupted }
                guard entries[0].revents != 0 else { continue }
                guard try stream.copy() else { break }
                if let status = stream.reader.status, status != 200 {
                    end = .status(status)
                    break
                }
            }
            return end
        } catch {
            if case .connection(let failure) = error { return .failed(failure) }
            return .failed(.other("\(error)"))
        }
    }

    private func foreground(_ paths: [String], _ line: (String) -> Bool) {
        guard let interrupt = try? Interrupt() else { return }
        foreground(paths, interrupt.number, line)
        interrupt.end()
    }

    private func foreground(_ paths: [String], _ interrupt: Int32, _ line: (String) -> Bool) {
        var streams: [LogStream] = []
        for path in paths { if let stream = try? open(path) { streams.append(stream) } }
        var typed: [UInt8] = []
        while true {
            var entries = [
                pollfd(fd: 0, events: Int16(POLLIN), revents: 0), pollfd(fd: interrupt, events: Int16(POLLIN), revents: 0),
            ]
            for stream in streams { entries.append(pollfd(fd: stream.socket.number, events: Int16(POLLIN), revents: 0)) }
            unsafe poll(&entries, nfds_t(entries.count), -1)
            if entries[1].revents != 0 { return }
            for index in streams.indices.reversed() where entries[2 + index].revents != 0 {
                if (try? streams[index].copy()) != true { streams.remove(at: index) }
            }
            guard entries[0].revents != 0 else { continue }
            guard let bytes = try? Self.read(0), !bytes.isEmpty else { return }
            typed += bytes
            while let end = typed.firstIndex(of: 10) {
                let text = String(decoding: typed[...end], as: UTF8.self)
                typed.removeSubrange(...end)
                if !line(text) { return }
            }
        }
    }

    private func open(_ path: String) throws(CallFailure) -> LogStream {
        let endpoint = try endpoint()
        let socket = try Self.connect(endpoint)
        do { try Self.send(endpoint.get(path, credentials: credentials), to: socket.number) } catch {
            throw .connection(.other("is gone: \(SystemError.text(error.code))"))
        }
        return LogStream(socket)
    }

    private final class LogStream {
        let socket: Descriptor
        var reader = HTTPResponseReader(maxBody: nil)
        init(_ socket: consuming Descriptor) { self.socket = socket }
        /// False at the end.
        func copy() throws(CallFailure) -> Bool {
            do {
                let bytes = try ControlDoor.read(socket.number)
                if bytes.isEmpty { return false }
                let text = try reader.feed(bytes)
                if reader.status == 200 { Console.write(text, to: 1) }
                return !reader.isComplete
            } catch { throw .connection(.other("gave no answer: \(error)")) }
        }
    }

    /// Ctrl-C as something to wait for.
    private struct Interrupt: ~Copyable {
        private let signals: SignalDescriptor
        var number: Int32 { signals.number }
        init() throws(SystemError) { signals = try SignalDescriptor([SIGINT]) }
        /// What was typed for this must not end the whole program.
        consuming func end() {
            _ = signals.next()
            SignalDescriptor.release([SIGINT])
        }
    }

    // MARK: sockets and terminals

    private static func connect(_ endpoint: ControlEndpoint) throws(CallFailure) -> Descriptor {
        switch endpoint {
        case .unix(let path):
            let socket = try unixSocket()
            guard unsafe sensor_connect_unix(socket.number, path) != 0 else { return socket }
            throw .connection(failure(errno))
        case .tcp(let host, let port):
            var error: Int32 = 0
            let made = unsafe sensor_connect_tcp(host, String(port), &error)
            guard made < 0 else { return Descriptor(owning: made) }
            if made == -2 { throw .connection(.other("has no address")) }
            throw .connection(failure(error))
        }
    }
    private static func unixSocket() throws(CallFailure) -> Descriptor {
        do { return try Descriptor.unixSocket(SOCK_STREAM) } catch { throw .connection(.other(SystemError.text(error.code))) }
    }
    private static func failure(_ code: Int32) -> ConnectionFailure {
        switch code {
        case ENOENT: .noSuchFile
        case ECONNREFUSED: .refused
        case EACCES, EPERM: .permissionDenied
        default: .other("cannot be reached: \(SystemError.text(code))")
        }
    }

    fileprivate static func read(_ descriptor: Int32) throws(SystemError) -> [UInt8] {
        var buffer = [UInt8](repeating: 0, count: 65_536)
        let got = try checked("read") { unsafe Glibc.read(descriptor, &buffer, buffer.count) }
        return Array(buffer[..<got])
    }
    private static func send(_ bytes: [UInt8], to socket: Int32) throws(SystemError) {
        var done = 0
        while done < bytes.count {
            done += try checked("send") {
                unsafe bytes.withUnsafeBytes { unsafe Glibc.send(socket, $0.baseAddress! + done, $0.count - done, Int32(MSG_NOSIGNAL)) }
            }
        }
    }
    private static func ask(_ prompt: String, _ isHidden: Bool) -> String? {
        Console.write(prompt, to: 1)
        var before = termios()
        let isTerminal = unsafe tcgetattr(0, &before) == 0
        if isHidden, isTerminal {
            var silent = before
            silent.c_lflag &= ~tcflag_t(ECHO)
            unsafe tcsetattr(0, TCSANOW, &silent)
        }
        defer {
            if isHidden, isTerminal {
                unsafe tcsetattr(0, TCSANOW, &before)
                Console.write("\n", to: 1)
            }
        }
        return Console.line()
    }
}
