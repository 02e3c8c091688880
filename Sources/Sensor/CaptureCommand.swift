import ArgumentParser
import Capture
import Events
import Glibc
import Settings
import Spool

struct CaptureCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "capture", abstract: "Records one interface into finished pcap files (by hand, for debugging).",
        discussion: SettingsTable.help())

    @Option(name: [.customShort("i"), .long], parsing: .unconditional, help: "Interface to record.") var interface: String?
    @Option(name: [.customShort("w"), .long], help: "Where the files go; state is kept in .state below it.") var directory: String?
    @Option(name: [.customShort("G"), .long], help: "Seconds per file.") var seconds: Int?
    @Option(name: [.customShort("C"), .long], help: "Rotate at this size, too (K, M, G).") var bytes: String?
    @Option(name: [.customShort("s"), .long], help: "Bytes kept of a packet, 0 = all.") var snaplen: Int?
    @Option(name: [.customShort("B"), .long], help: "Kernel ring (K, M, G).") var ring: String?
    @Option(name: [.customShort("c"), .long], help: "Ends after so many packets.") var count: UInt64?
    @Option(help: "The sensor's name in file names.") var name: String?
    @Flag(name: [.customShort("p"), .customLong("no-promiscuous-mode")], help: "Only what is meant for this host.") var isPlain = false
    @Option(help: "So many finished files at most, the oldest go; 0 = no limit.") var rotate: Int?
    @Option(help: "Bytes of finished files at most (K, M, G).") var spoolBytes: String?
    @Option(help: "Bytes (K, M, G) or percent of the disk left free.") var spoolFree: String?
    @Option(help: "Leave out the own upload, yes or no.") var excludeShipping: String?
    @Option(help: "The shipper's source ports, FIRST-LAST.") var sourcePorts: String?
    @Flag(help: .hidden) var supervised = false
    @Argument(parsing: .remaining, help: "pcap-filter(7) text.") var filter: [String] = []

    func run() throws {
        let settings = try Environment.settings(warn: !supervised) { (settings: inout Settings) throws(SettingProblem) in
            if count == 0 { throw SettingProblem("--count", "0", "a number of packets from 1") }
            if directory == "" { throw SettingProblem("--directory", "", "a directory") }
            if let interface {
                // One name as it is: a comma is legal in it.
                guard (1...15).contains(interface.utf8.count), !interface.contains("/") else {
                    throw SettingProblem("--interface", interface, "an interface name of 1 to 15 bytes")
                }
                settings.interfaces = [interface]
            }
            if let seconds { try settings.set("PCAP_FILE_SIZE", String(seconds), flag: "--seconds") }
            if let bytes { try settings.set("PCAP_FILE_BYTES", bytes, flag: "--bytes") }
            if let snaplen { try settings.set("PCAP_CAPTURE_SIZE", String(snaplen), flag: "--snaplen") }
            if let ring { try settings.set("PCAP_RING_BYTES", ring, flag: "--ring") }
            if let name { try settings.set("PCAP_SENSOR_NAME", name, flag: "--name") }
            if isPlain { settings.promiscuous = false }
            if let rotate { try settings.set("PCAP_FILE_ROTATE", String(rotate), flag: "--rotate") }
            if let spoolBytes { try settings.set("SENSOR_SPOOL_BYTES", spoolBytes, flag: "--spool-bytes") }
            if let spoolFree { try settings.set("SENSOR_SPOOL_FREE", spoolFree, flag: "--spool-free") }
            if let excludeShipping { try settings.set("PCAP_EXCLUDE_SHIPPING", excludeShipping, flag: "--exclude-shipping") }
            if let sourcePorts { try settings.set("SCP_SOURCE_PORTS", sourcePorts, flag: "--source-ports") }
            if !filter.isEmpty { settings.filter = filter.joined(separator: " ") }
        }
        let interfaces = supervised ? settings.interfaces : InterfaceChoice.resolve(settings.interfaces).interfaces
        guard interfaces.count == 1, let interface = interfaces.first else {
            complain(
                "PCAP_INTERFACE='\(settings.interfaces.joined(separator: ","))' is wrong here: expected one interface; `sensor run` records several"
            )
            throw ExitCode(ExitStatus.wrongSetting)
        }
        let place = try Place(settings, directory: directory)
        var options = CaptureOptions(
            interface: interface, spool: place.spool, state: place.state, sensor: place.sensorName,
            series: try DataDirectory.series(state: place.state))
        options.snaplen = settings.snaplen
        options.ring = settings.ringBytes
        options.promiscuous = settings.promiscuous
        options.seconds = settings.fileSeconds
        options.bytes = settings.fileBytes
        options.filter = settings.filter
        options.excludedSources = settings.excludeShipping ? settings.sourcePorts : nil
        options.budget = settings.budget
        options.count = count
        options.isSupervised = supervised
        options.showsProgress = !supervised && isatty(2) == 1
        options.face = settings.logFace
        do {
            let summary = try CaptureWorker(options).run()
            if !supervised {
                complain(
                    "\(summary.captured) packets captured\n\(summary.received) packets received by filter\n\(summary.dropped) packets dropped by kernel"
                )
                // Said only where there is something to say: the three lines are what scripts know.
                if summary.droppedByInterface > 0 { complain("\(summary.droppedByInterface) packets dropped by interface") }
                if summary.lostToDisk > 0 { complain("\(summary.lostToDisk) packets lost to the disk") }
            }
            if summary.exitCode != 0 { throw ExitCode(summary.exitCode) }
        } catch let error as ExitCode { throw error } catch {
            try fail(error, settings)
        }
    }

    private func fail(_ error: any Error, _ settings: Settings) throws -> Never {
        let words = "\(error)"
        if supervised {
            WorkerLog(settings.logFace).say(Event(.erro, "capture_failed", words, ["reason": .text(words)]))
        } else {
            complain(words)
        }
        throw ExitCode((error as? PcapError)?.kind == .filter && !PcapFilter.mayPass(words) ? ExitStatus.wrongSetting : ExitStatus.failed)
    }
}

/// Where a worker keeps its files: in a directory given by hand, or in the data directory.
struct Place {
    let spool: String
    let state: String
    let sensorName: String

    init(_ settings: Settings, directory: String?) throws {
        do {
            if let directory {
                spool = directory
                state = directory + "/.state"
                try DataDirectory.prepare(state: state)
                sensorName = try DataDirectory.sensorName(settings.sensorName, state: state)
            } else {
                let data = try DataDirectory(settings.dataDirectory)
                try data.prepare()
                spool = data.spool
                state = data.state
                sensorName = try data.sensorName(settings.sensorName)
            }
        } catch {
            complain("\(error)")
            throw ExitCode(ExitStatus.failed)
        }
    }
}

extension Settings {
    var logFace: LogFace { log == .json ? .json : .text }
    var budget: BudgetSettings { BudgetSettings(files: fileRotate, bytes: spoolBytes, free: budgetFree) }
    private var budgetFree: BudgetSettings.Free {
        switch spoolFree {
        case .automatic: return .automatic
        case .bytes(let bytes): return .bytes(bytes)
        case .percent(let percent): return .percent(percent)
        }
    }
}
