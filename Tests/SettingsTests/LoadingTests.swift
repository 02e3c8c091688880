import Testing

@testable import Settings

/// What reading the whole environment promises.
struct LoadingTests {
    @Test func `without a variable every setting has its documented default and nothing is wrong`() {
        let loaded = Settings.load([:])
        #expect(loaded.problems.isEmpty)
        #expect(loaded.warnings.isEmpty)
        let s = loaded.settings
        #expect(s.interfaces == [])
        #expect(s.snaplen == 0)
        #expect(s.fileSeconds == 60)
        #expect(s.fileBytes == 268_435_456)
        #expect(s.fileRotate == 0)
        #expect(s.filter == nil)
        #expect(s.sensorName == nil)
        #expect(s.ringBytes == 67_108_864)
        #expect(s.promiscuous)
        #expect(s.excludeShipping)
        #expect(s.target == nil)
        #expect(s.arguments == SCPArguments())
        #expect(s.pinnedHostKeys == [])
        #expect(s.sourcePorts == 60872...60887)
        #expect(s.rate == nil)
        #expect(s.interval == 300)
        #expect(s.dataDirectory == "/data")
        #expect(s.spoolBytes == nil)
        #expect(s.spoolFree == .automatic)
        #expect(s.user == nil)
        #expect(s.log == .text)
        #expect(s.metricsFile == nil)
        #expect(s.socket == nil)
    }

    @Test func `an env file of the original sensor works unchanged`() {
        // docker's --env-file knows no quotes: everything after the first = is the value, blanks too.
        let file = """
            PCAP_INTERFACE=eth0
            PCAP_CAPTURE_SIZE=0
            PCAP_FILE_SIZE=50
            PCAP_FILE_ROTATE=100
            PCAP_BPF_FILTER=not port 22 and not port 1194
            PCAP_SENSOR_NAME=boogey
            SCP_TARGET=xavier@moloch:/data/tcpdump
            SCP_ARGUMENTS=-P 65522 -o StrictHostKeyChecking=no
            """
        var environment: [String: String] = [:]
        for line in file.split(separator: "\n") {
            let parts = line.split(separator: "=", maxSplits: 1)
            environment[String(parts[0])] = String(parts[1])
        }
        let loaded = Settings.load(environment)
        #expect(loaded.problems.isEmpty)
        #expect(loaded.warnings.isEmpty)
        let s = loaded.settings
        #expect(s.interfaces == ["eth0"])
        #expect(s.snaplen == 0)
        #expect(s.fileSeconds == 50)
        #expect(s.fileRotate == 100)
        #expect(s.filter == "not port 22 and not port 1194")
        #expect(s.sensorName == "boogey")
        #expect(s.target == .ssh(SSHTarget(user: "xavier", host: "moloch", directory: "/data/tcpdump")))
        #expect(s.arguments.port == 65522)
        #expect(s.arguments.strictHostKeyChecking == .no)
    }

    @Test func `quotes around a filter are part of it, as docker passes them`() {
        let loaded = Settings.load(["PCAP_BPF_FILTER": "\"not port 22\""])
        #expect(loaded.settings.filter == "\"not port 22\"")
    }

    @Test func `an empty variable is not set`() {
        let names = SettingDeclaration.all.flatMap { [$0.name] + $0.aliases } + ["INDEXER"]
        let loaded = Settings.load(Dictionary(uniqueKeysWithValues: names.map { ($0, "") }))
        #expect(loaded.problems.isEmpty)
        #expect(loaded.settings == Settings())
    }

    @Test func `PCAP_SNAPLEN is another name of PCAP_CAPTURE_SIZE`() {
        #expect(Settings.load(["PCAP_SNAPLEN": "96"]).settings.snaplen == 96)
        let both = Settings.load(["PCAP_SNAPLEN": "96", "PCAP_CAPTURE_SIZE": "96"])
        #expect(both.problems.isEmpty)
        #expect(both.settings.snaplen == 96)
    }

    @Test func `both names with different values are one problem that names both`() {
        let loaded = Settings.load(["PCAP_SNAPLEN": "96", "PCAP_CAPTURE_SIZE": "128"])
        #expect(
            loaded.problems.map(\.description) == [
                "PCAP_SNAPLEN='96' is wrong: expected the same as PCAP_CAPTURE_SIZE='128', or only one of them"
            ])
    }

    @Test func `a wrong value under the other name is reported under that name`() {
        #expect(Settings.load(["PCAP_SNAPLEN": "many"]).problems.map(\.name) == ["PCAP_SNAPLEN"])
    }

    @Test func `INDEXER is a problem that says what to set instead`() {
        let loaded = Settings.load(["INDEXER": "moloch:8001"])
        #expect(loaded.problems.count == 1)
        let line = loaded.problems.first?.description ?? ""
        #expect(line.contains("INDEXER='moloch:8001'"))
        #expect(line.contains("SCP_TARGET=user@host:/dir"))
    }

    @Test(arguments: [
        ("PCAP_INTERFACES", "PCAP_INTERFACE"), ("PCAP_FILTER", "PCAP_BPF_FILTER"), ("PCAP_FILESIZE", "PCAP_FILE_SIZE"),
        ("SCP_TARGT", "SCP_TARGET"), ("SCP_HOSTKEY", "SCP_HOST_KEY"), ("SENSOR_LOGS", "SENSOR_LOG"),
        ("SENSOR_DATADIR", "SENSOR_DATA_DIR"), ("SCP_SOURCE_PORT", "SCP_SOURCE_PORTS"),
    ])
    func `an unknown variable is a warning that names it and the nearest known one`(unknown: String, nearest: String) {
        let loaded = Settings.load([unknown: "x"])
        #expect(loaded.problems.isEmpty)
        #expect(loaded.warnings == ["\(unknown) is not a setting and means nothing here; the nearest one is \(nearest)"])
    }

    @Test func `what Kubernetes injects and what others own is passed over in silence`() {
        let loaded = Settings.load([
            "SENSOR_SERVICE_HOST": "10.0.0.1", "SENSOR_SERVICE_PORT": "80", "SENSOR_SERVICE_PORT_HTTP": "80",
            "SENSOR_PORT": "tcp://10.0.0.1:80", "SENSOR_PORT_80_TCP": "tcp://10.0.0.1:80",
            "SENSOR_PORT_80_TCP_ADDR": "10.0.0.1", "PATH": "/bin", "HOME": "/", "PCAPINTERFACE": "x", "MY_SCP_TARGET": "x",
        ])
        #expect(loaded.problems.isEmpty)
        #expect(loaded.warnings.isEmpty)
        #expect(loaded.settings == Settings())
    }

    @Test func `all that is wrong is reported at once, and what is right is still read`() {
        let loaded = Settings.load([
            "PCAP_FILE_SIZE": "0", "PCAP_RING_BYTES": "huge", "SCP_TARGET": "somewhere", "SCP_ARGUMENTS": "-z",
            "SENSOR_LOG": "xml", "INDEXER": "h:1", "PCAP_SENSOR_NAME": "boogey", "SCP_RAT": "1",
        ])
        #expect(
            Set(loaded.problems.map(\.name)) == [
                "PCAP_FILE_SIZE", "PCAP_RING_BYTES", "SCP_TARGET", "SCP_ARGUMENTS", "SENSOR_LOG", "INDEXER",
            ])
        #expect(loaded.problems.count == 6)
        #expect(loaded.warnings.count == 1)
        #expect(loaded.settings.sensorName == "boogey")
    }

    @Test func `a value with control characters cannot make a second line out of its problem`() {
        let loaded = Settings.load(["SENSOR_LOG": "json\nINFO all is well\u{1b}[2J\u{85}"])
        #expect(
            loaded.problems.map(\.description) == [
                "SENSOR_LOG='json\\x0aINFO all is well\\x1b[2J\\x85' is wrong: expected text or json"
            ])
    }

    @Test func `help and the Markdown table list every setting once, with its form and default`() {
        let help = SettingsTable.help().split(separator: "\n")
        let rows = SettingsTable.markdown().split(separator: "\n").dropFirst(2)
        #expect(rows.count == SettingDeclaration.all.count)
        #expect(Set(SettingDeclaration.all.map(\.name)).count == SettingDeclaration.all.count)
        for setting in SettingDeclaration.all {
            let names = [setting.name] + setting.aliases
            let heads = help.filter { $0.hasPrefix("  \(names.joined(separator: ", "))  (") }
            #expect(heads.count == 1, "\(setting.name)")
            #expect(heads.allSatisfy { $0.contains(setting.form) && $0.hasSuffix("default: \(setting.defaultText))") })
            let row = rows.filter { $0.hasPrefix("| " + names.map { "`\($0)`" }.joined(separator: ", ") + " |") }
            #expect(row.count == 1, "\(setting.name)")
            #expect(row.allSatisfy { $0.contains(setting.summary) && $0.contains(setting.form) && $0.contains(setting.defaultText) })
        }
    }

    @Test func `the Markdown table has four columns in every row`() {
        for row in SettingsTable.markdown().split(separator: "\n") {
            #expect(row.split(separator: "|", omittingEmptySubsequences: false).count == 6, "\(row)")
        }
    }

    @Test func `the interface's settings are all declared, and no more`() {
        #expect(
            SettingDeclaration.all.map(\.name) == [
                "PCAP_INTERFACE", "PCAP_CAPTURE_SIZE", "PCAP_FILE_SIZE", "PCAP_FILE_BYTES", "PCAP_FILE_ROTATE", "PCAP_BPF_FILTER",
                "PCAP_SENSOR_NAME", "PCAP_RING_BYTES", "PCAP_PROMISCUOUS", "PCAP_EXCLUDE_SHIPPING", "SCP_TARGET", "SCP_ARGUMENTS",
                "SCP_HOST_KEY", "SCP_SOURCE_PORTS", "SCP_RATE", "SCP_INTERVAL", "SCP_HOURS", "SENSOR_DATA_DIR", "SENSOR_SPOOL_BYTES",
                "SENSOR_SPOOL_FREE", "SENSOR_USER", "SENSOR_LOG", "SENSOR_METRICS_FILE", "SENSOR_SOCKET",
            ])
    }
}
