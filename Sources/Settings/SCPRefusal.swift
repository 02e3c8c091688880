/// Why an option of scp or ssh has no meaning here. An option that were passed over in silence would let its author believe in
/// something that does not happen.
enum SCPRefusal {
    private static let direct = "the sensor connects to the target itself, and names its own source ports; route it with the network"
    private static let noConfiguration = "no ssh_config is read here: say what it holds with -P, -i, -o and SCP_TARGET"
    private static let noProgram = "no program is started here: the sensor speaks SSH itself"
    private static let noShare = "the sensor keeps connections of its own"
    private static let nobody = "nobody is there to be asked: the sensor logs in with a key, or not at all"
    private static let keyOnly = "the sensor logs in with a key only"
    private static let noForward = "nothing is forwarded over the sensor's connections"
    private static let finished = "what is sent are the spool's finished files"
    private static let noSession = "no command is run at the target: files go by SFTP"
    private static let agent = "the agent is the one of SSH_AUTH_SOCK"
    private static let hostKeys = "a host key is pinned with SCP_HOST_KEY, or kept in UserKnownHostsFile"
    private static let log = "what is logged is set with SENSOR_LOG"
    private static let source = "connections come from SCP_SOURCE_PORTS, from the address that the kernel chooses"
    private static let progress = "a connection that makes no progress is given up anyway, and tried again for ever"
    private static let library = "libssh2 chooses it"

    private static let flags: [Character: String] = [
        "J": direct, "F": noConfiguration, "S": noProgram, "D": noProgram, "r": finished, "d": finished, "t": finished, "f": finished,
        "3": "nothing is copied between two other hosts", "R": "nothing is copied between two other hosts", "B": nobody, "A": noForward,
        "c": "ciphers are named with -o Ciphers=…", "v": log, "O": "files go by SFTP, never by the old protocol of scp",
        "s": "files go by SFTP anyway", "X": "how many requests are under way is the sensor's own choice",
        "T": "no name comes from the target that would have to be checked", "1": "there is only SSH 2", "2": "there is only SSH 2",
    ]

    private static let options: [String: String] = {
        let reasons: [(String, String)] = [
            (direct, "ProxyCommand ProxyJump ProxyUseFdpass"),
            (
                noConfiguration,
                "Host Match Include Hostname IgnoreUnknown CanonicalDomains CanonicalizeHostname CanonicalizeFallbackLocal CanonicalizeMaxDots CanonicalizePermittedCNAMEs Tag"
            ),
            (noShare, "ControlMaster ControlPath ControlPersist"),
            (nobody, "BatchMode NumberOfPasswordPrompts AddKeysToAgent VisualHostKey EscapeChar EnableEscapeCommandline"),
            (
                keyOnly,
                "PasswordAuthentication KbdInteractiveAuthentication KbdInteractiveDevices ChallengeResponseAuthentication PreferredAuthentications PubkeyAuthentication GSSAPIAuthentication GSSAPIDelegateCredentials HostbasedAuthentication HostbasedAcceptedAlgorithms HostbasedKeyTypes EnableSSHKeysign NoHostAuthenticationForLocalhost"
            ),
            (
                noForward,
                "ForwardAgent ForwardX11 ForwardX11Timeout ForwardX11Trusted XAuthLocation LocalForward RemoteForward DynamicForward GatewayPorts ClearAllForwardings ExitOnForwardFailure PermitRemoteOpen StreamLocalBindMask StreamLocalBindUnlink Tunnel TunnelDevice"
            ),
            (
                noSession,
                "RemoteCommand LocalCommand PermitLocalCommand RequestTTY SessionType SendEnv SetEnv StdinNull ForkAfterAuthentication"
            ),
            (agent, "IdentityAgent IdentitiesOnly PKCS11Provider SecurityKeyProvider"),
            ("the server takes a plain key here, no certificate", "CertificateFile CASignatureAlgorithms"),
            (
                hostKeys,
                "GlobalKnownHostsFile HostKeyAlias CheckHostIP HashKnownHosts KnownHostsCommand VerifyHostKeyDNS UpdateHostKeys RevokedHostKeys FingerprintHash"
            ),
            (log, "LogLevel LogVerbose SyslogFacility"),
            (source, "BindAddress BindInterface"),
            (progress, "ServerAliveCountMax TCPKeepAlive ConnectionAttempts ChannelTimeout ObscureKeystrokeTiming"),
            (
                library,
                "KexAlgorithms MACs RekeyLimit PubkeyAcceptedAlgorithms PubkeyAcceptedKeyTypes RequiredRSASize CompressionLevel IPQoS"
            ),
            ("there is only SSH 2", "Protocol Cipher"),
        ]
        return Dictionary(reasons.flatMap { why, names in names.split(separator: " ").map { ($0.lowercased(), why) } }) { a, _ in a }
    }()

    /// For what follows "expected".
    static func flag(_ letter: Character) -> String {
        flags[letter].map { "no -\(letter), because \($0)" } ?? "no -\(letter), which is no option of scp"
    }
    /// nil where it is not refused as one that ssh has.
    static func option(_ key: String) -> String? { options[key.lowercased()].map { "no \(key), because \($0)" } }
}
