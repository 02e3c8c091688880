import CLinux
import CSSH2
import Evidence
import Glibc
import Linux

/// What a login needs.
struct SSHOptions {
    var user: String
    /// Tried in this order.
    var keys: [LoginKey]
    var agent: SSHAgent?
    var hostKeyPreference: [String]
    var ciphers: [String]
    var compression: Bool
    /// The sensor's, and not one that the operator named.
    var isOwnKey: Bool
}

/// What libssh2 here can do.
public enum SSHLibrary {
    /// RSA keys need rsa-sha2 signatures at every server since OpenSSH 8.8; libssh2 has them from 1.11.0 on.
    public static var signsRSAWithSHA2: Bool { unsafe libssh2_version(0x01_0b_00) != nil }

    public enum Method { case hostKey, cipher }
    /// Whether it knows one at least of what `names` stand for; where it cannot be asked, the connection will tell.
    public static func knows(_ method: Method, oneOf names: [String]) -> Bool {
        guard libssh2_init(0) == 0, let session = unsafe libssh2_session_init_ex(nil, nil, nil, nil) else { return true }
        defer { unsafe libssh2_session_free(session) }
        let names = method == .hostKey ? HostKeyPolicy.preference(known: [], wanted: names) : names
        let kind = method == .hostKey ? LIBSSH2_METHOD_HOSTKEY : LIBSSH2_METHOD_CRYPT_CS
        return unsafe libssh2_session_method_pref(session, kind, names.joined(separator: ",")) == 0
    }
}

/// One SSH connection: from the first packet to SFTP channels. Owns the socket, the session and what waits to be
/// sent; never waits itself, and never asks the server for anything at its end, since on a dead link every
/// polite good-bye waits for ever.
@safe
final class SSHConnection {
    enum Stage { case dialing, exchanging, authenticating, channels }
    struct Place {
        /// As the user wrote it, with the port.
        let name: String
        let port: UInt16
        let directory: String
    }

    /// Seconds without anything heard, until a connection is given up: while logging in, ...
    private static let loginPatience = 30.0
    /// ... for all of the login, ...
    private static let loginMost = 40.0
    /// ... while bytes are under way, ...
    private static let linkPatience = 30.0
    /// Bytes that are read before others have their turn; what comes before a login libssh2 reads one by one.
    private static let mostInOneTurn = 1 << 20, mostOfGreetings = 32 << 10
    /// Greetings and a key exchange are a hundredth of it.
    private static let mostBeforeLogin: UInt64 = 1 << 20
    /// ... and for any answer at all; the disk of a server may be slow, and a link narrow.
    private static let answerPatience = 120.0, answerMost = 300.0
    private static let longSilence = 20.0
    /// No more is encrypted than the socket takes within moments.
    private static let plenty = 384 << 10
    /// LIBSSH2_ERROR_ALGO_UNSUPPORTED, which the headers have since 1.11.
    private static let algorithmUnsupported: Int32 = -51

    let place: Place
    private let login: SSHOptions
    private let check: (SSHPublicKey) throws(ShipFault) -> Void
    private(set) var stage = Stage.dialing
    private var dialer: Dialer?
    private var socket: Int32 = -1
    private let outbox: UnsafeMutablePointer<ssh2_outbox>
    private var session: OpaquePointer?
    private(set) var channels: [SFTPChannel] = []
    private(set) var address: SocketAddress?
    /// What the server showed, whether it was taken or not.
    private(set) var shownKey: SSHPublicKey?
    private(set) var hostKey: SSHPublicKey?
    private var nextKey = 0
    private var signer: AgentSigner?
    /// The server refused a further channel.
    private(set) var isFull = false
    private var began = MonotonicTime.now()
    private var heardAt = MonotonicTime.now()
    private var heard: UInt64 = 0
    private var unacknowledged: Int32 = 0
    private var answeredAt = MonotonicTime.now()
    private var answered = 0
    private let numbers: () -> Int

    /// `numbers` gives each channel one of its own. `check` throws for a host key that is not the right one; nothing
    /// has been said to the server then but the key exchange.
    init(
        _ dialer: consuming Dialer, _ login: SSHOptions, at place: Place, numbers: @escaping () -> Int,
        check: @escaping (SSHPublicKey) throws(ShipFault) -> Void
    ) throws(ShipFault) {
        guard let outbox = unsafe ssh2_outbox_new() else { throw .local(SystemError("malloc", code: ENOMEM)) }
        unsafe self.outbox = outbox
        self.dialer = consume dialer
        self.login = login
        self.place = place
        self.numbers = numbers
        self.check = check
    }

    deinit {
        unsafe outbox.pointee.is_over = 1
        if let session = unsafe session { for _ in 0..<16 where unsafe libssh2_session_free(session) == 0 { break } }
        if socket >= 0 { close(socket) }
        unsafe ssh2_outbox_free(outbox)
    }

    // MARK: polling

    var isReady: Bool { channels.contains { $0.isReady } }
    var underWay: Int { channels.reduce(0) { $0 + $1.underWay } }
    var isIdle: Bool { channels.allSatisfy(\.isIdle) }
    /// Seconds, of one packet and its answer; nil while nothing has been measured.
    var roundTrip: Double? {
        let microseconds = sensor_tcp_round_trip(socket)
        return microseconds > 0 ? Double(microseconds) / 1e6 : nil
    }

    func addPolls(_ entries: inout [pollfd]) {
        if socket >= 0 {
            let write = unsafe outbox.pointee.start < outbox.pointee.end
            entries.append(pollfd(fd: socket, events: Int16(POLLIN) | (write ? Int16(POLLOUT) : 0), revents: 0))
        } else if let sockets = dialer?.sockets {
            for socket in sockets { entries.append(pollfd(fd: socket, events: Int16(POLLOUT), revents: 0)) }
        }
    }
    /// When to look again though nothing has happened.
    var due: MonotonicTime? {
        if let due = dialer?.due { return due }
        return underWay > 0 || !isReady ? .now() + 1 : nil
    }

    // MARK: moving on

    /// As far as it goes without waiting. True where something moved.
    @discardableResult
    func advance(now: MonotonicTime) throws(ShipFault) -> Bool {
        unsafe outbox.pointee.allowance = isReady ? Self.mostInOneTurn : Self.mostOfGreetings
        if dialer != nil { try dial(now) }
        if stage == .exchanging { try exchange() }
        if stage == .authenticating { try authenticate() }
        var moved = false
        if stage == .channels {
            try open()
            moved = try pump()
        }
        if socket >= 0 {
            try flush()
            try watch(now)
        }
        return unsafe moved || outbox.pointee.allowance == 0
    }

    private func dial(_ now: MonotonicTime) throws(ShipFault) {
        guard let (socket, address) = try dialer!.advance(now: now) else { return }
        self.socket = socket
        self.address = address
        dialer = nil
        (began, heardAt, answeredAt) = (now, now, now)
        guard libssh2_init(0) == 0, let session = unsafe ssh2_session_new(outbox) else {
            throw ShipFault(.passing, "libssh2 cannot start a session")
        }
        unsafe self.session = session
        try prefer()
        stage = .exchanging
    }

    private func prefer() throws(ShipFault) {
        let types = login.hostKeyPreference.joined(separator: ",")
        guard unsafe libssh2_session_method_pref(session, LIBSSH2_METHOD_HOSTKEY, types) == 0 else {
            throw ShipFault(.operators, "HostKeyAlgorithms=\(types) in SCP_ARGUMENTS names no host key type that libssh2 knows")
        }
        // The operator's choice, or this processor's.
        let processor = CipherChoice.here
        let list = (login.ciphers.isEmpty ? CipherChoice.ciphers(processor) : login.ciphers).joined(separator: ",")
        for method in [LIBSSH2_METHOD_CRYPT_CS, LIBSSH2_METHOD_CRYPT_SC] {
            guard unsafe libssh2_session_method_pref(session, method, list) == 0 else {
                throw ShipFault(.operators, "Ciphers=\(list) in SCP_ARGUMENTS names no cipher that libssh2 knows")
            }
        }
        for method in [LIBSSH2_METHOD_MAC_CS, LIBSSH2_METHOD_MAC_SC] {
            unsafe libssh2_session_method_pref(session, method, CipherChoice.macs(processor).joined(separator: ","))
        }
        if login.compression { unsafe libssh2_session_flag(session, Int32(LIBSSH2_FLAG_COMPRESS), 1) }
    }

    private func exchange() throws(ShipFault) {
        let code = unsafe libssh2_session_handshake(session, socket)
        if code == LIBSSH2_ERROR_EAGAIN { return }
        if code == LIBSSH2_ERROR_KEX_FAILURE || code == LIBSSH2_ERROR_METHOD_NONE {
            throw ShipFault(
                .operators,
                "\(place.name) and this sensor have no key exchange, host key type or cipher in common (\(lastWords)); a server with only an RSA host key needs libssh2 1.11 here"
            )
        }
        if code != 0 {
            // The same words as where the connection itself is refused in this way.
            if unsafe outbox.pointee.received == 0, let address { throw Dialer.closed(address, place.port) }
            if let line = otherThanSSH, let address { throw Dialer.answered(line, address, place.port) }
            throw lost("key exchange", code)
        }
        var length = 0
        var type: Int32 = 0
        guard let start = unsafe libssh2_session_hostkey(session, &length, &type),
            let key = SSHPublicKey(blob: unsafe [UInt8](UnsafeRawBufferPointer(start: start, count: length)))
        else { throw ShipFault(.operators, "\(place.name) shows a host key of an unknown form") }
        shownKey = key
        try check(key)
        hostKey = key
        stage = .authenticating
    }

    /// The first line of a server that has not said SSH's.
    private var otherThanSSH: String? {
        // libssh2 has the last line, which need not be among the first bytes.
        let last = unsafe libssh2_session_banner_get(session).map { unsafe String(cString: $0) } ?? ""
        let lines = unsafe String(cString: ssh2_outbox_first(outbox)).split(whereSeparator: \.isNewline)
        guard let first = lines.first, !(lines + [last[...]]).contains(where: { $0.hasPrefix("SSH-") }) else { return nil }
        return String(first.prefix(80))
    }

    private func authenticate() throws(ShipFault) {
        while true {
            let key = login.keys[nextKey]
            let code = tryKey(key)
            switch code {
            case LIBSSH2_ERROR_EAGAIN: return
            case 0:
                stage = .channels
                addChannel()
                return
            case LIBSSH2_ERROR_AUTHENTICATION_FAILED, LIBSSH2_ERROR_PUBLICKEY_UNVERIFIED, LIBSSH2_ERROR_FILE,
                LIBSSH2_ERROR_METHOD_NOT_SUPPORTED, Self.algorithmUnsupported:
                if let fault = signer?.fault, fault.kind == .stopped { throw fault }
                nextKey += 1
                if nextKey == login.keys.count { throw refused(key, code) }
            default: throw lost("login", code)
            }
        }
    }

    private func tryKey(_ key: LoginKey) -> Int32 {
        let user = login.user
        switch key {
        case .file(let path):
            return unsafe libssh2_userauth_publickey_fromfile_ex(session, user, UInt32(user.utf8.count), nil, path, "")
        case .agent(let identity):
            guard let agent = login.agent else { return LIBSSH2_ERROR_FILE }
            let signer = self.signer?.identity == identity ? self.signer! : AgentSigner(agent, identity)
            self.signer = signer
            var passed: UnsafeMutableRawPointer? = unsafe Unmanaged.passUnretained(signer).toOpaque()
            return unsafe libssh2_userauth_publickey(session, user, identity.blob, identity.blob.count, AgentSigner.sign, &passed)
        }
    }

    private func refused(_ key: LoginKey, _ code: Int32) -> ShipFault {
        let name: String
        let remedy: String
        switch key {
        case .file(let path):
            name = "the key \(path)"
            remedy = login.isOwnKey ? "the line of `sensor print-key --authorized-keys`" : "\(path).pub"
        case .agent(let identity):
            name = "the ssh-agent's key \(identity.publicKey?.fingerprint ?? "?")"
            remedy = "it"
        }
        switch code {
        case LIBSSH2_ERROR_FILE: return ShipFault(.operators, "\(name) cannot be used: \(lastWords)")
        case LIBSSH2_ERROR_METHOD_NOT_SUPPORTED, Self.algorithmUnsupported:
            return ShipFault(.operators, "\(name) is of a kind that \(place.name) does not take: \(lastWords)")
        default:
            if let fault = signer?.fault { return fault }
            let others = login.keys.count > 1 ? " and \(login.keys.count - 1) more" : ""
            return ShipFault(
                .loginRefused, "\(place.name) refuses \(name)\(others) for user \(login.user): is \(remedy) in its authorized_keys?")
        }
    }

    func addChannel() {
        guard stage == .channels, let session = unsafe session else { return }
        channels.append(unsafe SFTPChannel(numbers(), session: session, directory: place.directory, place: place.name))
    }

    /// libssh2 opens one channel at a time.
    private func open() throws(ShipFault) {
        while let channel = channels.first(where: { $0.stage == .opening || $0.stage == .starting }) {
            let code = channel.start()
            if code == 0 { continue }
            if code == LIBSSH2_ERROR_EAGAIN { return }
            guard code == LIBSSH2_ERROR_CHANNEL_FAILURE || code == LIBSSH2_ERROR_CHANNEL_REQUEST_DENIED else {
                guard channels.count == 1, code == LIBSSH2_ERROR_SOCKET_RECV || code == LIBSSH2_ERROR_SOCKET_DISCONNECT else {
                    throw lost("SFTP", code)
                }
                throw ShipFault(
                    .passing,
                    "\(place.name) lets user \(login.user) in and ends the connection before SFTP begins: its log says why (often a ChrootDirectory, or one above it, that is not root's or that others may write)"
                )
            }
            // MaxSessions of sshd_config, where it is not the first.
            if channels.count > 1 {
                isFull = true
                channels.removeAll { $0 === channel }
                return
            }
            throw ShipFault(
                .operators,
                "\(place.name) gives this account no SFTP (\(lastWords)): sshd_config wants a Subsystem sftp or ForceCommand internal-sftp")
        }
    }

    private func pump() throws(ShipFault) -> Bool {
        var moved = false
        var again = true
        while again {
            again = false
            for channel in channels where try channel.receive() { again = true }
            try flush()
            let waiting = unsafe outbox.pointee.end - outbox.pointee.start
            if waiting < Self.plenty { for channel in channels where try channel.send(most: Self.plenty) { again = true } }
            moved = moved || again
        }
        return moved
    }

    private func flush() throws(ShipFault) {
        let code = unsafe ssh2_outbox_flush(outbox, socket)
        if code != 0 { throw ShipFault(.passing, "connection to \(place.name) lost: \(SystemError.text(code))") }
    }

    // MARK: watching

    private func watch(_ now: MonotonicTime) throws(ShipFault) {
        let received = unsafe outbox.pointee.received
        let left = sensor_unacknowledged(socket)
        if received != heard || left < unacknowledged { heardAt = now }
        (heard, unacknowledged) = (received, left)
        if !isReady {
            if channels.isEmpty, received > Self.mostBeforeLogin {
                throw ShipFault(.passing, "\(place.name) talks without end and lets nobody log in: is it an SSH server?")
            }
            if now - heardAt > Self.loginPatience || now - began > Self.loginMost {
                if let line = otherThanSSH, let address { throw Dialer.answered(line, address, place.port) }
                throw silent("no login", now - began)
            }
            return
        }
        let count = channels.reduce(0) { $0 + $1.answered }
        if count != answered || underWay == 0 { answeredAt = now }
        answered = count
        if underWay == 0 { return }
        let isSending = unsafe left > 0 || outbox.pointee.start < outbox.pointee.end
        if isSending, now - heardAt > Self.linkPatience { throw silent("nothing gets through", now - heardAt) }
        let waits = now - answeredAt
        if waits > Self.answerMost || (waits > Self.answerPatience && now - heardAt > Self.answerPatience) {
            throw silent("no answer", waits)
        }
    }

    /// Nothing got through for long, whoever gave up first: this connection or the kernel.
    func wasSilent(at now: MonotonicTime) -> Bool {
        socket >= 0 && now - heardAt > Self.longSilence && (!isReady || unacknowledged > 0 || underWay > 0)
    }
    private func silent(_ what: String, _ seconds: Double) -> ShipFault {
        ShipFault(.passing, "\(place.name) made no progress (\(what) in \(Int(seconds)) s): connection given up")
    }
    private var lastWords: String {
        var text: UnsafeMutablePointer<CChar>?
        unsafe libssh2_session_last_error(session, &text, nil, 0)
        return unsafe text.map { unsafe String(cString: $0) } ?? "unknown error"
    }
    private func lost(_ what: String, _ code: Int32) -> ShipFault {
        ShipFault(.passing, "connection to \(place.name) lost (\(what)): \(lastWords) (libssh2 \(code))")
    }

    /// What protects the bytes that go out: a cipher, and a MAC where it needs one.
    var protection: String {
        func method(_ kind: Int32) -> String { unsafe libssh2_session_methods(session, kind).map { unsafe String(cString: $0) } ?? "" }
        let (cipher, mac) = (method(LIBSSH2_METHOD_CRYPT_CS), method(LIBSSH2_METHOD_MAC_CS))
        return cipher.contains("-gcm") || mac.isEmpty ? cipher : "\(cipher) \(mac)"
    }

    var isOpenSSH: Bool {
        guard let banner = unsafe libssh2_session_banner_get(session) else { return false }
        return unsafe String(cString: banner).hasPrefix("SSH-2.0-OpenSSH_")
    }
}
