import Evidence
import Keygen
import Testing

@Suite struct KeyBlockTests {
    let key = SSHPublicKey(ed25519: Array(repeating: 0, count: 32), comment: "root@boogey")
    let line = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA root@boogey"
    let requests = "open,close,write,stat,fstat,lstat,realpath,rename,fsync,statvfs,limits"

    @Test("the block is the original sensor's, to the letter")
    func block() {
        #expect(
            KeyBlock.text(key)
                == "Please use this key to allow PCAP files transfert via scp:\n--- Cut Here ---\n\(line)\n--- Cut Here ---\n"
        )
    }

    @Test("the authorized_keys line allows delivering and nothing else")
    func authorizedKeys() throws {
        #expect(
            try KeyBlock.authorizedKeys(key, directory: "/drop")
                == "restrict,command=\"internal-sftp -d /drop -u 0027 -p \(requests)\" \(line)")
        #expect(
            try KeyBlock.authorizedKeys(key, directory: nil)
                == "restrict,command=\"internal-sftp -u 0027 -p \(requests)\" \(line)")
    }

    @Test("a directory's quotes and percent signs are kept from sshd and sftp-server")
    func escaped() throws {
        let text = try KeyBlock.authorizedKeys(key, directory: #"/a"b\c\"%u"#)
        #expect(text.hasPrefix(#"restrict,command="internal-sftp -d /a\"b\c\\"%%u -u 0027"#))
    }

    @Test(
        "a directory that sshd can't pass on is refused", arguments: ["", "/two words", "/a\tb", "/a\nb", "/a\u{7f}"])
    func refused(directory: String) {
        #expect(throws: KeyProblem.self) { try KeyBlock.authorizedKeys(key, directory: directory) }
    }
}
