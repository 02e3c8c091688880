import CLinux
import Glibc
import Linux

/// The short life of a control connection's child: it reads one request of a client it does not trust, asks the
/// supervisor in frames, answers, and ends. What goes wrong here, however wrong, costs one connection.
public struct ControlConnection {
    private let client: Int32
    private let channel: Int32
    private var fromSupervisor: [UInt8] = []

    /// Seconds a client may take for its request, and without taking anything of the answer.
    private static let patience = 10.0
    /// Seconds between looks at a log that is followed.
    private static let followInterval = 0.25
    /// How much of the past a follower is shown first.
    private static let past: Int64 = 1024

    /// `client` and `channel` are open sockets in blocking mode.
    public init(client: Int32, channel: Int32) {
        self.client = client
        self.channel = channel
    }

    private enum Over: Error { case over }

    public mutating func serve() {
        signal(SIGPIPE, SIG_IGN)
        sensor_no_new_privileges()
        do {
            let hello = try nextFrame()
            var credentials: BasicCredentials?
            if let user = hello["user"]?.text, let password = hello["password"]?.text {
                credentials = BasicCredentials(user: user, password: password)
            }
            switch try request(HTTPRequestReader(credentials: credentials)) {
            case .refusal(let refusal): try write(HTTPResponse.refusal(refusal).bytes)
            case .request(let request): try answer(request)
            case .needMore, .sendContinue: return
            }
        } catch {}
    }

    private mutating func request(_ reader: HTTPRequestReader) throws -> HTTPRequestReader.Progress {
        var reader = reader
        let end = MonotonicTime.now() + Self.patience
        while true {
            guard try wait(client, Int16(POLLIN), until: end) else { throw Over.over }
            let bytes = try read(client)
            if bytes.isEmpty { throw Over.over }
            switch reader.feed(bytes) {
            case .needMore: continue
            case .sendContinue: try write(HTTPResponse.continueInterim)
            case .refusal(let refusal): return .refusal(refusal)
            case .request(let request): return .request(request)
            }
        }
    }

    private mutating func answer(_ request: HTTPRequest) throws {
        switch request.target {
        case .rpc(let body):
            guard let call = try? XMLRPCCallReader.read(body) else { return try write(HTTPResponse.badRequest.bytes) }
            let document: [UInt8]
            switch try result(of: call) {
            case .success(let value): document = XMLRPCWriter.response(value)
            case .failure(let fault): document = XMLRPCWriter.fault(fault)
            }
            try write(HTTPResponse.xml(document).bytes)
        case .logTail(let name, let channel):
            try follow(["log.process", name, channel.rawValue], LogTailResponse(minorVersion: request.minorVersion))
        case .mainLogTail: try follow(["log.main"], LogTailResponse(minorVersion: request.minorVersion))
        }
    }

    // MARK: calls

    private mutating func result(of call: XMLRPCCall, isInside: Bool = false) throws -> Result<ControlValue, ControlFault> {
        do {
            let method = try ControlMethods.named(call.method)
            let parameters = try method.accept(call.parameters)
            if let told = try ControlMethods.introspection(method, parameters) { return .success(told) }
            if method.canonicalName == "system.multicall" {
                var results: [Result<ControlValue, ControlFault>] = []
                for item in ControlMulticall.unfold(parameters.first?.elements ?? []) {
                    switch item {
                    case .call(let inner): results.append(try result(of: inner, isInside: true))
                    case .fault(let fault): results.append(.failure(fault))
                    }
                }
                return .success(ControlMulticall.fold(results))
            }
            if let excerpt = try excerpt(method.canonicalName, parameters) { return .success(excerpt) }
            return try ask([.string(method.canonicalName)] + parameters)
        } catch let fault as ControlFault { return .failure(fault) }
    }

    /// What is read here and not by the supervisor; nil for other methods.
    private mutating func excerpt(_ method: String, _ parameters: [ControlValue]) throws -> ControlValue? {
        let name = parameters.first?.text ?? ""
        let numbers = parameters.compactMap(\.number)
        switch method {
        case "supervisor.readLog":
            return .logText(
                try LogExcerpt.read(try path(["log.main"])) { size throws(ControlFault) in
                    try LogExcerpt.range(offset: numbers[0], length: numbers[1], size: size)
                })
        case "supervisor.readProcessStdoutLog", "supervisor.readProcessStderrLog":
            let channel = method == "supervisor.readProcessStderrLog" ? "stderr" : "stdout"
            return .logText(
                try LogExcerpt.read(try path(["log.process", name, channel])) { size throws(ControlFault) in
                    try LogExcerpt.range(offset: numbers[0], length: numbers[1], size: size)
                })
        case "supervisor.tailProcessStdoutLog", "supervisor.tailProcessStderrLog":
            let channel = method == "supervisor.tailProcessStderrLog" ? "stderr" : "stdout"
            var (next, overflow) = (numbers[0], false)
            var bytes: [UInt8] = []
            // No log is an empty one.
            if let path = try? path(["log.process", name, channel]) {
                bytes =
                    (try? LogExcerpt.read(path) { size throws(ControlFault) in
                        let told = LogExcerpt.tail(offset: numbers[0], length: numbers[1], size: size)
                        (next, overflow) = (told.next, told.overflow)
                        return told.range
                    }) ?? []
            } else if case .failure(let fault) = try ask([.string("supervisor.getProcessInfo"), .string(name)]) {
                throw fault
            }
            return .array([.logText(bytes), .int(next), .bool(overflow)])
        default: return nil
        }
    }

    private mutating func path(_ words: [String]) throws -> String {
        switch try ask(words.map { .string($0) }) {
        case .success(.string(let path)): return path
        case .success: throw ControlFault.noFile
        case .failure(let fault): throw fault
        }
    }

    // MARK: following a log

    private mutating func follow(_ words: [String], _ response: LogTailResponse) throws {
        guard let path = try? path(words), var file = try? Descriptor.open(path, flags: O_RDONLY | O_NONBLOCK | O_NOCTTY) else {
            return try write(HTTPResponse.notFound.bytes)
        }
        _ = try ask([.string("log.follow")])
        var status = try file.status()
        var offset = max(0, status.size - Self.past)
        try write(response.head)
        while true {
            offset = try copy(file, from: offset, response)
            // Somebody is gone: the client, or the supervisor.
            let entries = try waitForEnd(Self.followInterval)
            if entries.supervisor {
                _ = try copy(file, from: offset, response)
                return try write(response.end)
            }
            if entries.client { return }
            let now = try file.status()
            if now.size < offset { offset = 0 }
            if let next = try? Descriptor.open(path, flags: O_RDONLY | O_NONBLOCK | O_NOCTTY) {
                let there = try next.status()
                if there.inode != status.inode || there.device != status.device {
                    _ = try copy(file, from: offset, response)
                    file = next
                    status = there
                    offset = 0
                }
            }
        }
    }

    private func copy(_ file: borrowing Descriptor, from: Int64, _ response: LogTailResponse) throws -> Int64 {
        var offset = from
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while true {
            let got = unsafe pread(file.number, &buffer, buffer.count, off_t(offset))
            if got <= 0 { return offset }
            try write(response.piece(buffer[..<got]))
            offset += Int64(got)
        }
    }

    // MARK: frames

    private mutating func ask(_ words: [ControlValue]) throws -> Result<ControlValue, ControlFault> {
        try send(ControlFrame.encode(.array(words)), to: channel)
        let reply = try nextFrame(whileClientWaits: true)
        guard let parts = reply.elements, parts.count == 2, let code = parts[0].number else { throw Over.over }
        return code == 0 ? .success(parts[1]) : .failure(ControlFault(code: code, text: parts[1].text ?? ""))
    }

    private mutating func nextFrame(whileClientWaits: Bool = false) throws -> ControlValue {
        while true {
            if let frame = try ControlFrame.decode(&fromSupervisor, longest: ControlFrame.longestReply) { return frame }
            var entries = [
                pollfd(fd: channel, events: Int16(POLLIN), revents: 0), pollfd(fd: whileClientWaits ? client : -1, events: 0, revents: 0),
            ]
            unsafe poll(&entries, 2, -1)
            if entries[1].revents != 0 { throw Over.over }
            guard entries[0].revents != 0 else { continue }
            let bytes = try read(channel)
            if bytes.isEmpty { throw Over.over }
            fromSupervisor += bytes
        }
    }

    // MARK: sockets

    private func wait(_ descriptor: Int32, _ events: Int16, until end: MonotonicTime) throws -> Bool {
        while true {
            var entry = pollfd(fd: descriptor, events: events, revents: 0)
            let left = end - .now()
            if left <= 0 { return false }
            let ready = unsafe poll(&entry, 1, Int32(left * 1000) + 1)
            if ready > 0 { return true }
            if ready < 0, errno != EINTR { throw Over.over }
        }
    }

    private func waitForEnd(_ seconds: Double) throws -> (client: Bool, supervisor: Bool) {
        var entries = [
            pollfd(fd: client, events: 0, revents: 0), pollfd(fd: channel, events: Int16(POLLIN), revents: 0),
        ]
        unsafe poll(&entries, 2, Int32(seconds * 1000))
        return (entries[0].revents != 0, entries[1].revents != 0)
    }

    private func read(_ descriptor: Int32) throws -> [UInt8] {
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while true {
            let got = unsafe Glibc.read(descriptor, &buffer, buffer.count)
            if got >= 0 { return Array(buffer[..<got]) }
            if errno != EINTR { throw Over.over }
        }
    }

    private func write(_ bytes: [UInt8]) throws { try send(bytes, to: client) }

    /// A client that takes nothing for a while has lost its answer.
    private func send(_ bytes: [UInt8], to descriptor: Int32) throws {
        var done = 0
        while done < bytes.count {
            guard try wait(descriptor, Int16(POLLOUT), until: .now() + Self.patience) else { throw Over.over }
            let sent = unsafe bytes.withUnsafeBytes {
                unsafe Glibc.send(descriptor, $0.baseAddress! + done, $0.count - done, Int32(MSG_DONTWAIT) | Int32(MSG_NOSIGNAL))
            }
            if sent < 0 {
                if errno == EINTR || errno == EAGAIN { continue }
                throw Over.over
            }
            done += sent
        }
    }
}
