import Testing

@testable import Settings

struct SCPArgumentsTests {
    struct Row: Sendable, CustomTestStringConvertible {
        let text: String
        let holds: @Sendable (SCPArguments) -> Bool
        init(_ text: String, _ holds: @escaping @Sendable (SCPArguments) -> Bool) {
            self.text = text
            self.holds = holds
        }
        var testDescription: String { text }
    }

    static let right: [Row] = [
        Row("-P22") { $0.port == 22 }, Row("-P 22") { $0.port == 22 }, Row("  -P\t22 ") { $0.port == 22 },
        Row("-oPort=22") { $0.port == 22 }, Row("-o Port=22") { $0.port == 22 }, Row("-o \"Port 22\"") { $0.port == 22 },
        Row("-o 'Port = 22'") { $0.port == 22 }, Row("-o port=22") { $0.port == 22 }, Row("-qP22") { $0.port == 22 },
        Row("-4CqpP 65535") { $0.port == 65535 && $0.addressFamily == .inet && $0.compression },
        Row("-P 22 -P 23") { $0.port == 23 }, Row("-P 22 -o Port=23") { $0.port == 23 }, Row("-oPort=23 -P 22") { $0.port == 23 },
        Row("-i /k") { $0.identityFile == "/k" }, Row("-i '/my key'") { $0.identityFile == "/my key" },
        Row("-i \"/my key\"") { $0.identityFile == "/my key" }, Row("-i /my\\ key") { $0.identityFile == "/my key" },
        Row("-i \"/a\\\"b\"") { $0.identityFile == "/a\"b" }, Row("-i '/a\\b'") { $0.identityFile == "/a\\b" },
        Row("-i /a'b c'd") { $0.identityFile == "/ab cd" }, Row("-i -P") { $0.identityFile == "-P" && $0.port == nil },
        Row("-i /k -o IdentityFile=/l -i/m") { $0.identityFile == "/k" && $0.identityFiles == ["/k", "/l", "/m"] },
        Row("-o 'IdentityFile=\"/my key\"'") { $0.identityFiles == ["/my key"] }, Row("-i /a%%b") { $0.identityFiles == ["/a%b"] },
        Row("-oPort=24 -oPort=25 -P 26") { $0.port == 24 }, Row("-o Port 2222 -4q") { $0.port == 2222 && $0.addressFamily == .inet },
        Row("-oPort 2222") { $0.port == 2222 }, Row("-o 'port\t=\t22'") { $0.port == 22 }, Row("-o PORT=\"22\"") { $0.port == 22 },
        Row("-l 100 -l 200") { $0.limitKbit == 200 }, Row("-4 -6") { $0.addressFamily == .inet6 }, Row("-64") { $0.addressFamily == .inet },
        Row("-l 8000") { $0.limitKbit == 8000 }, Row("-l8000") { $0.limitKbit == 8000 },
        Row("-4") { $0.addressFamily == .inet }, Row("-6") { $0.addressFamily == .inet6 }, Row("-C") { $0.compression },
        Row("-q") { $0 == SCPArguments() }, Row("-p") { $0 == SCPArguments() }, Row("") { $0 == SCPArguments() },
        Row("-o AddressFamily=inet6") { $0.addressFamily == .inet6 }, Row("-o AddressFamily=any") { $0.addressFamily == .any },
        // ssh's own flags hold over -o, whichever comes first.
        Row("-4 -o AddressFamily=inet6") { $0.addressFamily == .inet }, Row("-o AddressFamily=inet6 -4") { $0.addressFamily == .inet },
        Row("-C -o Compression=no") { $0.compression }, Row("-o Compression=no -C") { $0.compression },
        Row("-o Compression=yes") { $0.compression }, Row("-o Compression=no") { !$0.compression },
        Row("-o Compression=no -o Compression=yes") { !$0.compression },
        Row("-o User=xavier") { $0.user == "xavier" }, Row("-o User=a -o user=b") { $0.user == "a" },
        Row("-o StrictHostKeyChecking=no") { $0.strictHostKeyChecking == .no },
        Row("-oStrictHostKeyChecking=accept-new") { $0.strictHostKeyChecking == .acceptNew },
        Row("-o StrictHostKeyChecking=yes") { $0.strictHostKeyChecking == .yes },
        Row("-o stricthostkeychecking=ask") { $0.strictHostKeyChecking == .ask },
        Row("-o StrictHostKeyChecking=off") { $0.strictHostKeyChecking == .no },
        Row("-o UserKnownHostsFile=/dev/null") { $0.knownHostsFiles == ["/dev/null"] },
        Row("-o 'UserKnownHostsFile=/a ~/b  \"/c d\"'") { $0.knownHostsFiles == ["/a", "~/b", "/c d"] },
        Row("-o UserKnownHostsFile=none") { $0.knownHostsFiles.isEmpty },
        Row("-o UserKnownHostsFile=/a=b") { $0.knownHostsFiles == ["/a=b"] },
        Row("-o UserKnownHostsFile=/a,/b") { $0.knownHostsFiles == ["/a,/b"] },
        Row("-o userKnownHostsFile=/a -oUserKnownHostsFile=/b") { $0.knownHostsFiles == ["/a"] },
        Row("-o HostKeyAlgorithms=ssh-ed25519,ecdsa-sha2-nistp256") {
            $0.hostKeyAlgorithms == ["ssh-ed25519", "ecdsa-sha2-nistp256"]
        },
        Row("-o Ciphers=aes128-gcm@openssh.com") { $0.ciphers == ["aes128-gcm@openssh.com"] },
        Row("-o ConnectTimeout=10") { $0.connectTimeout == 10 }, Row("-o ServerAliveInterval=0") { $0.serverAliveInterval == 0 },
        Row("-o ConnectTimeout=1m30s -o ServerAliveInterval=1h") { $0.connectTimeout == 90 && $0.serverAliveInterval == 3600 },
        Row("-o ConnectTimeout=none -o ConnectTimeout=5") { $0.connectTimeout == nil },
    ]

    @Test(arguments: right)
    func `an option is read as scp reads it`(_ row: Row) throws {
        let read = try SCPArguments.parse(row.text)
        #expect(row.holds(read))
    }

    /// Text, the part of it that the problem shows, and a part of what would be right.
    static let wrong: [(String, String, String)] = [
        ("-P", "-P", "a value after -P"), ("-i", "-i", "a value after -i"), ("-P 22 -o", "-o", "a value after -o"),
        ("-l", "-l", "a value after -l"), ("-P 0", "-P 0", "1 to 65535"), ("-P 65536", "-P 65536", "1 to 65535"),
        ("-P x", "-P x", "1 to 65535"), ("-l 0", "-l 0", "Kbit/s"), ("-l fast", "-l fast", "Kbit/s"),
        ("-v", "-v", "-P -i -l"), ("-r", "-r", "-P -i -l"), ("-3", "-3", "-P -i -l"), ("-qX", "-X", "-P -i -l"),
        ("--", "--", "-P -i -l"), ("-", "-", "only options"), ("moloch:/data", "moloch:/data", "SCP_TARGET"),
        ("-P 22 x@y:/", "x@y:/", "SCP_TARGET"), ("-o ProxyCommand=nc", "ProxyCommand=nc", "StrictHostKeyChecking"),
        ("-o Port", "-o Port", "-o Key=Value"), ("-o Port=", "-o Port=", "-o Key=Value"), ("-o =22", "-o =22", "-o Key=Value"),
        ("-o ''", "-o ", "-o Key=Value"), ("-o StrictHostKeyChecking=maybe", "StrictHostKeyChecking=maybe", "accept-new"),
        ("-o Compression=7", "Compression=7", "yes or no"), ("-o ConnectTimeout=-1", "ConnectTimeout=-1", "seconds"),
        ("-o ServerAliveInterval=x", "ServerAliveInterval=x", "seconds"), ("-o AddressFamily=ipx", "AddressFamily=ipx", "inet6"),
        ("-i 'open", "-i 'open", "a closing quote"), ("-i \"open", "-i \"open", "a closing quote"),
        ("-o Port=x", "Port=x", "1 to 65535"), ("-o 'Port 22 23'", "Port=22 23", "one value"), ("-o Port -P 22", "-o Port", "-o Key=Value"),
        ("-i ''", "-i ", "a path"), ("-i /a%h", "-i /a%h", "% tokens"), ("-i '${HOME}/k'", "-i ${HOME}/k", "${…}"),
        ("-i ~bob/k", "-i ~bob/k", "~/"), ("-o IdentityFile=none", "IdentityFile=none", "SSH_AUTH_SOCK"),
        ("-o 'UserKnownHostsFile=none /a'", "UserKnownHostsFile=none /a", "none alone"),
        ("-o UserKnownHostsFile=/a%h", "UserKnownHostsFile=/a%h", "% tokens"),
        ("-o Ciphers=+aes128-ctr", "Ciphers=+aes128-ctr", "names of ciphers"),
        ("-o ConnectTimeout=1y", "ConnectTimeout=1y", "1h30m"), ("-o ConnectTimeout=m", "ConnectTimeout=m", "1h30m"),
        ("-o ConnectTimeout=99999999999999999999", "ConnectTimeout=99999999999999999999", "1h30m"),
        ("-l 104857601", "-l 104857601", "Kbit/s"),
        ("-o NoSuchThing=1", "NoSuchThing=1", "means something here"),
        // A later mention changes nothing, yet what is wrong in it is said.
        ("-P 22 -P x", "-P x", "1 to 65535"),
    ]

    /// Each option of ssh that means nothing here: the text, what the problem shows, and a part of the reason.
    static let refused: [(String, String, String)] = [
        ("-J hop", "-J", "no -J, because the sensor connects to the target itself"), ("-F /c", "-F", "no ssh_config"),
        ("-r", "-r", "finished files"),
        ("-S /bin/ssh", "-S", "no program"), ("-c aes128-ctr", "-c", "-o Ciphers="), ("-3", "-3", "two other hosts"),
        ("-B", "-B", "nobody"),
        ("-A", "-A", "nothing is forwarded"), ("-v", "-v", "SENSOR_LOG"), ("-O", "-O", "SFTP"), ("-4r", "-r", "finished files"),
        ("-Z", "-Z", "no option of scp"),
        ("-o ProxyJump=hop", "ProxyJump=hop", "no ProxyJump, because the sensor connects"),
        ("-oproxycommand=x", "proxycommand=x", "no proxycommand"),
        ("-o ControlPath=/x", "ControlPath=/x", "connections of its own"), ("-o BatchMode=yes", "BatchMode=yes", "nobody"),
        ("-o IdentitiesOnly=yes", "IdentitiesOnly=yes", "SSH_AUTH_SOCK"),
        ("-o GlobalKnownHostsFile=/x", "GlobalKnownHostsFile=/x", "SCP_HOST_KEY"),
        ("-o ProxyJump", "ProxyJump", "no ProxyJump"), ("-o KexAlgorithms=x", "KexAlgorithms=x", "libssh2"),
        ("-o 'LocalForward 1 h:2'", "LocalForward=1 h:2", "nothing is forwarded"),
        ("-o BindAddress=::1", "BindAddress=::1", "SCP_SOURCE_PORTS"),
    ]

    @Test(arguments: refused)
    func `an option of ssh without a meaning here is refused with the reason, and what is taken is named`(
        text: String, shown: String, reason: String
    ) {
        let problem = #expect(throws: SettingProblem.self) { try SCPArguments.parse(text) }
        #expect(problem?.value == shown)
        #expect(problem?.expected.contains(reason) == true, "\(problem?.expected ?? "")")
        #expect(problem?.expected.hasSuffix("taken are \(SCPArguments.allowed)") == true)
    }

    @Test(arguments: wrong)
    func `an option that means nothing here is refused by name`(text: String, shown: String, right: String) {
        let problem = #expect(throws: SettingProblem.self) { try SCPArguments.parse(text) }
        #expect(problem?.name == "SCP_ARGUMENTS")
        #expect(problem?.value == shown)
        #expect(problem?.expected.contains(right) == true)
    }
}
