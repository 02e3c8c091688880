import Evidence
import Settings

/// Whether a server's key is the right one. Decides; keeps nothing.
struct HostKeyPolicy {
    enum Decision: Equatable {
        case accept
        /// Seen for the first time: to be kept before anything else is said to the server.
        case learn
        case refuse(String)
    }
    let pinned: [PinnedHostKey]
    let strict: StrictHostKeyChecking
    let host: String
    let port: UInt16

    private var place: String { port == 22 ? host : "[\(host)]:\(port)" }

    func decide(_ key: SSHPublicKey, known: KnownHosts, file: String) -> Decision {
        if key.type.contains("-cert-v") {
            return .refuse(
                "host key of \(place) is a certificate (\(key.type)), which is not understood here: nothing is sent; have the server show a plain key (HostKeyAlgorithms) and set SCP_HOST_KEY to its fingerprint (ssh-keygen -l at the server)"
            )
        }
        if !pinned.isEmpty {
            let matches = pinned.contains { pin in
                switch pin {
                case .fingerprint(let digest): return "SHA256:\(digest)" == key.fingerprint
                case .key(let type, let base64): return type == key.type && Base64.decode(base64) == key.blob
                }
            }
            return matches ? .accept : .refuse(refusal(ofPinned: [key]))
        }
        switch known.answer(host: host, port: port, key: key) {
        case .known: return .accept
        case .revoked: return .refuse("host key \(key.fingerprint) of \(place) is revoked in \(file): nothing is sent")
        case .changed(let old):
            let before = old.map { "\($0.type) \($0.fingerprint)" }.joined(separator: ", ")
            return .refuse(
                "host key of \(place) has CHANGED from \(before) to \(key.type) \(key.fingerprint): somebody may be in the middle, nothing is sent; if the change is right, remove the old line from \(file)"
            )
        case .certified(let authorities):
            let names = authorities.map { "\($0.type) \($0.fingerprint)" }.joined(separator: ", ")
            return .refuse(
                "\(file) trusts a certificate authority for \(place) (@cert-authority \(names)), and certificates are not understood here: nothing is sent; if \(key.type) \(key.fingerprint) is the server's own key (ssh-keygen -l at the server), set SCP_HOST_KEY to that, or add a plain line for it to \(file)"
            )
        case .unknown:
            if strict == .yes {
                return .refuse(
                    "host key \(key.type) \(key.fingerprint) of \(place) is not in \(file) and StrictHostKeyChecking=yes: nothing is sent; set SCP_HOST_KEY=\(key.fingerprint) if it is right"
                )
            }
            return .learn
        }
    }

    /// The host key algorithms that are worth asking for in another connection, after the server has shown keys of the types `shown`
    /// and none was right; none where asking again can change nothing.
    ///
    /// A fingerprint does not tell the type of its key. So a server that has several, of which another one is pinned, must not be
    /// refused for the one it shows first. How the worker uses it, where `decide` has refused `key` and pins are set:
    ///
    ///     shown.append(key)
    ///     let rest = policy.algorithmsLeft(of: login.hostKeyPreference, shown: shown.map(\.type))
    ///     if rest.isEmpty { throw ShipFault(.operators, policy.refusal(ofPinned: shown)) }
    ///     close, connect again with `rest` as preference; where the key exchange then fails for want of a common
    ///     algorithm (libssh2 -5 or -8), the server has no further key: the same refusal
    ///
    /// Nothing has been said to the server meanwhile but key exchanges. At most three connections: Ed25519, ECDSA and RSA are what
    /// sshd has by default; each type is asked for once.
    func algorithmsLeft(of asked: [String], shown: [String]) -> [String] {
        let isAmbiguous = pinned.contains { if case .fingerprint = $0 { return true } else { return false } }
        guard isAmbiguous else { return [] }
        return asked.filter { !shown.contains(Self.keyType(ofAlgorithm: $0)) }
    }

    /// What is said of keys that no pin names.
    func refusal(ofPinned shown: [SSHPublicKey]) -> String {
        let words = shown.map { "\($0.type) \($0.fingerprint)" }.joined(separator: ", ")
        return "host key of \(place) is \(words), which SCP_HOST_KEY does not name: nothing is sent"
    }

    /// RSA keys sign in several ways.
    private static func keyType(ofAlgorithm name: String) -> String { name.hasPrefix("rsa-sha2-") ? "ssh-rsa" : name }

    /// The names to ask a server for first: a known Ed25519 key must not look changed because the server
    /// also has an ECDSA one.
    static func preference(known: [String], wanted: [String]) -> [String] {
        let all = [
            "ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "rsa-sha2-512", "rsa-sha2-256", "ssh-rsa",
        ]
        let first = all.filter { known.contains($0) || (known.contains("ssh-rsa") && $0.hasPrefix("rsa-")) }
        let usual = first + all.filter { !first.contains($0) }
        // ssh_config(5): + adds to the usual ones, - takes away, ^ puts in front, and else the list replaces them.
        guard let sign = wanted.first?.first, "+-^".contains(sign) else { return wanted.isEmpty ? usual : wanted }
        let named = [String(wanted[0].dropFirst())] + wanted.dropFirst()
        switch sign {
        case "-": return usual.filter { name in !named.contains { Glob.matches($0, name) } }
        case "^": return named + usual.filter { !named.contains($0) }
        default: return usual + named.filter { !usual.contains($0) }
        }
    }
}
