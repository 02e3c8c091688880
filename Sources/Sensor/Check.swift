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

struct Check: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check", abstract: "Tries everything the sensor will need, and says what is wrong.", discussion: SettingsTable.help())

    @Flag(help: "An array of {check, state, detail} instead of lines.") var json = false
    @Flag(help: "Makes the file .sensor-target in a local target directory.") var makeTarget = false

    func run() throws {
        let report = CheckReport(isJSON: json)
        let loaded = Environment.load { (settings: inout Settings) throws(SettingProblem) in _ = try RunAccount.choose(settings) }
        for problem in loaded.problems { report.tell(CheckResult(.fail, "settings", problem.description)) }
        if !loaded.problems.isEmpty {
            report.end()
            throw ExitCode(ExitStatus.wrongSetting)
        }
        report.tell(CheckResult(.ok, "settings", "all are right"))
        for warning in loaded.warnings { report.tell(CheckResult(.warn, "settings", warning)) }
        try Trials(settings: loaded.settings, makeTarget: makeTarget, tell: report.tell).run()
        report.end()
        if report.hasFailed { throw ExitCode(ExitStatus.failed) }
    }
}

/// A line as soon as it is known; or all at the end.
private final class CheckReport {
    private let isJSON: Bool
    private var results: [CheckResult] = []
    var hasFailed: Bool { results.contains { $0.state == .fail } }

    init(isJSON: Bool) { self.isJSON = isJSON }

    func tell(_ result: CheckResult) {
        results.append(result)
        if !isJSON { say(result.text + "\n") }
    }
    func end() { if isJSON { say(CheckResult.json(results)) } }
}

/// The trials in the order in which a sensor needs the things.
private struct Trials {
    let settings: Settings
    let makeTarget: Bool
    let tell: (CheckResult) -> Void

    private var uploadPort: UInt16 { settings.arguments.port ?? 22 }

    func run() throws {
        becomeUser()
        tryDataDirectory()
        tryKey()
        let (interfaces, doubt) = InterfaceChoice.resolve(settings.interfaces)
        if let doubt { tell(CheckResult(.warn, "interface", doubt)) }
        if settings.filter == nil { tell(CheckResult(.ok, "filter", "none: every packet is recorded")) }
        for interface in interfaces {
            InterfaceTrial.run(interface, promiscuous: settings.promiscuous, filter: settings.filter, uploadPort: uploadPort).forEach(tell)
        }
        try tryTarget(recorded: interfaces)
    }

    /// What root may do says nothing about the user that `run` becomes.
    private func becomeUser() {
        guard let account = try? RunAccount.choose(settings) else { return }
        let owner = try? Directory(settings.dataDirectory).status(".")?.owner
        if account.uid != 0, let owner, owner != account.uid {
            return tell(
                CheckResult(
                    .warn, "user",
                    "\(settings.dataDirectory) is not \(account.name)'s yet: `run` gives it to that user; until then root tries all this"))
        }
        do {
            _ = try RunAccount.enter(account)
            tell(
                account.uid == 0
                    ? CheckResult(.warn, "user", "root: set SENSOR_USER to one that owns nothing but the data directory")
                    : CheckResult(.ok, "user", "\(account.name), as all of `run` will be"))
        } catch { tell(CheckResult(.fail, "user", "\(error)")) }
    }

    private func tryDataDirectory() {
        let path = settings.dataDirectory
        if ContainerLayer.vanishes(path: path) {
            tell(
                CheckResult(
                    .warn, "data directory",
                    "\(path) lies on the container's own layer: key and undelivered files vanish with the container; run it with -v sensor:\(path)"
                ))
        }
        do throws(SystemError) {
            let directory = try Directory(path)
            let holder = try DataDirectory.lockHolder(in: directory)
            tell(
                CheckResult(
                    .ok, "data directory", "\(path), \(holder.map { "used by a running sensor (\($0))" } ?? "used by no sensor now")"))
            if let problem = DataDirectory.problem(state: "\(path)/state") { tell(CheckResult(.fail, "data directory", "\(problem)")) }
            let spool = try directory.status("spool") == nil ? path : "\(path)/spool"
            DiskTrial.run(in: spool, budget: settings.budget, fileBytes: settings.fileBytes).forEach(tell)
        } catch {
            tell(
                CheckResult(
                    .fail, "data directory",
                    error.code == ENOENT
                        ? "\(path) is not there: `sensor print-key` or the first `sensor run` makes it, or set SENSOR_DATA_DIR"
                        : "\(error); expected a directory that this user may write (SENSOR_DATA_DIR)"))
        }
    }

    private func tryKey() {
        // A local target takes none.
        if case .directory? = settings.target { return }
        let path = "\(settings.dataDirectory)/id_ed25519"
        let named = settings.arguments.identityFiles.map(Environment.expand)
        if named.isEmpty, unsafe access(path, F_OK) != 0, [ENOENT, ENOTDIR].contains(errno) {
            return tell(
                CheckResult(.fail, "key", "there is none yet: `sensor print-key` or the first `sensor run` makes \(path) and prints it"))
        }
        for path in named.isEmpty ? [path] : named { tryKey(path) }
    }

    private func tryKey(_ path: String) {
        do throws(KeyProblem) {
            let key = try KeyInspection(path: path, rsaUsable: SSHLibrary.signsRSAWithSHA2, hasAgent: Environment.hasAgent)
            if let warning = key.warning { return tell(CheckResult(.warn, "key", warning)) }
            let words = "\(path)\(key.publicKey.map { ", \($0.type) \($0.fingerprint)" } ?? "")"
            tell(CheckResult(.ok, "key", key.use == .file ? words : "\(words), by the agent of SSH_AUTH_SOCK"))
        } catch { tell(CheckResult(.fail, "key", "\(error)")) }
    }

    private func tryTarget(recorded: [String]) throws {
        guard let target = settings.target else {
            return tell(CheckResult(.fail, "target", "there is none: set SCP_TARGET=user@host:/dir, or a local directory"))
        }
        if makeTarget {
            if case .directory(let path) = target {
                do throws(SystemError) { try LocalTarget.mark(path) } catch { return tell(CheckResult(.fail, "target", "\(error)")) }
            } else {
                tell(CheckResult(.warn, "target", "--make-target is for a local directory, and SCP_TARGET is none"))
            }
        }
        let data = settings.dataDirectory
        var trial = try TargetTrial(
            settings.shipOptions(to: target, spool: "\(data)/spool", state: "\(data)/state"), sensor: sensorName, tell: tell)
        trial.run()
        ExclusionTrial.run(
            addresses: trial.addresses, port: uploadPort, sources: settings.excludeShipping ? settings.sourcePorts : nil, recorded: recorded
        ).forEach(tell)
    }

    /// The name that the sensor has, or none as long as it has none.
    private var sensorName: String {
        if let name = settings.sensorName { return name }
        guard let bytes = try? Directory(settings.dataDirectory).read("name") else { return "new" }
        return SpoolName.escape(String(decoding: bytes, as: UTF8.self).filter { !$0.isWhitespace }.prefix(64).description)
    }
}
