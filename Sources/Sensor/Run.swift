import ArgumentParser
import Capture
import Events
import Evidence
import Glibc
import Keygen
import Linux
import Settings
import Shipper
import Spool
import Supervisor

struct Run: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run", abstract: "Makes the key, records, delivers; until SIGTERM or SIGINT.", discussion: SettingsTable.help())

    /// Workers of a `run` that was killed need so long to end.
    private static let leftovers = 10.0

    private static let endings = [SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGPWR]

    func run() throws {
        // Process 1 would lose them, any other die of them, until the supervisor listens.
        SignalDescriptor.hold(Self.endings)
        let settings = try Environment.settings(warn: false) { (settings: inout Settings) throws(SettingProblem) in
            _ = try RunAccount.choose(settings)
        }
        guard settings.target != nil else { throw Environment.missingTarget() }
        let face = settings.logFace
        func log(_ event: Event) { StartLog.log(event, face) }
        do {
            let account = try RunAccount.choose(settings)
            let data = try DataDirectory(settings.dataDirectory)
            if let account, account.uid != 0 { try data.give(to: account) }
            if settings.socket == nil { ControlPlace.prepare(for: account) }
            var change = Event?.none
            if let account { change = try RunAccount.enter(account) }
            guard let lock = try data.lock(patience: Self.leftovers, isTold: { SignalDescriptor.isHeld(Self.endings) }) else { return }
            try data.prepare()
            let name = try data.sensorName(settings.sensorName)
            let pair = try KeyPair.ensure(
                in: data.path, sensorName: name, rsaUsable: SSHLibrary.signsRSAWithSHA2,
                hasAgent: Environment.hasAgent)
            if pair.isNew { show(pair, face) }
            if let change { log(change) }
            if let warning = pair.warning { log(Event(.warn, "key_exposed", warning, ["file": .text(pair.privateKeyPath)])) }
            for (name, value) in [("SENSOR_METRICS_FILE", settings.metricsFile)] where value != nil {
                log(Event(.warn, "setting_unused", "\(name) is set, but this version does not use it yet", ["name": .text(name)]))
            }
            for warning in Settings.load(Environment.all()).warnings { log(Event(.warn, "setting_unknown", warning)) }
            if ContainerLayer.vanishes(path: data.path) {
                log(
                    Event(
                        .warn, "volume_missing",
                        "\(data.path) lies on the container's own layer: key and undelivered files vanish with the container; run it with -v sensor:\(data.path)",
                        ["directory": .text(data.path)]))
            }
            let (interfaces, doubt) = InterfaceChoice.resolve(settings.interfaces)
            if let doubt { log(Event(.warn, "interface_chosen", doubt, ["interface": .text(interfaces.joined(separator: ","))])) }
            let series = try DataDirectory.series(state: data.state)
            for event in try OrphanedFiles.finish(except: interfaces, spool: data.spool, state: data.state, series: series) { log(event) }
            let spool = data.spool
            var options = SupervisorOptions()
            let listener = ControlPlace.listen(
                ControlPlace.candidates(setting: settings.socket, dataDirectory: data.path), &options.serverURL
            ) {
                log(Event(.warn, "control_missing", "no control socket: \($0)", ["reason": .text($0)]))
            }
            options.log.face = face
            options.exitsOnFatal = true
            let programs = Programs(interfaces: interfaces, settings: settings, isFallback: doubt != nil, lock: lock)
            var supervisor = try Supervisor(
                programs.groups, options: options, listener: listener,
                hooks: .init(
                    farewell: { [Programs.farewell(undelivered: DataDirectory.undelivered(spool: spool))] }, members: programs.members))
            if case .exit(let code) = try supervisor.run(), code != 0 { throw ExitCode(code) }
        } catch let error as ExitCode { throw error } catch let error as KeyProblem {
            complain("\(error)")
            throw ExitCode(error.mayPass ? ExitStatus.failed : ExitStatus.wrongSetting)
        } catch let error as SettingProblem {
            complain("\(error)")
            throw ExitCode(ExitStatus.wrongSetting)
        } catch {
            complain("\(error)")
            throw ExitCode(ExitStatus.failed)
        }
    }

    private func show(_ pair: KeyPair, _ face: LogFace) {
        switch face {
        case .text: StartLog.show(KeyBlock.text(pair.publicKey))
        case .json:
            StartLog.log(
                Event(
                    .info, "key_created", "Please use this key to allow PCAP files transfert via scp: \(pair.publicKey.line)",
                    ["key": .text(pair.publicKey.line), "fingerprint": .text(pair.publicKey.fingerprint)]), face)
        }
    }
}

/// Lines before the supervisor has the log.
enum StartLog {
    static func log(_ event: Event, _ face: LogFace) { show(face.line(event, at: .now())) }
    /// A reader that stalls must not keep anything from being recorded.
    static func show(_ text: String) { Console.write(text, to: 1, patience: patience) }
}
