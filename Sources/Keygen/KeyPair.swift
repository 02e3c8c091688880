import Crypto
public import Evidence
import Glibc
import Linux

/// The key that the sensor logs in with: `<data directory>/id_ed25519` and `id_ed25519.pub`.
public struct KeyPair: Sendable {
    public let privateKeyPath: String
    public let publicKey: SSHPublicKey
    /// Made by this call.
    public let isNew: Bool
    /// One line about what works but should not stay: a private key that others can read, a `.pub` that could not
    /// be written.
    public let warning: String?

    static let name = "id_ed25519"

    /// The key of the data directory, made if there is none. Both files are whole at any moment, and of several
    /// callers at once all get the same key.
    ///
    /// A key that an operator put there is taken as it is: Ed25519 or ECDSA, RSA only if `rsaUsable`, without
    /// passphrase, in OpenSSH's format or (with its `.pub`) PEM; `hasAgent` allows what only an agent can use. It keeps its comment. `.pub` is written where it is
    /// missing or belongs to another key.
    public static func ensure(
        in directory: String, sensorName: String, rsaUsable: Bool, hasAgent: Bool = false
    ) throws(KeyProblem) -> KeyPair {
        let path = directory.hasSuffix("/") ? directory + name : "\(directory)/\(name)"
        let comment = "root@\(sensorName)"
        do {
            let directory = try Directory(directory, create: true)
            var isNew = false
            if try directory.status(name) == nil {
                do { isNew = try make(in: directory, comment: comment) } catch {
                    throw KeyProblem(
                        path, "can't be made (\(error)); the directory must be writable for user \(geteuid())",
                        mayPass: true)
                }
            }

            let inspection = try KeyInspection(path: path, rsaUsable: rsaUsable, hasAgent: hasAgent)
            guard var key = inspection.publicKey else {
                throw KeyProblem(
                    path,
                    "does not carry its public key, and \(name).pub is missing or of another type; "
                        + "run: ssh-keygen -y -f \(KeyProblem.quoted(path)) > \(KeyProblem.quoted(path + ".pub"))")
            }
            if key.comment.isEmpty { key = key.with(comment: comment) }
            var warning = inspection.warning
            if KeyInspection.publicKey(beside: path)?.isSameKey(as: key) != true {
                do { try writePublic(key, in: directory) } catch {
                    // A mounted secret is read-only, and shipping needs the private key only.
                    warning = warning ?? KeyProblem(path + ".pub", error).description
                }
            }
            return KeyPair(privateKeyPath: path, publicKey: key, isNew: isNew, warning: warning)
        } catch let problem as KeyProblem {
            throw problem
        } catch let error as SystemError {
            throw KeyProblem(path, error)
        } catch {
            throw KeyProblem(path, "\(error)")
        }
    }

    /// The public part of an operator's key, which may lie anywhere; judged as in `ensure`, nothing is written.
    /// nil where the key can be used but neither it nor a `.pub` beside it tells the public part.
    public static func inspect(path: String, rsaUsable: Bool, hasAgent: Bool = false) throws(KeyProblem) -> SSHPublicKey? {
        try KeyInspection(path: path, rsaUsable: rsaUsable, hasAgent: hasAgent).publicKey
    }

    /// One line about an operator's or the sensor's key that works but should not stay as it is: others can read it. nil for any other.
    public static func warning(path: String, rsaUsable: Bool, hasAgent: Bool = false) -> String? {
        (try? KeyInspection(path: path, rsaUsable: rsaUsable, hasAgent: hasAgent))?.warning
    }

    /// Returns false where another process was first: its key counts.
    private static func make(in directory: borrowing Directory, comment: String) throws(SystemError) -> Bool {
        let secret = Curve25519.Signing.PrivateKey()
        let file = SSHPrivateKeyFile.encodeEd25519(
            seed: Array(secret.rawRepresentation), publicKey: Array(secret.publicKey.rawRepresentation),
            comment: comment, check: .random(in: 0 ... .max))
        let temporary = try writeHidden(name, file, mode: 0o600, in: directory)
        do { try directory.rename(temporary, to: name) } catch {
            try directory.remove(temporary)
            if error.code == EEXIST { return false }
            throw error
        }
        try directory.sync()
        return true
    }

    private static func writePublic(_ key: SSHPublicKey, in directory: borrowing Directory) throws(SystemError) {
        let name = name + ".pub"
        let temporary = try writeHidden(name, Array("\(key.line)\n".utf8), mode: 0o644, in: directory)
        do {
            try checked("rename \(directory.path)/\(temporary)") {
                unsafe Int(renameat(directory.number, temporary, directory.number, name))
            }
        } catch {
            try directory.remove(temporary)
            throw error
        }
        try directory.sync()
    }

    /// Random and not the process id: two containers on one volume are both process 1.
    private static func writeHidden(
        _ name: String, _ bytes: [UInt8], mode: UInt32, in directory: borrowing Directory
    ) throws(SystemError) -> String {
        let temporary = ".\(name).new-\(String(UInt64.random(in: 0 ... .max), radix: 16))"
        let file = try directory.open(temporary, flags: O_WRONLY | O_CREAT | O_EXCL, mode: mode)
        do {
            try file.writeAll(bytes)
            try file.sync()
        } catch {
            try directory.remove(temporary)
            throw error
        }
        return temporary
    }
}
