import Glibc
import Linux

/// A private key file that the shipper can log in with: what its bytes, its mode and the `.pub` beside it tell, before anybody
/// connects. libssh2 says the same of every key that it cannot use.
public struct KeyInspection: Sendable {
    public enum Use: Sendable, Equatable {
        /// libssh2 reads it.
        case file
        /// Only an agent that holds it can sign with it.
        case agent
    }
    public let use: Use
    /// nil where the file does not carry it (PEM) and no `.pub` of the same type lies beside it.
    public let publicKey: SSHPublicKey?
    public let warning: String?

    /// Links are followed: a mounted secret is one. `hasAgent`: SSH_AUTH_SOCK is set, so what nobody can read here may still log in.
    public init(path: String, rsaUsable: Bool, hasAgent: Bool = false) throws(KeyProblem) {
        let beside = Self.publicKey(beside: path)
        let bytes: [UInt8]
        let status: FileStatus
        do throws(KeyProblem) { (bytes, status) = try Self.read(path) } catch {
            guard hasAgent, error.mayPass == false, unsafe access(path, F_OK) != 0, let beside else { throw error }
            (use, publicKey, warning) = (.agent, beside, nil)
            return
        }
        warning = try Self.judge(path, mode: status.mode)
        let (file, use) = try Self.judge(path, bytes, rsaUsable: rsaUsable, hasAgent: hasAgent)
        self.use = use
        if let own = file.publicKey {
            let comment = own.comment.isEmpty && beside?.isSameKey(as: own) == true ? beside?.comment : nil
            publicKey = comment.map(own.with(comment:)) ?? own
        } else {
            publicKey = beside.flatMap { Self.kind($0) == file.kind || file.kind == .unknown ? $0 : nil }
        }
    }

    /// What is to be said of a file's mode: nil, or a warning. Refused where anybody may write it. A group that may read it, as with
    /// mounted secrets (0440), or write it, as on volumes of Kubernetes (fsGroup), is a warning.
    public static func judge(_ path: String, mode: UInt32) throws(KeyProblem) -> String? {
        let shown = octal(mode)
        let tighten = "run: chmod 600 \(KeyProblem.quoted(path))"
        if mode & S_IWOTH != 0 { throw KeyProblem(path, "can be written by others (mode \(shown)); \(tighten)") }
        if mode & S_IWGRP != 0 { return KeyProblem(path, "can be written by its group (mode \(shown)); \(tighten)").description }
        if mode & (S_IRGRP | S_IROTH) != 0 { return KeyProblem(path, "can be read by others (mode \(shown)); \(tighten)").description }
        return nil
    }

    /// The key in `<path>.pub`, nil where there is none that can be read.
    public static func publicKey(beside path: String) -> SSHPublicKey? {
        guard let bytes = try? read("\(path).pub").bytes else { return nil }
        return SSHPublicKey(line: String(decoding: bytes, as: UTF8.self))
    }

    private static let largest = 65_536

    private static func read(_ path: String) throws(KeyProblem) -> (bytes: [UInt8], status: FileStatus) {
        do {
            // O_NONBLOCK: a FIFO under this name must not hold up the start.
            let file = try Descriptor.open(path, flags: O_RDONLY | O_NONBLOCK)
            let status = try file.status()
            guard status.isRegular else {
                throw KeyProblem(
                    path, "is \(status.isDirectory ? "a directory" : "no regular file"), not a private key")
            }
            guard status.size <= largest else { throw KeyProblem(path, "is too large for a private key") }
            var bytes: [UInt8] = []
            while bytes.count <= largest {
                let part = try file.read(largest)
                if part.isEmpty { break }
                bytes += part
            }
            return (bytes, status)
        } catch let problem as KeyProblem {
            throw problem
        } catch let error as SystemError {
            throw unreadable(path, error)
        } catch {
            throw KeyProblem(path, "\(error)")
        }
    }

    private static func unreadable(_ path: String, _ error: SystemError) -> KeyProblem {
        switch error.code {
        case ENOENT, ENOTDIR:
            KeyProblem(path, "no such file, or a link that leads nowhere; make a key with: \(making(path))")
        case EACCES, EPERM:
            KeyProblem(path, "can't be read by user \(geteuid()); run: chown \(geteuid()) \(KeyProblem.quoted(path))")
        default: KeyProblem(path, error)
        }
    }

    private static func noKey(_ path: String, _ bytes: [UInt8]) -> KeyProblem {
        if bytes.isEmpty { return KeyProblem(path, "is empty; remove it and make a key with: \(making(path))") }
        let text = String(decoding: bytes, as: UTF8.self)
        if SSHPublicKey(line: text) != nil {
            return KeyProblem(path, "is a public key; the private one belongs here")
        }
        if text.hasPrefix("PuTTY-User-Key-File") {
            return KeyProblem(
                path, "is in PuTTY's format; run: puttygen \(KeyProblem.quoted(path)) -O private-openssh-new -o NEWFILE"
            )
        }
        return KeyProblem(path, "is no private key, or a damaged one; make a key with: \(making(path))")
    }

    /// What the bytes of a private key file are good for; the problem says what they are and what would be right.
    public static func judge(
        _ path: String, _ bytes: [UInt8], rsaUsable: Bool, hasAgent: Bool
    ) throws(KeyProblem) -> (file: SSHPrivateKeyFile, use: Use) {
        guard let file = SSHPrivateKeyFile(bytes: bytes) else { throw noKey(path, bytes) }
        // What no agent changes.
        switch file.kind {
        case .dsa:
            throw KeyProblem(path, "is a DSA key, which OpenSSH servers refuse; make another with: \(making(path))")
        case .rsa where !rsaUsable:
            throw KeyProblem(
                path,
                "is an RSA key, which this libssh2 can use with SHA-1 only and OpenSSH 8.8 or later refuses; "
                    + "make another with: \(making(path))")
        case .unknown where file.publicKey != nil:
            let type = file.publicKey?.type ?? ""
            throw KeyProblem(path, "is a key of type \(type), which can't be used; make another with: \(making(path))")
        case .ed25519, .ecdsa, .rsa, .unknown: break
        }
        let rewrite = "ssh-keygen -p -N '' -f \(KeyProblem.quoted(path))"
        if hasAgent { return (file, file.isEncrypted || file.format == .pkcs8 || file.format == .unknown ? .agent : .file) }
        if file.isEncrypted {
            throw KeyProblem(
                path,
                "is locked by a passphrase, which nobody is there to type; give it to an ssh-agent and set SSH_AUTH_SOCK, or run: \(rewrite)"
            )
        }
        switch file.format {
        case .openssh, .pem: return (file, .file)
        case .pkcs8:
            // Older ones can't read this combination at all.
            let version = file.kind == .ed25519 ? " (OpenSSH 9.6 or later)" : ""
            throw KeyProblem(path, "is in PKCS#8 format; OpenSSH's own is needed; run\(version): \(rewrite)")
        case .unknown:
            throw KeyProblem(path, "is a private key of an unknown format; OpenSSH's own is needed; run: \(rewrite)")
        }
    }

    private static func kind(_ key: SSHPublicKey) -> SSHPrivateKeyFile.Kind {
        switch key.type {
        case "ssh-rsa": .rsa
        case "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521": .ecdsa
        case "ssh-ed25519": .ed25519
        default: .unknown
        }
    }

    static func making(_ path: String) -> String { "ssh-keygen -t ed25519 -N '' -f \(KeyProblem.quoted(path))" }
}

private func octal(_ mode: UInt32) -> String {
    let digits = String(mode & 0o7777, radix: 8)
    return String(repeating: "0", count: max(0, 4 - digits.count)) + digits
}
