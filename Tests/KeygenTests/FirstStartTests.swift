import Evidence
import Glibc
import Keygen
import Testing

@Suite struct FirstStartTests {
    @Test("the first start makes a key that only its owner reads, and leaves nothing else")
    func made() throws {
        let scratch = try Scratch()
        let pair = try KeyPair.ensure(in: scratch.path, sensorName: "boogey", rsaUsable: false)
        #expect(pair.isNew)
        #expect(pair.warning == nil)
        #expect(pair.publicKey.type == "ssh-ed25519")
        #expect(pair.privateKeyPath == scratch.file("id_ed25519"))
        #expect(try scratch.names() == ["id_ed25519", "id_ed25519.pub"])
        #expect(try scratch.mode("id_ed25519") == 0o600)
        #expect(try scratch.mode("id_ed25519.pub") == 0o644)
    }

    @Test("the second start finds the same key, and keeps its comment under a new name")
    func kept() throws {
        let scratch = try Scratch()
        let first = try KeyPair.ensure(in: scratch.path, sensorName: "boogey", rsaUsable: false)
        let second = try KeyPair.ensure(in: scratch.path + "/", sensorName: "other", rsaUsable: false)
        #expect(!second.isNew)
        #expect(second.publicKey == first.publicKey)
        #expect(second.privateKeyPath == first.privateKeyPath)
    }

    @Test("the data directory is made where it is missing")
    func directory() throws {
        let scratch = try Scratch()
        let data = scratch.file("data")
        #expect(try KeyPair.ensure(in: data, sensorName: "boogey", rsaUsable: false).isNew)
        for name in ["id_ed25519", "id_ed25519.pub"] { unlink("\(data)/\(name)") }
    }

    @Test("many first starts at once end with one key", arguments: 0..<10)
    func race(round: Int) async throws {
        let scratch = try Scratch()
        let path = scratch.path
        let pairs = try await withThrowingTaskGroup(of: KeyPair.self) { group in
            for index in 0..<8 {
                group.addTask { try KeyPair.ensure(in: path, sensorName: "sensor-\(index)", rsaUsable: false) }
            }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        #expect(pairs.filter(\.isNew).count == 1)
        #expect(Set(pairs.map(\.publicKey.line)).count == 1)
        #expect(try scratch.names() == ["id_ed25519", "id_ed25519.pub"])
        #expect(try scratch.read("id_ed25519.pub") == pairs[0].publicKey.line + "\n")
    }

    @Test("a missing, stale or spoilt .pub is made again", arguments: ["missing", "stale", "spoilt"])
    func publicKeyFile(state: String) throws {
        let scratch = try Scratch()
        let first = try KeyPair.ensure(in: scratch.path, sensorName: "boogey", rsaUsable: false)
        switch state {
        case "missing": unlink(scratch.file("id_ed25519.pub"))
        case "stale": try scratch.write("id_ed25519.pub", SSHPublicKey(ed25519: Array(0..<32), comment: "x").line)
        default: try scratch.write("id_ed25519.pub", "\u{0}\u{1}")
        }
        let second = try KeyPair.ensure(in: scratch.path, sensorName: "other", rsaUsable: false)
        #expect(second.publicKey == first.publicKey)
        #expect(try scratch.read("id_ed25519.pub") == first.publicKey.line + "\n")
        #expect(try scratch.mode("id_ed25519.pub") == 0o644)
    }

    @Test("a .pub of the same key is left as it is")
    func untouched() throws {
        let scratch = try Scratch()
        let pair = try KeyPair.ensure(in: scratch.path, sensorName: "boogey", rsaUsable: false)
        try scratch.write("id_ed25519.pub", pair.publicKey.with(comment: "mine").line)
        _ = try KeyPair.ensure(in: scratch.path, sensorName: "boogey", rsaUsable: false)
        #expect(try scratch.read("id_ed25519.pub") == pair.publicKey.with(comment: "mine").line)
    }

    @Test("a linked key is followed, as a mounted secret is")
    func link() throws {
        let scratch = try Scratch()
        let secret = try Scratch()
        let original = try KeyPair.ensure(in: secret.path, sensorName: "boogey", rsaUsable: false)
        symlink(original.privateKeyPath, scratch.file("id_ed25519"))
        let pair = try KeyPair.ensure(in: scratch.path, sensorName: "other", rsaUsable: false)
        #expect(!pair.isNew)
        #expect(pair.publicKey == original.publicKey)
        #expect(try scratch.read("id_ed25519.pub") == original.publicKey.line + "\n")
    }

    @Test("a .pub that can't be written is a warning, since shipping needs the private key only")
    func unwritablePublic() throws {
        let scratch = try Scratch()
        mkdir(scratch.file("id_ed25519.pub"), 0o700)
        let pair = try KeyPair.ensure(in: scratch.path, sensorName: "boogey", rsaUsable: false)
        #expect(pair.isNew)
        #expect(pair.warning?.hasPrefix(scratch.file("id_ed25519.pub") + ": rename ") == true)
        #expect(try scratch.names() == ["id_ed25519", "id_ed25519.pub"])
    }

    @Test("where no directory can be, the key is named that can't be made")
    func noDirectory() throws {
        let scratch = try Scratch()
        try scratch.write("data", "")
        let problem = #expect(throws: KeyProblem.self) {
            try KeyPair.ensure(in: scratch.file("data"), sensorName: "boogey", rsaUsable: false)
        }
        #expect(problem?.description.hasPrefix(scratch.file("data/id_ed25519") + ": ") == true)
    }
}
