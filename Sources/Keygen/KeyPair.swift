import Crypto
public import Evidence
import Glibc
import Linux

/// Why a key cannot be used: one line that names the file, what it is, and what would be right.
public struct KeyProblem: Error, CustomStringConvertible, Sendable {
    public let description: String
    init(_ description: String) { self.description = description }
}

/// The sensor's key: `id_ed25519` and `id_ed25519.pub`, made once and then only read.
public struct KeyPair: Sendable {
    public static let file = "id_ed25519"
    public let privateKeyPath: String
    public let publicKey: SSHPublicKey
    /// Made by this call.
    public let isNew: Bool
    /// What is not wrong enough to stop.
    public let warning: String?

    /// The pair in `path`, made where there is none. Two that come at once end with one key.
    public static func ensure(in path: String, sensorName: String, rsaUsable: Bool) throws(KeyProblem) -> KeyPair {
        let comment = "root@\(sensorName)"
        do {
            let directory = try Directory(path)
            var isNew = false
            if try directory.status(file) == nil { isNew = try make(in: directory, comment: comment) }
            let privatePath = "\(path)/\(file)"
            let (found, warning) = try read(privatePath, rsaUsable: rsaUsable)
            let beside = try directory.read("\(file).pub").flatMap { SSHPublicKey(line: String(decoding: $0, as: UTF8.self)) }
            guard var key = found ?? beside else {
                throw KeyProblem("\(privatePath) does not tell its public key: put the public key line into \(privatePath).pub (ssh-keygen -y -f \(privatePath))")
            }
            if key.comment.isEmpty { key.comment = beside == key && beside?.comment.isEmpty == false ? beside?.comment ?? comment : comment }
            if beside != key {
                try directory.replace("\(file).pub", with: Array("\(key.line)\n".utf8), mode: 0o644)
            }
            return KeyPair(privateKeyPath: privatePath, publicKey: key, isNew: isNew, warning: warning)
        } catch let error as KeyProblem { throw error } catch { throw KeyProblem("key in \(path): \(error)") }
    }

    /// False where somebody else was first.
    private static func make(in directory: borrowing Directory, comment: String) throws(SystemError) -> Bool {
        let key = Curve25519.Signing.PrivateKey()
        let text = SSHPrivateKeyFile.encodeEd25519(
            seed: Array(key.rawRepresentation), publicKey: Array(key.publicKey.rawRepresentation), comment: comment,
            check: UInt32.random(in: 0 ... .max))
        let temporary = ".\(file).\(UInt32.random(in: 0 ... .max))"
        defer { _ = try? directory.remove(temporary) }
        let out = try directory.open(temporary, flags: O_WRONLY | O_CREAT | O_EXCL, mode: 0o600)
        try out.writeAll(text)
        try out.sync()
        do { try directory.rename(temporary, to: file) } catch {
            if error.code == EEXIST { return false }
            throw error
        }
        try directory.sync()
        return true
    }

    /// Whether an operator's key can be used, and its public key where the file tells it.
    public static func inspect(path: String, rsaUsable: Bool) throws(KeyProblem) -> SSHPublicKey? {
        try read(path, rsaUsable: rsaUsable).key
    }

    /// libssh2 says "cannot open" for all of these, so they are told apart here.
    private static func read(_ path: String, rsaUsable: Bool) throws(KeyProblem) -> (key: SSHPublicKey?, warning: String?) {
        let bytes: [UInt8]
        let mode: UInt32
        do {
            // A mounted secret is a link: followed.
            let open = try Descriptor.open(path, flags: O_RDONLY)
            let status = try open.status()
            guard status.isRegular else { throw KeyProblem("\(path) is no file: expected a private key") }
            mode = status.mode
            bytes = try open.read(1 << 16)
        } catch let error as KeyProblem { throw error } catch let error as SystemError {
            throw KeyProblem("\(path) cannot be read (\(SystemError.text(error.code))): expected a private key that this user may read")
        } catch { throw KeyProblem("\(path): \(error)") }
        if mode & 0o022 != 0 { throw KeyProblem("\(path) may be written by others (mode \(String(mode & 0o777, radix: 8))): expected 0600") }
        guard let key = SSHPrivateKeyFile(bytes: bytes) else {
            throw KeyProblem("\(path) is no private key: expected one as ssh-keygen -t ed25519 makes it")
        }
        if key.isEncrypted {
            throw KeyProblem("\(path) has a passphrase, which nobody is there to type: remove it with ssh-keygen -p -N '' -f \(path)")
        }
        if key.format == .pkcs8 {
            throw KeyProblem("\(path) is in PKCS#8 form, which libssh2 cannot use: convert it with ssh-keygen -p -N '' -f \(path)")
        }
        switch key.kind {
        case .ed25519, .ecdsa: break
        case .rsa:
            if !rsaUsable {
                throw KeyProblem("\(path) is an RSA key, which needs libssh2 1.11 (servers since OpenSSH 8.8 refuse what older ones sign): expected Ed25519 or ECDSA")
            }
        case .dsa, .unknown: throw KeyProblem("\(path) is a \(key.kind.rawValue) key: expected Ed25519 or ECDSA")
        }
        let warning = mode & 0o044 != 0 ? "\(path) may be read by others (mode \(String(mode & 0o777, radix: 8))); 0600 would be right" : nil
        return (key.publicKey, warning)
    }
}
