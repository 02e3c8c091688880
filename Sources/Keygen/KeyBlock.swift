public import Evidence

/// How the public key is shown.
public enum KeyBlock {
    /// The original container's words, its spelling too: people search for the line.
    public static func text(_ key: SSHPublicKey) -> String {
        "Please use this key to allow PCAP files transfert via scp:\n--- Cut Here ---\n\(key.line)\n--- Cut Here ---\n"
    }

    /// A line for authorized_keys that allows delivering and nothing else (sshd(8), sftp-server(8)). Reading,
    /// listing and removing are refused; overwriting is not, so the centre takes finished files away.
    public static func authorizedKeys(_ key: SSHPublicKey, directory: String?) -> String {
        let requests = "open,close,write,stat,fstat,lstat,realpath,rename,fsync,statvfs,limits"
        let start = directory.map { " -d \(argument($0))" } ?? ""
        return "restrict,command=\"internal-sftp\(start) -u 0027 -p \(requests)\" \(key.line)"
    }

    /// One argument of the command, quoted where it must be, inside an option's double quotes.
    private static func argument(_ text: String) -> String {
        let plain = text.utf8.allSatisfy {
            ($0 >= 48 && $0 <= 57) || ($0 >= 65 && $0 <= 90) || ($0 >= 97 && $0 <= 122) || "/._-+@%:,=~".utf8.contains($0) || $0 >= 128
        }
        if plain { return text }
        return "'" + text.replacing("'", with: "'\\''").replacing("\"", with: "\\\"") + "'"
    }
}
