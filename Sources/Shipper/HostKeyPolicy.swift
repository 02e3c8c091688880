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
        if !pinned.isEmpty {
            let matches = pinned.contains { pin in
                switch pin {
                case .fingerprint(let digest): return "SHA256:\(digest)" == key.fingerprint
                case .key(let type, let base64): return type == key.type && Base64.decode(base64) == key.blob
                }
            }
            return matches
                ? .accept
                : .refuse("host key of \(place) is \(key.type) \(key.fingerprint), which SCP_HOST_KEY does not name: nothing is sent")
        }
        switch known.answer(host: host, port: port, key: key) {
        case .known: return .accept
        case .revoked: return .refuse("host key \(key.fingerprint) of \(place) is revoked in \(file): nothing is sent")
        case .changed(let old):
            let before = old.map { "\($0.type) \($0.fingerprint)" }.joined(separator: ", ")
            return .refuse(
                "host key of \(place) has CHANGED from \(before) to \(key.type) \(key.fingerprint): somebody may be in the middle, nothing is sent; if the change is right, remove the old line from \(file)"
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
        case "-": return usual.filter { !named.contains($0) }
        case "^": return named + usual.filter { !named.contains($0) }
        default: return usual + named.filter { !usual.contains($0) }
        }
    }
}
