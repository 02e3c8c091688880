import Evidence
import Glibc
import Linux
import Settings

/// What a connection to an SSH server takes, of the options and of the host keys as they are known at this moment.
struct SSHApproach {
    let policy: HostKeyPolicy
    let known: KnownHosts
    let login: SSHOptions
    let port: UInt16
    /// Seconds for the connection itself.
    let timeout: Double

    init(_ options: ShipOptions, _ ssh: SSHTarget) throws(ShipFault) {
        port = options.arguments.port ?? 22
        known = try KnownHosts(text: KnownHostsFile.text(options.knownHostsFile))
        policy = HostKeyPolicy(
            pinned: options.pinnedHostKeys, strict: options.arguments.strictHostKeyChecking, host: ssh.host, port: port)
        let types =
            options.pinnedHostKeys.compactMap { if case .key(let type, _) = $0 { return type } else { return nil } }
            + known.knownTypes(host: ssh.host, port: port)
        login = SSHOptions(
            user: Self.user(options, ssh), keyFile: options.keyFile,
            hostKeyPreference: HostKeyPolicy.preference(known: types, wanted: options.arguments.hostKeyAlgorithms),
            ciphers: options.arguments.ciphers, compression: options.arguments.compression,
            isOwnKey: options.arguments.identityFile == nil)
        timeout = Double(options.arguments.connectTimeout.flatMap { $0 > 0 ? $0 : nil } ?? 10)
    }

    /// As ssh: the target's, the option's, one's own.
    static func user(_ options: ShipOptions, _ target: SSHTarget) -> String {
        if let user = target.user ?? options.arguments.user { return user }
        guard let entry = unsafe getpwuid(geteuid()), let name = unsafe entry.pointee.pw_name else { return "root" }
        return unsafe String(cString: name)
    }
}
