import Glibc

/// Both directions of SFTP as bytes, without a connection: requests in, answers out. A server that answers what was
/// not asked, or not what was asked, gets a fault and nothing else.
@safe
final class SFTPConversation {
    let lane: Int
    private let place: String
    private let directory: String
    /// Bytes of file and requests that wait to be sent.
    let out = ByteQueue(capacity: 640 << 10)
    /// What came, and is not understood yet.
    let heard = ByteQueue(capacity: 128 << 10)
    private var requests: [UInt32: (owner: Int, call: TargetCall)] = [:]
    private var nextRequest: UInt32 = 0
    private var handles: [Int: [UInt8]] = [:]
    private var nextHandle = 0
    private var limitsRequest: UInt32?
    private var answers: [LaneAnswer] = []
    private var extensions: SFTPReply.Extensions = []
    private(set) var isReady = false
    private(set) var longestWrite = SFTP.usualWrite
    private(set) var mostOpen = SFTP.usuallyOpen
    private(set) var answered = 0

    /// A longer write costs fewer packets, and memory here and there.
    private static let mostWrite = 255 << 10

    /// `place` is how people call the server.
    init(lane: Int, directory: String, place: String) {
        self.lane = lane
        self.directory = directory
        self.place = place
    }

    var underWay: Int { requests.count }

    func takeAnswers() -> [LaneAnswer] {
        if answers.isEmpty { return [] }
        defer { answers = [] }
        return answers
    }

    /// The first thing that is said.
    func greet() {
        out.uint32(5)
        out.uint8(SFTP.Request.initialize.rawValue)
        out.uint32(SFTP.version)
    }

    // MARK: asking

    func ask(_ call: TargetCall, for owner: Int) {
        switch call {
        case .open(let name, let mode, _):
            let flags =
                switch mode {
                case .new: SFTP.Flags.write | SFTP.Flags.create | SFTP.Flags.exclusive
                case .any: SFTP.Flags.write | SFTP.Flags.create
                case .existing: SFTP.Flags.write
                case .reading: SFTP.Flags.read
                }
            request(.open, call, owner) { out in
                out.string(path(name).utf8)
                out.uint32(flags)
                // Permissions (section 5), for a new file.
                out.uint32(4)
                out.uint32(0o640)
            }
        case .write: answers.append(LaneAnswer(owner: owner, call: call, answer: .refused(.unsupported)))
        case .sync(let handle):
            guard extensions.contains(.fsync) else { return refuse(call, owner) }
            request(.extended, call, owner) { out in
                out.string(SFTP.fsync.utf8)
                out.string(bytes(of: handle))
            }
        case .size(let handle): request(.fstat, call, owner) { $0.string(bytes(of: handle)) }
        case .close(let handle):
            request(.close, call, owner) { $0.string(bytes(of: handle)) }
            handles[handle.number] = nil
        case .rename(let from, let to, _):
            request(.rename, call, owner) { out in
                out.string(path(from).utf8)
                out.string(path(to).utf8)
            }
        case .look(let name, _): request(.lstat, call, owner) { $0.string(path(name).utf8) }
        case .read(let handle, let offset, let count):
            request(.read, call, owner) { out in
                out.string(bytes(of: handle))
                out.uint64(UInt64(offset))
                out.uint32(UInt32(count))
            }
        case .space:
            guard extensions.contains(.statvfs) else { return refuse(call, owner) }
            request(.extended, call, owner) { out in
                out.string(SFTP.statvfs.utf8)
                out.string((directory.isEmpty ? "." : directory).utf8)
            }
        case .remove(let name, _): request(.remove, call, owner) { $0.string(path(name).utf8) }
        }
    }

    func write(_ handle: TargetHandle, _ range: Range<Int64>, for owner: Int, fill: (UnsafeMutableRawBufferPointer) -> Bool) -> Bool {
        let name = bytes(of: handle)
        let head = 4 + 1 + 4 + 4 + name.count + 8 + 4
        let room = unsafe out.room(head + range.count)
        guard unsafe fill(UnsafeMutableRawBufferPointer(rebasing: room[head...])) else { return false }
        request(.write, .write(handle, offset: range.lowerBound, count: range.count), owner) { out in
            out.string(name)
            out.uint64(UInt64(range.lowerBound))
            out.uint32(UInt32(range.count))
            // Filled in above.
            out.add(range.count)
        }
        return true
    }

    private func request(_ type: SFTP.Request, _ call: TargetCall, _ owner: Int, _ body: (ByteQueue) -> Void) {
        let number = begin(type, body)
        requests[number] = (owner, call)
    }

    private func begin(_ type: SFTP.Request, _ body: (ByteQueue) -> Void) -> UInt32 {
        let number = nextRequest
        nextRequest &+= 1
        let before = out.count
        out.uint32(0)
        out.uint8(type.rawValue)
        out.uint32(number)
        body(out)
        out.setUInt32(UInt32(out.count - before - 4), fromEnd: out.count - before)
        return number
    }

    private func refuse(_ call: TargetCall, _ owner: Int) {
        answers.append(LaneAnswer(owner: owner, call: call, answer: .refused(.unsupported)))
    }

    private func path(_ name: String) -> String {
        directory.isEmpty ? name : directory.hasSuffix("/") ? directory + name : directory + "/" + name
    }
    private func bytes(of handle: TargetHandle) -> [UInt8] { handles[handle.number] ?? [] }

    // MARK: understanding

    /// Takes what is whole of `heard`.
    func understand() throws(ShipFault) {
        while heard.count >= 4 {
            let bytes = unsafe heard.bytes
            let length = unsafe Int(bytes[0]) << 24 | Int(bytes[1]) << 16 | Int(bytes[2]) << 8 | Int(bytes[3])
            guard length >= 5, length <= SFTP.longestReply else { throw notSFTP(unsafe Array(bytes.prefix(64))) }
            if heard.count < 4 + length { return }
            let message = unsafe UnsafeRawBufferPointer(rebasing: bytes[4..<(4 + length)])
            guard let (number, reply) = unsafe SFTPReply.parse(message) else {
                throw !isReady ? notSFTP(unsafe Array(bytes.prefix(64))) : broken("a reply that is none")
            }
            heard.drop(4 + length)
            try take(number, reply)
        }
    }

    private func take(_ number: UInt32?, _ reply: SFTPReply) throws(ShipFault) {
        guard let number else {
            guard !isReady, case .version(let version, let extensions) = reply else { throw broken("a second greeting") }
            guard version >= SFTP.version else { throw ShipFault(.operators, "\(place) speaks SFTP version \(version), not 3") }
            self.extensions = extensions
            isReady = true
            if extensions.contains(.limits) { limitsRequest = begin(.extended) { $0.string(SFTP.limits.utf8) } }
            return
        }
        answered += 1
        if number == limitsRequest {
            limitsRequest = nil
            if case .extended(let bytes) = reply, let limits = SFTPReply.limits(bytes) {
                if limits.write >= UInt64(SFTP.usualWrite) { longestWrite = Int(min(limits.write, UInt64(Self.mostWrite))) }
                // One for each file under way, and a few.
                if limits.open > UInt64(SFTP.usuallyOpen) { mostOpen = Int(min(limits.open / 2, 1024)) }
            }
            return
        }
        guard let (owner, call) = requests.removeValue(forKey: number) else { throw broken("an answer to a question that was not asked") }
        guard let answer = Self.answer(call, reply, opened: { self.keep($0) }) else {
            throw broken("an answer of another kind than was asked for")
        }
        answers.append(LaneAnswer(owner: owner, call: call, answer: answer))
    }

    private func keep(_ bytes: [UInt8]) -> TargetHandle {
        nextHandle += 1
        handles[nextHandle] = bytes
        return TargetHandle(lane: lane, number: nextHandle)
    }

    /// nil where the reply does not fit the question.
    private static func answer(_ call: TargetCall, _ reply: SFTPReply, opened: ([UInt8]) -> TargetHandle) -> TargetAnswer? {
        switch (call, reply) {
        case (.read, .status(1, _)): return .bytes([])
        case (.open, .status(0, _)), (.look, .status(0, _)), (.size, .status(0, _)), (.read, .status(0, _)), (.space, .status(0, _)):
            return nil
        case (_, .status(0, _)): return .done
        case (_, .status(let code, let words)): return .refused(refusal(code, words))
        case (.open, .handle(let handle)): return .opened(opened(handle))
        case (.look, .attributes(let status)), (.size, .attributes(let status)): return .status(status)
        case (.read, .data(let bytes)): return .bytes(bytes)
        case (.space, .extended(let bytes)): return SFTPReply.freeSpace(bytes)
        default: return nil
        }
    }

    /// Section 7; 11 is of later versions, and some servers say it all the same.
    static func refusal(_ code: UInt32, _ words: String) -> TargetAnswer.Refusal {
        switch code {
        case 2: .missing
        case 3: .denied
        case 8: .unsupported
        case 11: .exists
        default:
            .other(words.isEmpty ? "SFTP status \(code)" : String(printable(words).prefix(200)))
        }
    }
    private static func printable(_ text: String) -> String {
        String(text.unicodeScalars.map { $0.value < 32 || $0.value == 127 ? " " : Character($0) })
    }

    // MARK: faults

    private func broken(_ what: String) -> ShipFault { ShipFault(.passing, "\(place) sent \(what): connection given up") }
    private func notSFTP(_ bytes: [UInt8]) -> ShipFault {
        guard !isReady else { return broken("a reply longer than any") }
        let words = Self.printable(String(decoding: bytes, as: UTF8.self))
        return ShipFault(
            .operators,
            "\(place) says \"\(words)\" where SFTP should begin: the account's shell start-up files or a forced command print text; sshd_config wants ForceCommand internal-sftp"
        )
    }
}
