import ArgumentParser
import Capture
import Events
import Linux
import Supervisor

/// Tells `run` which interfaces `PCAP_INTERFACE=any` means. Nothing for a user.
struct WatchCommand: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "watch", shouldDisplay: false)

    @Flag(help: .hidden) var supervised = false

    func run() throws {
        guard supervised else { throw ValidationError("watch is a program of run's") }
        let face = try Environment.settings(warn: false).logFace
        let channel = Descriptor(owning: Roster.channel)
        do {
            try InterfaceWatch(face: face, channel: channel.number) { entries in
                try channel.writeAll(Roster.encode(entries.map { Roster.Entry($0.name, joins: $0.isUp) }))
            }.run()
        } catch {
            let words = "\(error)"
            WorkerLog(face).say(Event(.erro, "watch_failed", words, ["reason": .text(words)]))
            throw ExitCode(ExitStatus.failed)
        }
    }
}
