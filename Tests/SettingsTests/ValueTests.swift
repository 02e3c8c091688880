import Testing

@testable import Settings

/// Every setting's legal and illegal values, by table.
struct ValueTests {
    struct Legal: Sendable, CustomTestStringConvertible {
        let name: String
        let value: String
        let holds: @Sendable (Settings) -> Bool
        init(_ name: String, _ value: String, _ holds: @escaping @Sendable (Settings) -> Bool) {
            self.name = name
            self.value = value
            self.holds = holds
        }
        var testDescription: String { "\(name)=\(value)" }
    }

    static let key = "AAAAC3NzaC1lZDI1NTE5AAAAIGPKSUTyz1HwHReFVvD5obVsALAgJRNarH4TRpNePnAS"
    static let digest = "mVPwvezndPv/ARoIadVY98vAC0g+P/5633yTC4d/wXE"

    static let legal: [Legal] = [
        Legal("PCAP_INTERFACE", "eth0") { $0.interfaces == ["eth0"] },
        Legal("PCAP_INTERFACE", "eth0,wlan0,-G") { $0.interfaces == ["eth0", "wlan0", "-G"] },
        Legal("PCAP_INTERFACE", "any") { $0.interfaces == ["any"] },
        Legal("PCAP_INTERFACE", "abcdefghijklmno") { $0.interfaces == ["abcdefghijklmno"] },
        Legal("PCAP_INTERFACE", "'\";@%é") { $0.interfaces == ["'\";@%é"] },
        Legal("PCAP_CAPTURE_SIZE", "0") { $0.snaplen == 0 },
        Legal("PCAP_CAPTURE_SIZE", "262144") { $0.snaplen == 262_144 },
        Legal("PCAP_FILE_SIZE", "1") { $0.fileSeconds == 1 },
        Legal("PCAP_FILE_SIZE", "86400") { $0.fileSeconds == 86_400 },
        Legal("PCAP_FILE_BYTES", "64K") { $0.fileBytes == 65_536 },
        Legal("PCAP_FILE_BYTES", "1g") { $0.fileBytes == 1 << 30 },
        Legal("PCAP_FILE_BYTES", "100000") { $0.fileBytes == 100_000 },
        Legal("PCAP_FILE_ROTATE", "0") { $0.fileRotate == 0 },
        Legal("PCAP_FILE_ROTATE", "1000000") { $0.fileRotate == 1_000_000 },
        Legal("PCAP_BPF_FILTER", "tcp port 80 or (vlan and udp)") { $0.filter == "tcp port 80 or (vlan and udp)" },
        Legal("PCAP_SENSOR_NAME", "a") { $0.sensorName == "a" },
        Legal("PCAP_SENSOR_NAME", "-_.Az09") { $0.sensorName == "-_.Az09" },
        Legal("PCAP_SENSOR_NAME", String(repeating: "x", count: 64)) { $0.sensorName?.count == 64 },
        Legal("PCAP_RING_BYTES", "512K") { $0.ringBytes == 524_288 },
        Legal("PCAP_RING_BYTES", "2047M") { $0.ringBytes == 2047 << 20 },
        Legal("PCAP_PROMISCUOUS", "no") { !$0.promiscuous },
        Legal("PCAP_PROMISCUOUS", "TRUE") { $0.promiscuous },
        Legal("PCAP_PROMISCUOUS", "0") { !$0.promiscuous },
        Legal("PCAP_EXCLUDE_SHIPPING", "off") { !$0.excludeShipping },
        Legal("SCP_TARGET", "h:d") { $0.target == .ssh(SSHTarget(user: nil, host: "h", directory: "d")) },
        Legal("SCP_ARGUMENTS", "-P 22") { $0.arguments.port == 22 },
        Legal("SCP_HOST_KEY", "SHA256:" + digest) { $0.pinnedHostKeys == [.fingerprint(digest)] },
        Legal("SCP_HOST_KEY", "SHA256:" + digest + "=") { $0.pinnedHostKeys == [.fingerprint(digest)] },
        Legal("SCP_HOST_KEY", "ssh-ed25519 \(key)") { $0.pinnedHostKeys == [.key(type: "ssh-ed25519", base64: key)] },
        Legal("SCP_HOST_KEY", "ssh-ed25519 \(key) root@moloch,SHA256:\(digest)") {
            $0.pinnedHostKeys == [.key(type: "ssh-ed25519", base64: key), .fingerprint(digest)]
        },
        Legal("SCP_SOURCE_PORTS", "1-65535") { $0.sourcePorts == 1...65535 },
        Legal("SCP_SOURCE_PORTS", "2000-2000") { $0.sourcePorts == 2000...2000 },
        Legal("SCP_RATE", "1K") { $0.rate == 1024 },
        Legal("SCP_RATE", "10M") { $0.rate == 10 << 20 },
        Legal("SCP_INTERVAL", "1") { $0.interval == 1 },
        Legal("SCP_INTERVAL", "86400") { $0.interval == 86_400 },
        Legal("SCP_HOURS", "22-06") { $0.hours == ShippingHours(spans: [.init(start: 1320, end: 360)]) },
        Legal("SENSOR_DATA_DIR", "/srv/my data") { $0.dataDirectory == "/srv/my data" },
        Legal("SENSOR_SPOOL_BYTES", "20G") { $0.spoolBytes == 20 << 30 },
        Legal("SENSOR_SPOOL_BYTES", "1") { $0.spoolBytes == 1 },
        Legal("SENSOR_SPOOL_FREE", "0") { $0.spoolFree == .bytes(0) },
        Legal("SENSOR_SPOOL_FREE", "5G") { $0.spoolFree == .bytes(5 << 30) },
        Legal("SENSOR_SPOOL_FREE", "15%") { $0.spoolFree == .percent(15) },
        Legal("SENSOR_USER", "nobody") { $0.user == "nobody" },
        Legal("SENSOR_LOG", "json") { $0.log == .json },
        Legal("SENSOR_LOG", "text") { $0.log == .text },
        Legal("SENSOR_METRICS_FILE", "/var/lib/x.prom") { $0.metricsFile == "/var/lib/x.prom" },
        Legal("SENSOR_SOCKET", "/run/x.sock") { $0.socket == "/run/x.sock" },
    ]

    @Test(arguments: legal)
    func `a legal value is read as it is meant`(_ row: Legal) {
        let loaded = Settings.load([row.name: row.value])
        #expect(loaded.problems.isEmpty)
        #expect(row.holds(loaded.settings))
    }

    @Test func `every setting appears among the legal values`() {
        #expect(Set(Self.legal.map(\.name)) == Set(SettingDeclaration.all.map(\.name)))
    }

    /// Name, wrong value, and a part of what the line says would be right.
    static let illegal: [(String, String, String)] = [
        ("PCAP_INTERFACE", ",", "1 to 15 bytes"), ("PCAP_INTERFACE", "eth0,", "1 to 15 bytes"),
        ("PCAP_INTERFACE", "abcdefghijklmnop", "1 to 15 bytes"), ("PCAP_INTERFACE", "eth0,eth0", "each once"),
        ("PCAP_INTERFACE", "any,eth0", "any alone"), ("PCAP_INTERFACE", "a/b", "interface names"),
        ("PCAP_INTERFACE", ".", "interface names"), ("PCAP_INTERFACE", "..", "interface names"),
        ("PCAP_INTERFACE", "eth0, eth1", "no blanks"), ("PCAP_INTERFACE", "eth0:1", "interface names"),
        ("PCAP_CAPTURE_SIZE", "-1", "0 to 262144"), ("PCAP_CAPTURE_SIZE", "262145", "0 to 262144"),
        ("PCAP_CAPTURE_SIZE", "64K", "whole number"), ("PCAP_CAPTURE_SIZE", "all", "whole number"),
        ("PCAP_FILE_SIZE", "0", "seconds"), ("PCAP_FILE_SIZE", "86401", "1 to 86400"), ("PCAP_FILE_SIZE", "1.5", "whole number"),
        ("PCAP_FILE_SIZE", "256M", "seconds"), ("PCAP_FILE_SIZE", " 60", "whole number"),
        ("PCAP_FILE_SIZE", "99999999999999999999", "1 to 86400"),
        ("PCAP_FILE_BYTES", "63K", "from 65536"), ("PCAP_FILE_BYTES", "M", "K, M or G"), ("PCAP_FILE_BYTES", "1T", "K, M or G"),
        ("PCAP_FILE_BYTES", "1MB", "K, M or G"), ("PCAP_FILE_BYTES", "-1M", "K, M or G"), ("PCAP_FILE_BYTES", "1.5G", "K, M or G"),
        ("PCAP_FILE_BYTES", "9999999999G", "K, M or G"), ("PCAP_FILE_BYTES", "٣M", "K, M or G"),
        ("PCAP_FILE_ROTATE", "-1", "files"), ("PCAP_FILE_ROTATE", "x", "files"), ("PCAP_FILE_ROTATE", "1000001", "1000000"),
        ("PCAP_SENSOR_NAME", "a b", "A-Z a-z 0-9"), ("PCAP_SENSOR_NAME", "a@b", "A-Z a-z 0-9"),
        ("PCAP_SENSOR_NAME", "../x", "A-Z a-z 0-9"), ("PCAP_SENSOR_NAME", ".hidden", "do not begin with a dot"),
        ("PCAP_SENSOR_NAME", "é", "A-Z a-z 0-9"), ("PCAP_SENSOR_NAME", String(repeating: "x", count: 65), "1 to 64"),
        ("PCAP_RING_BYTES", "511K", "a ring's size"), ("PCAP_RING_BYTES", "2G", "a ring's size"),
        ("PCAP_PROMISCUOUS", "maybe", "yes or no"), ("PCAP_EXCLUDE_SHIPPING", "2", "yes or no"),
        ("SCP_TARGET", "moloch", "user@host:/dir"), ("SCP_TARGET", "data/dir", "user@host:/dir"),
        ("SCP_ARGUMENTS", "-P 0", "1 to 65535"), ("SCP_ARGUMENTS", "-v", "-P -i -l"),
        ("SCP_HOST_KEY", "SHA256:short", "SHA256:…"), ("SCP_HOST_KEY", "MD5:aa:bb", "SHA256:…"),
        ("SCP_HOST_KEY", "ssh-ed25519", "public key line"), ("SCP_HOST_KEY", "ssh-ed25519 AAAA", "public key line"),
        ("SCP_HOST_KEY", "ssh-ed25519 \(key.dropLast())", "public key line"), ("SCP_HOST_KEY", "ssh-rsa \(key)", "public key line"),
        ("SCP_HOST_KEY", key, "public key line"),
        ("SCP_HOST_KEY", "SHA256:" + String(repeating: "!", count: 43), "SHA256:…"),
        ("SCP_HOST_KEY", "SHA256:" + digest + "A", "SHA256:…"), ("SCP_HOST_KEY", "SHA256:" + digest + ",", "SHA256:…"),
        ("SCP_SOURCE_PORTS", "60872", "LOW-HIGH"), ("SCP_SOURCE_PORTS", "0-10", "1 to 65535"),
        ("SCP_SOURCE_PORTS", "20-10", "LOW-HIGH"), ("SCP_SOURCE_PORTS", "1-65536", "1 to 65535"),
        ("SCP_SOURCE_PORTS", "1-2-3", "LOW-HIGH"), ("SCP_SOURCE_PORTS", "-5", "LOW-HIGH"),
        ("SCP_RATE", "1023", "bytes per second"), ("SCP_RATE", "fast", "bytes per second"),
        ("SCP_INTERVAL", "0", "1 to 86400"), ("SCP_INTERVAL", "5m", "whole number"),
        ("SCP_HOURS", "22", "FROM-TO"), ("SCP_HOURS", "22-25", "22:30-06:15"), ("SCP_HOURS", "22-06, 12-13", "no blanks"),
        ("SENSOR_DATA_DIR", "/a\n/b", "a path"),
        ("SENSOR_SPOOL_BYTES", "0", "a size"), ("SENSOR_SPOOL_BYTES", "10%", "a size"),
        ("SENSOR_SPOOL_FREE", "100%", "0% to 99%"), ("SENSOR_SPOOL_FREE", "%", "percent"), ("SENSOR_SPOOL_FREE", "-1", "free space"),
        ("SENSOR_LOG", "JSON", "text or json"), ("SENSOR_LOG", "xml", "text or json"),
        ("SENSOR_SOCKET", "/" + String(repeating: "s", count: 107), "at most 107 bytes"),
    ]

    @Test(arguments: illegal)
    func `an illegal value is one problem that names setting, value and what would be right`(
        name: String, value: String, right: String
    ) {
        let loaded = Settings.load([name: value])
        #expect(loaded.problems.count == 1)
        #expect(loaded.problems.first?.name == name)
        let line = loaded.problems.first?.description ?? ""
        #expect(line.hasPrefix("\(name)='"))
        #expect(line.contains(" is wrong: expected "))
        #expect(line.contains(right), "\(line)")
        #expect(!line.contains("\n"))
        // SCP_ARGUMENTS points at the one option; all others show the whole value.
        if name != "SCP_ARGUMENTS", !value.contains("\n") { #expect(line.hasPrefix("\(name)='\(value)' ")) }
        #expect(loaded.settings == Settings())
    }

    @Test func `a flag is read as its setting, and its problem bears the flag's name`() throws {
        var settings = Settings()
        try settings.set("PCAP_FILE_BYTES", "4M", flag: "--bytes")
        #expect(settings.fileBytes == 4 << 20)
        let problem = #expect(throws: SettingProblem.self) { try settings.set("PCAP_FILE_BYTES", "0", flag: "--bytes") }
        #expect(problem?.name == "--bytes")
        #expect(settings.fileBytes == 4 << 20)
    }
}
