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
    /// Seconds of silence until the peer is probed.
    let probing: Int32

    /// Asks the ssh-agent where there is one; `stop` ends that.
    init(_ options: ShipOptions, _ ssh: SSHTarget, _ stop: StopWatch) throws(ShipFault) {
        port = options.arguments.port ?? 22
        known = try KnownHosts(text: KnownHostsFile.text(options.knownHostsFiles))
        policy = HostKeyPolicy(
            pinned: options.pinnedHostKeys, strict: options.arguments.strictHostKeyChecking, host: ssh.host, port: port)
        let types =
            options.pinnedHostKeys.compactMap { if case .key(let type, _) = $0 { return type } else { return nil } }
            + known.knownTypes(host: ssh.host, port: port)
        let (keys, agent) = try Self.keys(options, stop)
        login = SSHOptions(
            user: Self.user(options, ssh), keys: keys, agent: agent,
            hostKeyPreference: HostKeyPolicy.preference(known: types, wanted: options.arguments.hostKeyAlgorithms),
            ciphers: options.arguments.ciphers, compression: options.arguments.compression,
            isOwnKey: options.arguments.identityFile == nil)
        probing = options.arguments.serverAliveInterval.flatMap { $0 > 0 ? Int32(clamping: min($0, 3600)) : nil } ?? 10
        timeout = Double(options.arguments.connectTimeout.flatMap { $0 > 0 ? $0 : nil } ?? 10)
    }

    /// What to log in with, the likeliest first.
    private static func keys(_ options: ShipOptions, _ stop: StopWatch) throws(ShipFault) -> ([LoginKey], SSHAgent?) {
        let place = SSHAgent.place
        let rsaUsable = SSHLibrary.signsRSAWithSHA2
        let (files, problems) = LoginKey.look(at: options.keyFiles, rsaUsable: rsaUsable, hasAgent: place != nil)
        var agent: SSHAgent?
        var identities: [AgentIdentity] = []
        var silence: String?
        if let place {
            do throws(ShipFault) {
                let found = try SSHAgent(place) { descriptor, write, until throws(ShipFault) in
                    try stop.wait(descriptor, read: !write, write: write, until: until, untilStop: true)
                }
                identities = try found.identities()
                agent = found
            } catch {
                // Key files do without it.
                if error.kind == .stopped { throw error }
                silence = error.description
            }
        }
        let keys = LoginKey.order(files: files, agent: identities, rsaUsable: rsaUsable)
        guard keys.isEmpty else { return (keys, agent) }
        let why =
            problems + (silence.map { [$0] } ?? [])
            + (place != nil && silence == nil ? ["the ssh-agent holds no key that can be used"] : [])
        throw ShipFault(.operators, why.isEmpty ? "there is no key to log in with" : why.joined(separator: "; "))
    }

    /// As ssh: the option's, the target's, one's own.
    static func user(_ options: ShipOptions, _ target: SSHTarget) -> String {
        if let user = options.arguments.user ?? target.user { return user }
        guard let entry = unsafe getpwuid(geteuid()), let name = unsafe entry.pointee.pw_name else { return "root" }
        return unsafe String(cString: name)
    }
}
