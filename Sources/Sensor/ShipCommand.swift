import ArgumentParser
import Events
import Glibc
import Linux
import Settings
import Shipper

struct ShipCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ship", abstract: "Delivers finished pcap files (by hand, for debugging).", discussion: SettingsTable.help())

    @Flag(help: "Delivers what is there and ends: 0 all delivered, 1 anything left.") var once = false
    @Flag(help: "Says what would be delivered, in which order, and sends nothing.") var dryRun = false
    @Option(help: "Where finished files are; state is kept in .state below it.") var spool: String?
    @Option(help: "user@host:/dir or a local directory.") var target: String?
    @Option(parsing: .unconditional, help: "scp's options.") var arguments: String?
    @Option(help: "Private key.") var key: String?
    @Option(help: "Host keys.") var knownHosts: String?
    @Option(help: "Bytes per second at most (K, M, G).") var rate: String?
    @Flag(help: .hidden) var supervised = false

    func run() throws {
        let settings = try Environment.settings(warn: !supervised, keyFlag: key != nil) {
            (settings: inout Settings) throws(SettingProblem) in
            if let target { try settings.set("SCP_TARGET", target, flag: "--target") }
            if let arguments { try settings.set("SCP_ARGUMENTS", arguments, flag: "--arguments") }
            if let rate { try settings.set("SCP_RATE", rate, flag: "--rate") }
            if let key { settings.arguments.identityFile = key }
            if case .directory(let path)? = settings.target, let spool, let same = Environment.overlap(path, with: spool) {
                throw SettingProblem("--target", path, "a directory outside the spool \(same): files would be delivered onto themselves")
            }
        }
        guard let target = settings.target else { throw Environment.missingTarget() }
        if let spool, (try? Directory(spool)) == nil {
            complain("--spool='\(spool)' is wrong: expected a directory that can be read")
            throw ExitCode(ExitStatus.failed)
        }
        let place = try Place(settings, directory: spool)
        var options = settings.shipOptions(to: target, spool: place.spool, state: place.state)
        if let knownHosts { options.knownHostsFiles = [knownHosts] }
        options.interval = Double(settings.interval)
        options.once = once
        options.isSupervised = supervised
        options.showsProgress = !supervised && isatty(2) == 1
        options.face = settings.logFace
        if dryRun { throw ExitCode(DryRun.run(options)) }
        do {
            var worker = try ShipWorker(options)
            let code = worker.run()
            if code != 0 { throw ExitCode(code) }
        } catch let error as ExitCode { throw error } catch {
            if supervised {
                WorkerLog(settings.logFace).say(Event(.erro, "ship_failed", "\(error)", ["reason": .text("\(error)")]))
            } else {
                complain("\(error)")
            }
            throw ExitCode(ExitStatus.failed)
        }
    }
}

extension Settings {
    /// Where and how to deliver.
    func shipOptions(to target: Target, spool: String, state: String) -> ShipOptions {
        var options = ShipOptions(
            spool: spool, state: state, target: target,
            keyFiles: arguments.identityFiles.isEmpty ? ["\(dataDirectory)/id_ed25519"] : arguments.identityFiles.map(Environment.expand),
            knownHostsFiles: knownHostsFiles)
        options.arguments = arguments
        options.pinnedHostKeys = pinnedHostKeys
        options.sourcePorts = sourcePorts
        options.rate = rate
        options.hours = hours
        return options
    }

    /// Where host keys are looked for; the first is learned into. Nowhere (`none`, /dev/null) would forget a key between two
    /// connections and so accept a changed one: the data directory's file is taken then.
    var knownHostsFiles: [String] {
        let given = arguments.knownHostsFiles
        let files = given.filter { $0 != "/dev/null" }.map(Environment.expand)
        return given.first == nil || given.first == "/dev/null" ? ["\(dataDirectory)/known_hosts"] + files : files
    }
}
