import Evidence

/// A key to log in with, and who signs.
enum LoginKey: Sendable, Equatable {
    case file(String)
    case agent(AgentIdentity)

    /// A server closes the connection after so many keys that it does not know (MaxAuthTries, sshd_config(5)).
    static let most = 6

    /// A private key file as far as it is known.
    struct File: Sendable, Equatable {
        let path: String
        /// From the file or its `.pub`; nil where neither tells.
        let publicKey: SSHPublicKey?
        /// libssh2 can sign with it as it lies there; false also where only its `.pub` is there.
        let isUsable: Bool
    }

    /// The key files as they are at this moment, and why others cannot be used. To be asked before each connection: where nothing
    /// is left to try, the problems are what the operator must read (`ShipFault.Kind.operators`), for the server's refusal of no
    /// key, or libssh2's of all alike, would tell nobody.
    static func look(at paths: [String], rsaUsable: Bool, hasAgent: Bool) -> (files: [File], problems: [String]) {
        var files: [File] = []
        var problems: [String] = []
        for path in paths {
            do throws(KeyProblem) {
                let found = try KeyInspection(path: path, rsaUsable: rsaUsable, hasAgent: hasAgent)
                files.append(File(path: path, publicKey: found.publicKey, isUsable: found.use == .file))
            } catch { problems.append("key \(error)") }
        }
        return (files, problems)
    }

    /// Which keys to try, the most likely first: those of the files, by the file itself where it can be used and else by the agent;
    /// then the agent's others in its own order. No key twice, no kind that libssh2 cannot log in with (certificates, security
    /// keys, RSA unless `rsaUsable`).
    static func order(files: [File], agent: [AgentIdentity], rsaUsable: Bool) -> [LoginKey] {
        let usable = agent.filter { $0.publicKey.map { isUsable($0.type, rsaUsable) } ?? false }
        var order: [LoginKey] = []
        var taken: Set<[UInt8]> = []
        for file in files {
            if let key = file.publicKey, !taken.insert(key.blob).inserted { continue }
            if file.isUsable {
                order.append(.file(file.path))
            } else if let held = usable.first(where: { $0.blob == file.publicKey?.blob }) {
                order.append(.agent(held))
            }
        }
        for identity in usable where taken.insert(identity.blob).inserted { order.append(.agent(identity)) }
        return Array(order.prefix(most))
    }

    private static func isUsable(_ type: String, _ rsaUsable: Bool) -> Bool {
        switch type {
        case "ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521": true
        case "ssh-rsa": rsaUsable
        default: false
        }
    }
}
