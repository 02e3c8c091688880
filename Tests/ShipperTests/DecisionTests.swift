import Evidence
import Linux
import Settings
import Spool
import Testing

@testable import Shipper

@Suite struct RetryScheduleTests {
    private func delays(_ kind: ShipFault.Kind, _ count: Int, dice: Double = 0.5) -> [Double] {
        var schedule = RetrySchedule()
        var now = MonotonicTime(nanoseconds: 0)
        return (0..<count).map { _ in
            let delay = schedule.delay(after: kind, at: now, dice: dice)
            now = now + delay
            return delay
        }
    }

    @Test("passing faults wait 1 s, doubling to 60")
    func passing() { #expect(delays(.passing, 9) == [1, 2, 4, 8, 16, 32, 60, 60, 60]) }

    @Test("a refused login is tried every 5 s for ten minutes, then seldom")
    func login() {
        let all = delays(.loginRefused, 130)
        #expect(all.prefix(120).allSatisfy { $0 == 5 })
        #expect(all.dropFirst(125).allSatisfy { $0 == 60 })
    }

    @Test("the spread is 20 % to either side and never more", arguments: [0.0, 0.25, 0.5, 1.0])
    func spread(dice: Double) {
        #expect(delays(.passing, 1, dice: dice) == [0.8 + 0.4 * dice])
        #expect(delays(.operators, 20, dice: dice).allSatisfy { $0 <= 72.001 })
    }

    @Test("a fault of another kind begins its own schedule, a success ends all")
    func changes() {
        var schedule = RetrySchedule()
        let now = MonotonicTime(nanoseconds: 0)
        for _ in 0..<5 { _ = schedule.delay(after: .passing, at: now, dice: 0.5) }
        #expect(schedule.delay(after: .operators, at: now, dice: 0.5) == 5)
        #expect(schedule.delay(after: .passing, at: now, dice: 0.5) == 1)
        #expect(schedule.tries == 7)
        schedule.succeeded()
        #expect(schedule.tries == 0)
        #expect(schedule.delay(after: .passing, at: now, dice: 0.5) == 1)
    }
}

@Suite struct RateLimitTests {
    @Test("over any long time no more goes than the limit, and no less", arguments: [Int64(1024), 50_000, 10_000_000])
    func holds(limit: Int64) {
        var rate = RateLimit(bytesPerSecond: limit)
        var now = MonotonicTime(nanoseconds: 0)
        var sent = 0
        for step in 0..<20_000 {
            now = now + 0.001 * Double(step % 7 + 1)
            let allowed = rate.allowance(at: now)
            #expect(allowed >= 0)
            rate.spend(allowed)
            sent += allowed
        }
        let most = Double(limit) * (now.nanoseconds > 0 ? Double(now.nanoseconds) / 1e9 : 1)
        #expect(Double(sent) <= most + Double(limit) / 4)
        #expect(Double(sent) >= most * 0.99 - Double(limit))
    }
}

@Suite struct DeliveryOrderTests {
    private func name(_ interface: String, _ stamp: String, _ sequence: UInt64) -> String {
        SpoolName(sensor: "s", interface: interface, stamp: stamp, sequence: sequence).pcap
    }

    @Test("within an interface the number decides, though the clock went back")
    func numbers() {
        let a = name("eth0", "20261125T100000Z", 1)
        let b = name("eth0", "20261125T090000Z", 2)
        let c = name("eth0", "20261125T090100Z", 3)
        #expect(DeliveryOrder.sorted([c, a, b]) == [a, b, c])
    }

    @Test("between interfaces the stamp of the next file decides")
    func heads() {
        let a1 = name("a", "20261125T100000Z", 1)
        let a2 = name("a", "20261125T100200Z", 2)
        let b1 = name("b", "20261125T100100Z", 1)
        let b2 = name("b", "20261125T100300Z", 2)
        #expect(DeliveryOrder.sorted([b2, a2, b1, a1]) == [a1, b1, a2, b2])
    }

    @Test("what others wrote follows by name")
    func foreign() {
        let a = name("a", "20261125T100000Z", 1)
        #expect(DeliveryOrder.sorted(["zz.pcap", "b.pcap", a]) == [a, "b.pcap", "zz.pcap"])
    }

    @Test("any order of any names gives the same order, with every name once")
    func shuffled() {
        var names: [String] = []
        for interface in ["eth0", "eth1", "wg-0"] {
            for n in 0..<40 { names.append(name(interface, "20261125T10\(pad(n, 2))00Z", UInt64(n * 3))) }
        }
        names += ["x.pcap", "y y.pcap"]
        let expected = DeliveryOrder.sorted(names)
        #expect(Set(expected) == Set(names) && expected.count == names.count)
        for _ in 0..<20 { #expect(DeliveryOrder.sorted(names.shuffled()) == expected) }
    }
}

@Suite struct HostKeyPolicyTests {
    let key = SSHPublicKey(ed25519: [UInt8](repeating: 1, count: 32), comment: "")
    let other = SSHPublicKey(ed25519: [UInt8](repeating: 2, count: 32), comment: "")

    private func decide(_ key: SSHPublicKey, known: String = "", pinned: [PinnedHostKey] = [], strict: StrictHostKeyChecking = .ask)
        -> HostKeyPolicy.Decision
    {
        HostKeyPolicy(pinned: pinned, strict: strict, host: "box", port: 2222).decide(key, known: KnownHosts(text: known), file: "kh")
    }
    private func line(_ key: SSHPublicKey) -> String { KnownHosts.line(host: "box", port: 2222, key: key) + "\n" }
    private func isRefused(_ decision: HostKeyPolicy.Decision, _ word: String) -> Bool {
        if case .refuse(let why) = decision { return why.contains(word) && why.contains("nothing is sent") }
        return false
    }

    @Test("an unknown key is learned, unless checking is strict", arguments: [StrictHostKeyChecking.ask, .no, .acceptNew])
    func unknown(strict: StrictHostKeyChecking) {
        #expect(decide(key, strict: strict) == .learn)
        #expect(isRefused(decide(key, strict: .yes), "StrictHostKeyChecking=yes"))
    }

    @Test(
        "a known key is accepted, a changed one refused under every strictness",
        arguments: [StrictHostKeyChecking.ask, .no, .acceptNew, .yes])
    func changed(strict: StrictHostKeyChecking) {
        #expect(decide(key, known: line(key), strict: strict) == .accept)
        #expect(isRefused(decide(other, known: line(key), strict: strict), "CHANGED"))
    }

    @Test("a pinned key decides alone")
    func pinned() {
        let digest = String(key.fingerprint.dropFirst(7))
        #expect(decide(key, known: line(other), pinned: [.fingerprint(digest)]) == .accept)
        #expect(decide(key, pinned: [.key(type: key.type, base64: Base64.encode(key.blob))]) == .accept)
        #expect(isRefused(decide(other, known: line(other), pinned: [.fingerprint(digest)]), "SCP_HOST_KEY"))
    }

    @Test("where only a certificate authority is known, nothing is learned", arguments: [StrictHostKeyChecking.ask, .no, .acceptNew, .yes])
    func authority(strict: StrictHostKeyChecking) {
        let ca = "@cert-authority * \(other.bare)\n"
        #expect(isRefused(decide(key, known: ca, strict: strict), "SCP_HOST_KEY"))
        #expect(isRefused(decide(key, known: ca, strict: strict), other.fingerprint))
        #expect(decide(key, known: ca + line(key), strict: strict) == .accept)
        #expect(decide(key, known: ca, pinned: [.fingerprint(String(key.fingerprint.dropFirst(7)))], strict: strict) == .accept)
    }

    @Test("a host key that is a certificate is refused in words, though a pin names it")
    func certificate() {
        let name = Array("ssh-ed25519-cert-v01@openssh.com".utf8)
        let certificate = SSHPublicKey(
            type: "ssh-ed25519-cert-v01@openssh.com", blob: [0, 0, 0, UInt8(name.count)] + name + [0, 0, 0, 0])!
        #expect(isRefused(decide(certificate), "is a certificate"))
        #expect(isRefused(decide(certificate, pinned: [.fingerprint(String(certificate.fingerprint.dropFirst(7)))]), "is a certificate"))
    }

    @Test("after a key that no fingerprint names the other types are asked for, each once")
    func left() {
        let asked = HostKeyPolicy.preference(known: [], wanted: [])
        let digest = PinnedHostKey.fingerprint(String(key.fingerprint.dropFirst(7)))
        func left(_ pinned: [PinnedHostKey], _ shown: [String]) -> [String] {
            HostKeyPolicy(pinned: pinned, strict: .ask, host: "box", port: 22).algorithmsLeft(of: asked, shown: shown)
        }
        #expect(left([digest], ["ssh-ed25519"]) == asked.filter { $0 != "ssh-ed25519" })
        #expect(left([digest], ["ssh-rsa"]) == asked.filter { !$0.contains("rsa-sha2") && $0 != "ssh-rsa" })
        #expect(left([digest], ["ssh-ed25519", "ssh-rsa"]).allSatisfy { $0.hasPrefix("ecdsa-") })
        #expect(left([digest], ["ssh-ed25519", "ssh-rsa", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521"]).isEmpty)
        let whole = PinnedHostKey.key(type: key.type, base64: Base64.encode(key.blob))
        #expect(left([whole], ["ssh-rsa"]).isEmpty)
        #expect(left([whole, digest], ["ssh-rsa"]).first == "ssh-ed25519")
        #expect(left([], ["ssh-rsa"]).isEmpty)
        let words = HostKeyPolicy(pinned: [digest], strict: .ask, host: "box", port: 22).refusal(ofPinned: [key, other])
        #expect(words.contains(key.fingerprint) && words.contains(other.fingerprint))
    }

    @Test("the files of host keys are read as one")
    func files() throws {
        let scratch = try Scratch()
        let (a, b) = (scratch.path + "/a", scratch.path + "/b")
        try Descriptor.open(a, flags: 0o101).writeAll(Array("box \(other.bare)".utf8))
        try Descriptor.open(b, flags: 0o101).writeAll(Array("@revoked * \(key.bare)\r\n".utf8))
        let known = KnownHosts(text: try KnownHostsFile.text([a, scratch.path + "/missing", b]))
        #expect(known.answer(host: "box", port: 22, key: other) == .known)
        #expect(known.answer(host: "box", port: 22, key: key) == .revoked)
        #expect(throws: ShipFault.self) { try KnownHostsFile.text([a, scratch.path]) }
    }

    @Test("known types are asked for first, all others stay possible")
    func preference() {
        let order = HostKeyPolicy.preference(known: ["ecdsa-sha2-nistp384"], wanted: [])
        #expect(order.first == "ecdsa-sha2-nistp384")
        #expect(order.count == 7)
        #expect(HostKeyPolicy.preference(known: ["ssh-rsa"], wanted: []).prefix(3) == ["rsa-sha2-512", "rsa-sha2-256", "ssh-rsa"])
        #expect(HostKeyPolicy.preference(known: [], wanted: ["ssh-ed25519"]) == ["ssh-ed25519"])
        #expect(
            HostKeyPolicy.preference(known: ["ssh-ed25519"], wanted: ["+ssh-dss"]) == HostKeyPolicy.preference(known: [], wanted: []) + [
                "ssh-dss"
            ])
        #expect(HostKeyPolicy.preference(known: [], wanted: ["^ssh-rsa"]).first == "ssh-rsa")
        #expect(!HostKeyPolicy.preference(known: [], wanted: ["-ssh-rsa"]).contains("ssh-rsa"))
        #expect(HostKeyPolicy.preference(known: [], wanted: ["-*rsa*", "ecdsa-*"]) == ["ssh-ed25519"])
    }
}

@Suite struct CipherChoiceTests {
    @Test("AES-GCM first where the processor has AES, else what costs least")
    func ciphers() {
        let fast = CipherChoice.Processor(cpuinfo: "processor : 0\nflags\t\t: fpu aes sha_ni sse\nflags : x\n")
        #expect(fast == CipherChoice.Processor(cpuinfo: "Features : fp aes pmull sha1 sha2"))
        #expect(CipherChoice.ciphers(fast).first == "aes128-gcm@openssh.com")
        #expect(CipherChoice.macs(fast).first == "hmac-sha2-256-etm@openssh.com")
        let slow = CipherChoice.Processor(cpuinfo: "Features : half thumb fastmult vfp")
        #expect(CipherChoice.ciphers(slow).first == "aes128-ctr")
        #expect(CipherChoice.macs(slow).first == "hmac-sha2-512-etm@openssh.com")
        #expect(Set(CipherChoice.ciphers(fast)) == Set(CipherChoice.ciphers(slow)))
        #expect(CipherChoice.Processor(cpuinfo: nil).hasAES)
    }
}
