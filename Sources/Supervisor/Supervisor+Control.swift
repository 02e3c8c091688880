import CLinux
import Events
import Glibc
import Linux

/// Connections to the control socket. Nothing of what a client sends is looked at here: each connection goes to a
/// child of its own, which hands on frames.
extension Supervisor {
    /// Children at a time that are asked something; further connections wait in the kernel's queue.
    private static let mostSessions = 8
    /// With those that wait for a program, or follow a log.
    private static let mostWithLong = 24
    /// Seconds until the next attempt when there is no descriptor for a connection.
    private static let pause = 1.0

    private var isFull: Bool { sessions.count >= Self.mostWithLong || sessions.values.count { !$0.isLong } >= Self.mostSessions }
    /// How long the last answers may take to be fetched at the end.
    static let lastAnswers = 0.5

    mutating func acceptConnections() {
        var isShort = false
        while !isFull, let connection = listener?.accept(&isShort) { open(connection) }
        listensAgain = isShort ? .now() + Self.pause : nil
        // Level-triggered: where nothing can be taken nothing must wake us.
        if isFull || isShort, let ticket = listenerTicket, let number = listener?.socket.number {
            unwatch(number, ticket)
            listenerTicket = nil
        }
    }
    mutating func listen() {
        if let due = listensAgain, due > .now() { return }
        listensAgain = nil
        guard end == nil || !isAtEnd, listenerTicket == nil, !isFull, let number = listener?.socket.number
        else { return }
        listenerTicket = try? watch(number, .listener)
    }

    private mutating func open(_ connection: borrowing Descriptor) {
        var ends: [Int32] = [-1, -1]
        guard unsafe sensor_socketpair(&ends) == 0 else { return refuse(connection) }
        let ours = Descriptor(owning: ends[0])
        let theirs = Descriptor(owning: ends[1])
        let started = try? Spawner.start(
            path: "/proc/self/exe", arguments: ["sensor", "control-connection"], environment: [:],
            descriptors: [connection.number, -1, 2, theirs.number], name: "control-connection")
        guard case .running(let pid)? = started else { return refuse(connection) }
        _ = fcntl(ours.number, F_SETFL, O_NONBLOCK)
        let session = ControlSession(pid: pid, channel: ours)
        sessions[pid] = session
        if let number = session.channel?.number, let ticket = try? watch(number, .session(session)) { session.ticket = ticket }
        let credentials = listener?.options.credentials
        send(
            .structure([
                ("user", credentials.map { .string($0.user) } ?? .null), ("password", credentials.map { .string($0.password) } ?? .null),
            ]), to: session)
    }

    /// When no child can be made: an answer that needs no question.
    private func refuse(_ connection: borrowing Descriptor) {
        let answer = Array("HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 0\r\n\r\n".utf8)
        unsafe answer.withUnsafeBytes {
            unsafe _ = Glibc.send(connection.number, $0.baseAddress!, $0.count, Int32(MSG_DONTWAIT) | Int32(MSG_NOSIGNAL))
        }
    }

    // MARK: frames

    mutating func send(_ value: ControlValue, to session: ControlSession) {
        session.toSend += ControlFrame.encode(value)
        writeFrames(to: session)
    }

    mutating func writeFrames(to session: ControlSession) {
        while !session.toSend.isEmpty, let number = session.channel?.number {
            let sent = unsafe session.toSend.withUnsafeBytes { unsafe Glibc.send(number, $0.baseAddress!, $0.count, Int32(MSG_NOSIGNAL)) }
            if sent < 0 {
                if errno == EINTR { continue }
                if errno == EAGAIN {
                    return watch(session, forRoom: true)
                }
                return close(session)
            }
            session.toSend.removeFirst(sent)
        }
        watch(session, forRoom: false)
    }

    private mutating func watch(_ session: ControlSession, forRoom: Bool) {
        guard session.isWatchedForRoom != forRoom, let number = session.channel?.number else { return }
        unwatch(number, session.ticket)
        let events = forRoom ? EPOLLIN.rawValue | EPOLLOUT.rawValue : EPOLLIN.rawValue
        session.ticket = (try? watch(number, .session(session), events: events)) ?? 0
        session.isWatchedForRoom = forRoom
    }

    mutating func readFrames(of session: ControlSession) {
        var buffer = [UInt8](repeating: 0, count: 16_384)
        while let number = session.channel?.number {
            let got = unsafe Glibc.read(number, &buffer, buffer.count)
            if got > 0 {
                session.received += buffer[..<got]
                if session.received.count > ControlFrame.longestRequest + 4 { return close(session) }
                continue
            }
            if got < 0, errno == EAGAIN { break }
            return close(session)
        }
        do {
            while let frame = try ControlFrame.decode(&session.received, longest: ControlFrame.longestRequest) {
                handle(frame, of: session)
            }
        } catch { close(session) }
        writeFrames(to: session)
    }

    /// The child ends when it sees the end of its channel.
    mutating func close(_ session: ControlSession) {
        if let number = session.channel?.number { unwatch(number, session.ticket) }
        session.channel = nil
        session.waiting = nil
        session.toSend = []
    }

    private mutating func handle(_ frame: ControlValue, of session: ControlSession) {
        guard session.waiting == nil, let words = frame.elements, let method = words.first?.text else { return close(session) }
        if method == "log.follow" { session.isFollower = true }
        switch answer(method, Array(words.dropFirst())) {
        case .now(let result): reply(result, to: session)
        case .later(let call): session.waiting = call
        }
    }

    private mutating func reply(_ result: Result<ControlValue, ControlFault>, to session: ControlSession) {
        switch result {
        case .success(let value): send(.array([.int(0), value]), to: session)
        case .failure(let fault): send(.array([.int(fault.code), .string(fault.text)]), to: session)
        }
    }

    /// Answers the calls whose time has come.
    mutating func settleCalls() {
        for session in sessions.values {
            guard var call = session.waiting else { continue }
            let result = call.settle()
            session.waiting = result == nil ? call : nil
            if let result { reply(result, to: session) }
        }
    }

    /// Names those that are waited for, again and again.
    mutating func reportWaiting(_ now: MonotonicTime) {
        for session in sessions.values {
            guard let due = session.waiting?.nextReport, due <= now else { continue }
            session.waiting?.nextReport = now + WaitingCall.reportInterval
            for target in session.waiting?.targets ?? [] where target.result == nil { sayWaiting(for: target.program) }
        }
    }
    mutating func sayWaiting(for program: ManagedProgram) {
        say(Event(.info, "stop_awaited", "waiting for \(program.name) to stop", ["program": .text(program.name)]))
    }
}
