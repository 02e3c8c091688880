import CLinux
import Evidence
import Glibc
import Linux

/// A connection to the ssh-agent of SSH_AUTH_SOCK. Owns the socket.
///
/// A login with it, where `LoginKey.order` has put a key of the agent's first:
///
///     let agent = try SSHAgent(path, wait: { try stop.wait($0, read: !$1, write: $1, until: $2); … })
///     let identities = try agent.identities()
///     for key in LoginKey.order(files: …, agent: identities, rsaUsable: SSHLibrary.signsRSAWithSHA2):
///         .file(path)         libssh2_userauth_publickey_fromfile_ex, as before
///         .agent(identity)    libssh2_userauth_publickey(session, user, identity.blob, count, callback, &abstract)
///
/// (CSSH2 has to load that function, too.) `abstract` is a pointer to a value of the caller's with the agent and the identity; it must
/// live until the call no longer answers "again". The callback turns `data` into an array, calls `signature(identity, login: data)`,
/// copies `bytes` of the answer into memory of malloc(3) (libssh2 frees it), sets *sig and *sig_len and returns 0; where it throws it
/// keeps the fault for the caller and returns -1. It may hold up the session for `patience` seconds. What libssh2 1.10 says then: -18
/// where the server does not know the key, -19 where the callback failed or the signature is wrong; both go on to the next key,
/// and what is left at the end is `.loginRefused`. A fault of the agent itself is no reason to leave out the key files.
final class SSHAgent {
    /// Waits until the descriptor can be read (or written: true), or the moment is there; throws when all is to stop.
    typealias Wait = (_ descriptor: Int32, _ write: Bool, _ until: MonotonicTime) throws(ShipFault) -> Void

    /// Seconds for a question and its answer. An agent that asks its owner first takes longer and is of no use here.
    static let patience = 10.0

    private let socket: Descriptor
    private let wait: Wait
    private let path: String
    private let patience: Double

    /// SSH_AUTH_SOCK; nil where it is not set.
    static var place: String? {
        guard let text = unsafe getenv("SSH_AUTH_SOCK"), unsafe text[0] != 0 else { return nil }
        return unsafe String(cString: text)
    }

    init(_ path: String, patience: Double = patience, wait: @escaping Wait) throws(ShipFault) {
        let number = Glibc.socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue), 0)
        guard number >= 0 else { throw .local(SystemError("socket", code: errno)) }
        self.socket = Descriptor(owning: number)
        self.wait = wait
        self.path = path
        self.patience = patience
        let end = MonotonicTime.now() + patience
        while unsafe sensor_connect_unix(number, path) < 0 {
            let code = errno
            // Its queue is full; nothing tells when there is room.
            guard code == EAGAIN, .now() < end else { throw fault("cannot be reached: \(SystemError.text(code))") }
            try wait(-1, false, .now() + 0.05)
        }
    }

    private func fault(_ what: String) -> ShipFault { ShipFault(.operators, "the ssh-agent SSH_AUTH_SOCK='\(path)' \(what)") }

    func identities() throws(ShipFault) -> [AgentIdentity] {
        switch try ask(AgentMessage.identities()) {
        case .identities(let found): return found
        case .failure: throw fault("does not tell its keys: is it locked?")
        case .signature: throw fault("answers another question")
        }
    }

    /// The signature blob: algorithm and bytes.
    func sign(_ blob: [UInt8], _ data: [UInt8], flags: UInt32) throws(ShipFault) -> AgentSignature {
        switch try ask(AgentMessage.sign(blob: blob, data: data, flags: flags)) {
        case .signature(let signature): return signature
        case .failure: throw fault("refuses to sign with \(SSHPublicKey(blob: blob)?.fingerprint ?? "that key")")
        case .identities: throw fault("answers another question")
        }
    }

    /// For libssh2's callback: signs the data of a login in the way that stands in it.
    func signature(_ identity: AgentIdentity, login data: [UInt8]) throws(ShipFault) -> AgentSignature {
        guard let algorithm = AgentMessage.algorithm(ofLogin: data) else { throw ShipFault(.passing, "what is to be signed is no login") }
        let signature = try sign(identity.blob, data, flags: AgentMessage.flags(for: algorithm))
        // An old agent knows no flags and signs with SHA-1; the server would only say that the key is wrong.
        guard signature.algorithm == algorithm else { throw fault("signed with \(signature.algorithm) where \(algorithm) was asked for") }
        return signature
    }

    // MARK: the socket

    private func ask(_ message: [UInt8]) throws(ShipFault) -> AgentMessage.Answer {
        guard message.count <= AgentMessage.longest else { throw fault("takes no message of \(message.count) bytes") }
        let end = MonotonicTime.now() + patience
        try send(AgentMessage.framed(message), until: end)
        var lead = WireReader(try receive(4, until: end))
        guard let count = lead.uint32(), (1...AgentMessage.longest).contains(Int(count)) else {
            throw fault("answers what is no ssh-agent's")
        }
        guard let answer = AgentMessage.answer(try receive(Int(count), until: end)) else { throw fault("answers what is no ssh-agent's") }
        return answer
    }

    private func send(_ bytes: [UInt8], until end: MonotonicTime) throws(ShipFault) {
        var sent = 0
        while sent < bytes.count {
            let count = unsafe bytes.withUnsafeBytes {
                unsafe Glibc.send(socket.number, $0.baseAddress! + sent, bytes.count - sent, Int32(MSG_NOSIGNAL))
            }
            if count > 0 { sent += count } else { try again(errno, write: true, until: end) }
        }
    }

    private func receive(_ count: Int, until end: MonotonicTime) throws(ShipFault) -> [UInt8] {
        var bytes: [UInt8] = []
        while bytes.count < count {
            do throws(SystemError) {
                let part = try socket.read(count - bytes.count)
                if part.isEmpty { throw SystemError("read", code: ECONNRESET) }
                bytes += part
            } catch { try again(error.code, write: false, until: end) }
        }
        return bytes
    }

    private func again(_ code: Int32, write: Bool, until end: MonotonicTime) throws(ShipFault) {
        guard code == EAGAIN || code == EINTR else { throw fault("is gone: \(SystemError.text(code))") }
        guard .now() < end else { throw fault("does not answer within \(Int(patience)) s") }
        try wait(socket.number, write, end)
    }
}
