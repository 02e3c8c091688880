import Linux

/// The order in which ciphers and MACs are asked for: what this processor does best first. Those that libssh2 does not have
/// are passed over by it, and a server takes the first that it has too.
enum CipherChoice {
    /// Instructions for AES, and for SHA-256.
    struct Processor: Equatable {
        var hasAES: Bool
        var hasSHA: Bool

        /// Of /proc/cpuinfo: `flags` on x86, `Features` on Arm. Where nothing can be read: as most have it.
        init(cpuinfo: String?) {
            guard let cpuinfo else {
                (hasAES, hasSHA) = (true, false)
                return
            }
            let line = cpuinfo.split(separator: "\n").first { $0.hasPrefix("flags") || $0.hasPrefix("Features") } ?? ""
            let words = Set(line.split(separator: " "))
            hasAES = words.contains("aes")
            hasSHA = words.contains("sha_ni") || words.contains("sha2")
        }
    }

    static func ciphers(_ processor: Processor) -> [String] {
        // GCM needs no MAC of its own; without instructions for it a shorter key is fewer rounds.
        let gcm = ["aes128-gcm@openssh.com", "aes256-gcm@openssh.com"]
        let counter = ["aes128-ctr", "aes192-ctr", "aes256-ctr"]
        return processor.hasAES ? gcm + counter : counter + gcm
    }

    static func macs(_ processor: Processor) -> [String] {
        let short = ["hmac-sha2-256-etm@openssh.com", "hmac-sha2-256"]
        let long = ["hmac-sha2-512-etm@openssh.com", "hmac-sha2-512"]
        // On 64 bits SHA-512 is the faster one where there are no instructions for SHA-256.
        return (processor.hasSHA ? short + long : long + short) + ["hmac-sha1-etm@openssh.com", "hmac-sha1"]
    }

    static let here: Processor = {
        let bytes = try? Descriptor.open("/proc/cpuinfo", flags: 0).read(16 << 10)
        return Processor(cpuinfo: bytes.map { String(decoding: $0, as: UTF8.self) })
    }()
}
