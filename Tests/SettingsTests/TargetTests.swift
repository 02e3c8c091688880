import Testing

@testable import Settings

struct TargetTests {
    static let right: [(String, Target)] = [
        ("xavier@moloch:/data/tcpdump", .ssh(SSHTarget(user: "xavier", host: "moloch", directory: "/data/tcpdump"))),
        ("moloch:/data", .ssh(SSHTarget(user: nil, host: "moloch", directory: "/data"))),
        ("host:dir", .ssh(SSHTarget(user: nil, host: "host", directory: "dir"))),
        ("host:", .ssh(SSHTarget(user: nil, host: "host", directory: ""))),
        ("user@host:", .ssh(SSHTarget(user: "user", host: "host", directory: ""))),
        ("user@192.0.2.7:d", .ssh(SSHTarget(user: "user", host: "192.0.2.7", directory: "d"))),
        ("user@[2001:db8::1]:dir", .ssh(SSHTarget(user: "user", host: "2001:db8::1", directory: "dir"))),
        ("[::1]:/x", .ssh(SSHTarget(user: nil, host: "::1", directory: "/x"))),
        ("[fe80::1%eth0]:x", .ssh(SSHTarget(user: nil, host: "fe80::1%eth0", directory: "x"))),
        ("u@[host]:x", .ssh(SSHTarget(user: "u", host: "host", directory: "x"))),
        ("user@host:/a:b", .ssh(SSHTarget(user: "user", host: "host", directory: "/a:b"))),
        ("host:/dir@2x", .ssh(SSHTarget(user: nil, host: "host", directory: "/dir@2x"))),
        ("[::1]:/dir@2x", .ssh(SSHTarget(user: nil, host: "::1", directory: "/dir@2x"))),
        ("host:~/in box", .ssh(SSHTarget(user: nil, host: "host", directory: "~/in box"))),
        // As in scp the last @ before the host parts them: directory accounts are called user@realm.
        ("user@corp.example@host:/d", .ssh(SSHTarget(user: "user@corp.example", host: "host", directory: "/d"))),
        ("user@corp.example@[::1]:/d", .ssh(SSHTarget(user: "user@corp.example", host: "::1", directory: "/d"))),
        ("/dir", .directory("/dir")),
        ("/", .directory("/")),
        ("./dir", .directory("./dir")),
        ("/mnt/user@host:/x", .directory("/mnt/user@host:/x")),
    ]

    @Test(arguments: right)
    func `a target is read as scp reads it`(text: String, target: Target) throws {
        #expect(try Target.parse(text) == target)
    }

    /// Text and a part of what would be right.
    static let wrong: [(String, String)] = [
        ("moloch", "user@host:/dir"), ("user@moloch", "user@host:/dir"), ("dir/sub", "user@host:/dir"), ("../dir", "user@host:/dir"),
        (".", "begins with / or ./"), ("fe80::1:/dir", "brackets"), ("user@2001:db8::1:/dir", "brackets"), ("::1:/dir", "brackets"),
        ("[::1:/dir", "closing ]"), ("[::1]/dir", "user@host:/dir"), ("[::1]", "user@host:/dir"), ("[::1]x:/d", "user@host:/dir"),
        ("[]:/dir", "user@host:/dir"), ("sftp://user@host/dir", "-P"), ("u@box.example:2222:/dir", "-P"), ("192.0.2.7:22:dir", "-P"),
        ("scp://host:22/dir", "-P"), (":/dir", "user@host:/dir"),
        ("user@:/dir", "user@host:/dir"), ("@host:/dir", "user@host:/dir"), ("-oProxyCommand=x:/dir", "user@host:/dir"),
        ("user@-host:/dir", "user@host:/dir"), ("my host:/dir", "user@host:/dir"), ("a/b:/dir", "user@host:/dir"),
        ("ho\nst:/dir", "user@host:/dir"), ("@", "user@host:/dir"), (":", "user@host:/dir"),
    ]

    @Test(arguments: wrong)
    func `what is no target is refused with what would be one`(text: String, right: String) {
        let problem = #expect(throws: SettingProblem.self) { try Target.parse(text) }
        #expect(problem?.name == "SCP_TARGET")
        #expect(problem?.value == text)
        #expect(problem?.expected.contains(right) == true)
    }
}
