import Glibc
import Linux
import Settings
import Synchronization

/// An address to connect to (sockaddr bytes) and how people write it.
struct SocketAddress: Sendable, Equatable {
    let family: Int32
    let bytes: [UInt8]
    /// Numeric, with its scope where it has one.
    let text: String

    /// connect(2); false with errno.
    func connect(_ socket: Int32) -> Bool {
        unsafe bytes.withUnsafeBytes {
            unsafe Glibc.connect(socket, $0.baseAddress!.assumingMemoryBound(to: sockaddr.self), socklen_t($0.count)) == 0
        }
    }
}

/// Asks getaddrinfo(3) at each connect, in a thread of its own because it knows no time-out.
enum Resolver {
    private static let patience = 20.0

    private final class Question: Sendable {
        let host: String, port: UInt16, family: Int32
        let answer = Mutex<Result<[SocketAddress], ShipFault>?>(nil)
        let done: Int32
        init(host: String, port: UInt16, family: Int32, done: Int32) {
            self.host = host
            self.port = port
            self.family = family
            self.done = done
        }
        deinit { close(done) }

        func run() {
            let found = Resolver.ask(self)
            answer.withLock { $0 = found }
            var byte: UInt8 = 1
            unsafe write(done, &byte, 1)
        }
        func taken() -> Result<[SocketAddress], ShipFault>? { answer.withLock { $0 } }
    }

    static func resolve(_ host: String, port: UInt16, family: AddressFamily, stop: StopWatch) throws(ShipFault) -> [SocketAddress] {
        let wanted: Int32
        switch family {
        case .any: wanted = AF_UNSPEC
        case .inet: wanted = AF_INET
        case .inet6: wanted = AF_INET6
        }
        let ends = try ShipFault.here { () throws(SystemError) in try Pipe.make().keepBoth() }
        let heard = Descriptor(owning: ends.read)
        let question = Question(host: host, port: port, family: wanted, done: ends.write)
        try start(question)
        let woken = try stop.wait(heard.number, until: .now() + patience)
        guard woken.read, let answer = question.taken() else {
            throw ShipFault(.passing, "no answer about the name \(host) within \(Int(patience)) s")
        }
        switch answer {
        case .success(let addresses): return addresses
        case .failure(let fault): throw fault
        }
    }

    private static func start(_ question: Question) throws(ShipFault) {
        var id = pthread_t()
        let passed = unsafe Unmanaged.passRetained(question).toOpaque()
        let code = unsafe pthread_create(
            &id, nil,
            {
                unsafe Unmanaged<Question>.fromOpaque($0!).takeRetainedValue().run()
                return nil
            }, passed)
        if code != 0 {
            unsafe Unmanaged<Question>.fromOpaque(passed).release()
            throw .local(SystemError("pthread_create", code: code))
        }
        pthread_detach(id)
    }

    private static func ask(_ question: Question) -> Result<[SocketAddress], ShipFault> {
        var hints = unsafe addrinfo()
        unsafe hints.ai_family = question.family
        unsafe hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var list: UnsafeMutablePointer<addrinfo>?
        let code = unsafe getaddrinfo(question.host, String(question.port), &hints, &list)
        guard code == 0 else {
            return .failure(ShipFault(.passing, "the name \(question.host) has no address: \(unsafe String(cString: gai_strerror(code)))"))
        }
        defer { unsafe freeaddrinfo(list) }
        var out: [SocketAddress] = []
        var next = unsafe list
        while let one = unsafe next {
            unsafe next = one.pointee.ai_next
            guard let address = unsafe one.pointee.ai_addr else { continue }
            let length = unsafe one.pointee.ai_addrlen
            var text = [CChar](repeating: 0, count: 1025)
            unsafe getnameinfo(address, length, &text, 1025, nil, 0, NI_NUMERICHOST)
            let bytes = unsafe [UInt8](UnsafeRawBufferPointer(start: address, count: Int(length)))
            out.append(SocketAddress(family: unsafe one.pointee.ai_family, bytes: bytes, text: string(in: text)))
        }
        return .success(out)
    }
}
