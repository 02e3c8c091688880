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
        Row("-P 22 -P 23") { $0.port == 22 }, Row("-P 22 -o Port=23") { $0.port == 22 }, Row("-oPort=23 -P 22") { $0.port == 23 },
        Row("-i /k") { $0.identityFile == "/k" }, Row("-i '/my key'") { $0.identityFile == "/my key" },
        Row("-i \"/my key\"") { $0.identityFile == "/my key" }, Row("-i /my\\ key") { $0.identityFile == "/my key" },
        Row("-i \"/a\\\"b\"") { $0.identityFile == "/a\"b" }, Row("-i '/a\\b'") { $0.identityFile == "/a\\b" },
        Row("-i /a'b c'd") { $0.identityFile == "/ab cd" }, Row("-i -P") { $0.identityFile == "-P" && $0.port == nil },
        Row("-i /k -o IdentityFile=/l") { $0.identityFile == "/k" },
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
        Row("-o UserKnownHostsFile=/dev/null") { $0.knownHostsFile == "/dev/null" },
        Row("-o HostKeyAlgorithms=ssh-ed25519,ecdsa-sha2-nistp256") {
            $0.hostKeyAlgorithms == ["ssh-ed25519", "ecdsa-sha2-nistp256"]
        },
        Row("-o Ciphers=aes128-gcm@openssh.com") { $0.ciphers == ["aes128-gcm@openssh.com"] },
        Row("-o ConnectTimeout=10") { $0.connectTimeout == 10 }, Row("-o ServerAliveInterval=0") { $0.serverAliveInterval == 0 },
    ]

    @Test(arguments: right)
    func `an option is read as scp reads it`(_ row: Row) throws {
        let read = try SCPArguments.parse(row.text)
        #expect(row.holds(read))
    }

    /// Text, the part of it that the problem shows, and a part of what would be right.
    static let wrong: [(String, String, String)] = [
        ("-P", "-P", "a value after -P"), ("-i", "-i", "a value after -i"), ("-P 22 -o", "-o", "a value after -o"),
        ("-l", "-l", "a value after -l"), ("-P 0", "port=0", "1 to 65535"), ("-P 65536", "port=65536", "1 to 65535"),
        ("-P x", "port=x", "1 to 65535"), ("-l 0", "-l 0", "Kbit/s"), ("-l fast", "-l fast", "Kbit/s"),
        ("-v", "-v", "-P -i -l"), ("-r", "-r", "-P -i -l"), ("-3", "-3", "-P -i -l"), ("-qX", "-X", "-P -i -l"),
        ("--", "--", "-P -i -l"), ("-", "-", "only options"), ("moloch:/data", "moloch:/data", "SCP_TARGET"),
        ("-P 22 x@y:/", "x@y:/", "SCP_TARGET"), ("-o ProxyCommand=nc", "proxycommand=nc", "StrictHostKeyChecking"),
        ("-o Port", "-o Port", "-o Key=Value"), ("-o Port=", "-o Port=", "-o Key=Value"), ("-o =22", "-o =22", "-o Key=Value"),
        ("-o ''", "-o ", "-o Key=Value"), ("-o StrictHostKeyChecking=maybe", "stricthostkeychecking=maybe", "accept-new"),
        ("-o Compression=7", "compression=7", "yes or no"), ("-o ConnectTimeout=-1", "connecttimeout=-1", "seconds"),
        ("-o ServerAliveInterval=x", "serveraliveinterval=x", "seconds"), ("-o AddressFamily=ipx", "addressfamily=ipx", "inet6"),
        ("-i 'open", "-i 'open", "a closing quote"), ("-i \"open", "-i \"open", "a closing quote"),
        // A later mention changes nothing, yet what is wrong in it is said.
        ("-P 22 -P x", "port=x", "1 to 65535"),
    ]

    @Test(arguments: wrong)
    func `an option that means nothing here is refused by name`(text: String, shown: String, right: String) {
        let problem = #expect(throws: SettingProblem.self) { try SCPArguments.parse(text) }
        #expect(problem?.name == "SCP_ARGUMENTS")
        #expect(problem?.value == shown)
        #expect(problem?.expected.contains(right) == true)
    }
}
