import Evidence
import Glibc
import Linux

/// A private key that the shipper can sign with.
struct KeyInspection {
    /// nil where the file does not carry it (PEM) and no `.pub` of the same type lies beside it.
    let publicKey: SSHPublicKey?
    let warning: String?

    /// Links are followed: a mounted secret is one.
    init(path: String, rsaUsable: Bool) throws(KeyProblem) {
        let (bytes, status) = try Self.read(path)
        let mode = octal(status.mode)
        let tighten = "run: chmod 600 \(KeyProblem.quoted(path))"
        if status.mode & (S_IWGRP | S_IWOTH) != 0 {
            throw KeyProblem(path, "can be written by others (mode \(mode)); \(tighten)")
        }
        guard let file = SSHPrivateKeyFile(bytes: bytes) else { throw Self.noKey(path, bytes) }
        try Self.judge(path, file, rsaUsable: rsaUsable)

        let beside = Self.publicKey(beside: path)
        if let own = file.publicKey {
            let comment = own.comment.isEmpty && beside?.isSameKey(as: own) == true ? beside?.comment : nil
            publicKey = comment.map(own.with(comment:)) ?? own
        } else {
            publicKey = beside.flatMap { Self.kind($0) == file.kind ? $0 : nil }
        }
        warning =
            status.mode & (S_IRGRP | S_IROTH) == 0
            ? nil : KeyProblem(path, "can be read by others (mode \(mode)); \(tighten)").description
    }

    /// The key in `<path>.pub`, nil where there is none that can be read.
    static func publicKey(beside path: String) -> SSHPublicKey? {
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

    private static func judge(_ path: String, _ file: SSHPrivateKeyFile, rsaUsable: Bool) throws(KeyProblem) {
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
        if file.isEncrypted {
            throw KeyProblem(path, "is locked by a passphrase, which nobody is there to type; run: \(rewrite)")
        }
        switch file.format {
        case .openssh, .pem: break
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
        default: .unknown
        }
    }

    static func making(_ path: String) -> String { "ssh-keygen -t ed25519 -N '' -f \(KeyProblem.quoted(path))" }
}

private func octal(_ mode: UInt32) -> String {
    let digits = String(mode & 0o7777, radix: 8)
    return String(repeating: "0", count: max(0, 4 - digits.count)) + digits
}
