public import Evidence

/// How the public key is shown to the person who will authorise it.
public enum KeyBlock {
    /// Four lines, the last one ended too. The words, spelling included, are those of the first sensor of this kind:
    /// scripts look for them.
    public static func text(_ key: SSHPublicKey) -> String {
        """
        Please use this key to allow PCAP files transfert via scp:
        --- Cut Here ---
        \(key.line)
        --- Cut Here ---

        """
    }

    /// The line for the drop account's authorized_keys, without a line break: SFTP only, and of SFTP only what
    /// delivering takes. Sessions start in `directory`, or in the account's home where it is nil.
    ///
    /// Throws for a directory that can't be named there: sshd splits the arguments of internal-sftp at each space
    /// and knows no quotes (session.c).
    public static func authorizedKeys(_ key: SSHPublicKey, directory: String?) throws(KeyProblem) -> String {
        var start = ""
        if let directory {
            guard !directory.isEmpty else { throw KeyProblem(directory, "no directory is named") }
            guard directory.unicodeScalars.allSatisfy({ $0 != " " && $0.properties.generalCategory != .control }) else {
                throw KeyProblem(
                    directory,
                    "has a space or a control character, which sshd can't pass to internal-sftp; choose another directory"
                )
            }
            start = "-d \(escaped(directory)) "
        }
        let requests = "open,close,write,stat,fstat,lstat,realpath,rename,fsync,statvfs,limits"
        return "restrict,command=\"internal-sftp \(start)-u 0027 -p \(requests)\" \(key.line)"
    }

    /// Within an option of authorized_keys only `\"` is special (sshd(8)); sftp-server(8) expands `%` in its -d.
    private static func escaped(_ directory: String) -> String {
        var text = ""
        for character in directory.unicodeScalars {
            switch character {
            case "\"": text += "\\\""
            case "%": text += "%%"
            default: text.unicodeScalars.append(character)
            }
        }
        return text
    }
}
