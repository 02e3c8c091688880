import CLinux
import Crypto
import Evidence
import Glibc
import Linux
import Supervisor
import Testing

@testable import Shipper

private func string(_ bytes: [UInt8]) -> [UInt8] {
    var writer = WireWriter()
    writer.string(bytes)
    return writer.bytes
}
private func string(_ text: String) -> [UInt8] { string(Array(text.utf8)) }

/// What is signed in a login (RFC 4252, section 7).
private func login(_ algorithm: String, _ blob: [UInt8]) -> [UInt8] {
    string([UInt8](repeating: 7, count: 32)) + [50] + string("boogey") + string("ssh-connection") + string("publickey") + [1]
        + string(algorithm)
        + string(blob)
}

@Suite struct AgentMessageTests {
    @Test("questions are as the draft has them")
    func questions() {
        #expect(AgentMessage.framed(AgentMessage.identities()) == [0, 0, 0, 1, 11])
        #expect(
            AgentMessage.sign(blob: [1, 2], data: [3], flags: 4) == [13, 0, 0, 0, 2, 1, 2, 0, 0, 0, 1, 3, 0, 0, 0, 4])
    }

    @Test("identities and signatures are read")
    func answers() {
        #expect(AgentMessage.answer([12, 0, 0, 0, 0]) == .identities([]))
        let two: [UInt8] = [12, 0, 0, 0, 2] + string([1, 2]) + string("a b") + string([3]) + string("")
        #expect(
            AgentMessage.answer(two)
                == .identities([AgentIdentity(blob: [1, 2], comment: "a b"), AgentIdentity(blob: [3], comment: "")]))
        let signature = string("ssh-ed25519") + string([9, 9])
        #expect(AgentMessage.answer([14] + string(signature)) == .signature(AgentSignature(algorithm: "ssh-ed25519", bytes: [9, 9])))
        #expect(AgentMessage.answer([5]) == .failure)
        #expect(AgentMessage.answer([28]) == .failure)
    }

    @Test(
        "what makes no sense is no answer",
        arguments: [
            [], [6], [99], [12], [12, 0, 0, 0], [12, 0, 0, 0, 1], [12, 0, 0, 0, 1, 0, 0, 0, 1, 7], [12, 0, 0, 0, 0, 0],
            [12, 255, 255, 255, 255], [12, 0, 0, 8, 1], [12, 0, 0, 0, 1, 255, 255, 255, 255], [14], [14, 0, 0, 0, 0], [14, 0, 0, 0, 9, 1],
            [14] + string(string("x")), [14] + string(string("x") + string([])), [14] + string(string("") + string([1])),
            [14] + string(string("x") + string([1]) + [0]), [14] + string(string("x") + string([1])) + [0],
            [14] + string([0, 0, 0, 1, 255] + string([1])),
        ] as [[UInt8]])
    func nonsense(bytes: [UInt8]) { #expect(AgentMessage.answer(bytes) == nil) }

    @Test("any bytes are an answer or none, and each cut of a good answer is none")
    func random() {
        for _ in 0..<20_000 {
            _ = AgentMessage.answer((0..<Int.random(in: 0...24)).map { _ in UInt8.random(in: 0...255) } + [])
            _ = AgentMessage.answer(
                [[12, 14].randomElement()!, 0, 0, 0] + (0..<Int.random(in: 0...24)).map { _ in UInt8.random(in: 0...5) })
        }
        let good: [UInt8] = [12, 0, 0, 0, 1] + string([1, 2, 3]) + string("abc")
        for cut in 0..<good.count { #expect(AgentMessage.answer(Array(good.prefix(cut))) == nil) }
    }

    @Test("the algorithm is read from what is to be signed")
    func algorithm() {
        #expect(AgentMessage.algorithm(ofLogin: login("rsa-sha2-512", [1])) == "rsa-sha2-512")
        #expect(AgentMessage.algorithm(ofLogin: login("ssh-ed25519", [1]) + [0]) == nil)
        #expect(AgentMessage.algorithm(ofLogin: Array("rsync".utf8)) == nil)
        #expect(AgentMessage.algorithm(ofLogin: []) == nil)
        #expect(AgentMessage.flags(for: "rsa-sha2-256") == 2)
        #expect(AgentMessage.flags(for: "rsa-sha2-512") == 4)
        #expect(AgentMessage.flags(for: "ssh-ed25519") == 0)
    }
}

@Suite struct LoginKeyTests {
    private static func key(_ number: UInt8) -> SSHPublicKey { SSHPublicKey(ed25519: [UInt8](repeating: number, count: 32), comment: "") }
    private static func held(_ number: UInt8) -> AgentIdentity { AgentIdentity(blob: key(number).blob, comment: "\(number)") }
    private static let rsa = AgentIdentity(blob: string("ssh-rsa") + string([3]) + string([0, 255]), comment: "rsa")
    private static let foreign = AgentIdentity(blob: string("ssh-ed25519-cert-v01@openssh.com") + [0, 0, 0, 0], comment: "cert")
    private static func file(_ path: String, _ number: UInt8?, usable: Bool = true) -> LoginKey.File {
        LoginKey.File(path: path, publicKey: number.map(key), isUsable: usable)
    }

    @Test("the key file comes first, by itself or by the agent, then the agent's others, none twice")
    func order() {
        let agent = [Self.held(1), Self.held(2), Self.held(3)]
        func order(_ files: [LoginKey.File]) -> [LoginKey] { LoginKey.order(files: files, agent: agent, rsaUsable: false) }
        #expect(order([]) == agent.map { .agent($0) })
        #expect(order([Self.file("/a", 2)]) == [.file("/a"), .agent(agent[0]), .agent(agent[2])])
        #expect(order([Self.file("/a", 2, usable: false)]) == [.agent(agent[1]), .agent(agent[0]), .agent(agent[2])])
        #expect(order([Self.file("/a", 9, usable: false)]) == agent.map { .agent($0) })
        #expect(order([Self.file("/a", nil, usable: false)]) == agent.map { .agent($0) })
        #expect(order([Self.file("/a", nil), Self.file("/b", 3)]) == [.file("/a"), .file("/b"), .agent(agent[0]), .agent(agent[1])])
        #expect(order([Self.file("/a", 9), Self.file("/b", 9)]).first == .file("/a"))
        #expect(order([Self.file("/a", 9), Self.file("/b", 9)]).count == 4)
    }

    @Test("what libssh2 cannot log in with is left out")
    func kinds() {
        let agent = [Self.rsa, Self.foreign, AgentIdentity(blob: [1, 2, 3], comment: ""), Self.held(1)]
        #expect(LoginKey.order(files: [], agent: agent, rsaUsable: false) == [.agent(agent[3])])
        #expect(LoginKey.order(files: [], agent: agent, rsaUsable: true) == [.agent(agent[0]), .agent(agent[3])])
    }

    @Test("no server is asked for more than six keys")
    func most() {
        let agent = (1...9).map { Self.held($0) } + [Self.held(1)]
        let order = LoginKey.order(files: [Self.file("/a", 99)], agent: agent, rsaUsable: true)
        #expect(order.count == 6)
        #expect(order.first == .file("/a"))
        #expect(order.last == .agent(agent[4]))
    }
}

/// Says canned bytes to whoever connects, whatever is asked.
private final class FakeAgent: @unchecked Sendable {
    let path: String
    private let listener: Descriptor
    init(in scratch: Scratch, says bytes: [UInt8], thenCloses: Bool = false) throws {
        path = scratch.path + "/agent"
        listener = Descriptor(owning: socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0))
        guard sensor_bind_unix(listener.number, path) == 0, listen(listener.number, 4) == 0 else { throw SystemError("bind", code: errno) }
        let number = listener.number
        var id = pthread_t()
        let work = Work {
            let peer = Descriptor(owning: sensor_accept(number))
            try? peer.writeAll(bytes)
            if !thenCloses { while let part = try? peer.read(64), !part.isEmpty {} }
        }
        pthread_create(
            &id, nil,
            {
                Unmanaged<Work>.fromOpaque($0!).takeRetainedValue().run()
                return nil
            }, Unmanaged.passRetained(work).toOpaque())
        pthread_detach(id)
    }
    deinit { unlink(path) }
    private final class Work {
        let run: () -> Void
        init(_ run: @escaping () -> Void) { self.run = run }
    }
}

private func waiting(_ descriptor: Int32, _ write: Bool, _ until: MonotonicTime) throws(ShipFault) {
    var entry = pollfd(fd: descriptor, events: Int16(write ? POLLOUT : POLLIN), revents: 0)
    poll(&entry, 1, Int32(max(0, (until - .now()) * 1000)))
}

@Suite struct SSHAgentTests {
    static let lies: [([UInt8], Bool, String)] = [
        ([], true, "is gone"), ([0, 0], true, "is gone"), ([0, 0, 0, 0], false, "no ssh-agent's"),
        ([255, 255, 255, 255], false, "no ssh-agent's"),
        ([0, 4, 0, 1], false, "no ssh-agent's"), ([0, 0, 0, 5, 12, 0], true, "is gone"), ([0, 0, 0, 1, 5], false, "is it locked?"),
        ([0, 0, 0, 1, 99], false, "no ssh-agent's"), ([0, 0, 0, 5, 12, 255, 0, 0, 0], false, "no ssh-agent's"),
        ([], false, "does not answer"),
        ([0, 0, 0, 5, 12, 0], false, "does not answer"),
        ([0, 0, 0, 19, 14, 0, 0, 0, 14, 0, 0, 0, 1, 65, 0, 0, 0, 5, 1, 2, 3, 4, 5], false, "another question"),
    ]

    @Test("an agent that lies, stalls or goes away is a fault that names it", arguments: lies)
    func liar(bytes: [UInt8], closes: Bool, words: String) throws {
        let scratch = try Scratch()
        let fake = try FakeAgent(in: scratch, says: bytes, thenCloses: closes)
        // On a busy machine an agent that does answer may be slow to begin.
        let agent = try SSHAgent(fake.path, patience: words == "does not answer" ? 0.4 : 20, wait: waiting)
        let fault = #expect(throws: ShipFault.self) { try agent.identities() }
        #expect(fault?.kind == .operators)
        #expect(fault?.description.contains(words) == true, "\(fault?.description ?? "")")
        #expect(fault?.description.contains("SSH_AUTH_SOCK='\(fake.path)'") == true)
    }

    @Test("a stop ends the waiting for an agent")
    func stop() throws {
        let scratch = try Scratch()
        let fake = try FakeAgent(in: scratch, says: [])
        let agent = try SSHAgent(fake.path) { _, _, _ throws(ShipFault) in throw .stopped }
        #expect(throws: ShipFault.stopped) { try agent.identities() }
    }

    @Test("an agent that is not there is a fault that names it")
    func missing() throws {
        let fault = #expect(throws: ShipFault.self) { _ = try SSHAgent("/nowhere/agent", wait: waiting) }
        #expect(fault?.description == "the ssh-agent SSH_AUTH_SOCK='/nowhere/agent' cannot be reached: No such file or directory")
        #expect(throws: ShipFault.self) { _ = try SSHAgent("/" + String(repeating: "x", count: 200), wait: waiting) }
    }

    @Test("no descriptor is left open by agents that fail")
    func descriptors() throws {
        func count() throws -> Int { try Directory("/proc/self/fd").names().count }
        let before = try count()
        for _ in 0..<50 { _ = try? SSHAgent("/nowhere/agent", wait: waiting) }
        // Other tests of this process open and close some meanwhile.
        #expect(try count() < before + 40)
    }

    private static func tool(_ arguments: [String], _ environment: [String: String] = [:]) throws {
        let pid = try Spawner.spawn(
            path: "/usr/bin/" + arguments[0], arguments: arguments, environment: environment, descriptors: [-1, -1, -1])
        let ended = Spawner.reap(pid, wait: true)
        try #require(ended?.status == .code(0), "\(arguments)")
    }

    @Test(
        "OpenSSH's agent tells its keys and signs logins that the keys verify",
        .enabled(if: access("/usr/bin/ssh-agent", X_OK) == 0 && access("/usr/bin/ssh-add", X_OK) == 0, "needs ssh-agent and ssh-add"))
    func real() throws {
        let scratch = try Scratch()
        let place = scratch.path + "/real"
        let pid = try Spawner.spawn(
            path: "/usr/bin/ssh-agent", arguments: ["ssh-agent", "-D", "-a", place], environment: [:], descriptors: [-1, -1, -1])
        defer {
            kill(pid, SIGTERM)
            _ = Spawner.reap(pid, wait: true)
        }
        for _ in 0..<200 where access(place, F_OK) != 0 { usleep(20_000) }
        for (type, name) in [("ed25519", "a"), ("ecdsa", "b"), ("rsa", "c")] {
            try Self.tool(["ssh-keygen", "-q", "-t", type, "-N", "", "-C", "comment \(name)", "-f", scratch.state + "/" + name])
            try Self.tool(["ssh-add", "-q", scratch.state + "/" + name], ["SSH_AUTH_SOCK": place])
        }
        let agent = try SSHAgent(place, wait: waiting)
        let identities = try agent.identities()
        #expect(identities.map(\.comment) == ["comment a", "comment b", "comment c"])
        #expect(identities.map { $0.publicKey?.type } == ["ssh-ed25519", "ecdsa-sha2-nistp256", "ssh-rsa"])

        let data = login("ssh-ed25519", identities[0].blob)
        let signature = try agent.signature(identities[0], login: data)
        #expect(signature.algorithm == "ssh-ed25519" && signature.bytes.count == 64)
        let key = try Curve25519.Signing.PublicKey(rawRepresentation: identities[0].blob.suffix(32))
        #expect(key.isValidSignature(signature.bytes, for: data))
        #expect(
            try agent.signature(identities[1], login: login("ecdsa-sha2-nistp256", identities[1].blob)).algorithm == "ecdsa-sha2-nistp256")
        for algorithm in ["rsa-sha2-256", "rsa-sha2-512", "ssh-rsa"] {
            #expect(try agent.signature(identities[2], login: login(algorithm, identities[2].blob)).algorithm == algorithm)
        }

        // The same connection goes on after a refusal, and with a key that is taken away.
        let unknown = SSHPublicKey(ed25519: [UInt8](repeating: 5, count: 32), comment: "")
        let refused = #expect(throws: ShipFault.self) { try agent.sign(unknown.blob, data, flags: 0) }
        #expect(refused?.description.contains(unknown.fingerprint) == true)
        try Self.tool(["ssh-add", "-q", "-D"], ["SSH_AUTH_SOCK": place])
        #expect(try agent.identities().isEmpty)
        #expect(throws: ShipFault.self) { try agent.signature(identities[0], login: data) }
        // Gone, in the middle of everything.
        kill(pid, SIGKILL)
        let gone = #expect(throws: ShipFault.self) { try agent.identities() }
        #expect(gone?.description.contains("is gone") == true)
    }
}
