import CLinux
import Events
import Linux
import Spool

/// What is recorded of what passes: the user's filter without the own upload, as one program in the kernel.
struct Recording {
    private let filter: FilterProgram?
    private let sources: ClosedRange<UInt16>?
    /// What is left out, as text.
    private(set) var excluded: String?

    init(filter: FilterProgram?, sources: ClosedRange<UInt16>?) {
        self.filter = filter
        self.sources = sources
    }

    /// Before the first packet.
    mutating func begin(_ state: borrowing Directory, on handle: borrowing PcapHandle) throws(PcapError) -> Event? {
        excluded = try? OwnUpload.expression(sources, in: state, on: handle)
        guard let program = try program(excluded, on: handle) else { return nil }
        return try handle.install(program).map { Event(.warn, "filter_in_user_space", $0) }
    }

    /// What would be left out now; nil where nothing has changed.
    func change(_ state: borrowing Directory, on handle: borrowing PcapHandle) throws(PcapError) -> String?? {
        let wanted = try OwnUpload.expression(sources, in: state, on: handle)
        return wanted == excluded ? .none : .some(wanted)
    }

    /// On a running capture: in one step, and without libpcap's draining, which would lose packets.
    mutating func leaveOut(_ wanted: String?, on handle: borrowing PcapHandle) throws {
        let program = try program(wanted, on: handle) ?? .everything(snaplen: UInt32(PcapFormat.maximumSnaplen))
        try handle.attach(program)
        excluded = wanted
    }

    private func program(_ excluded: String?, on handle: borrowing PcapHandle) throws(PcapError) -> FilterProgram? {
        guard let excluded else { return filter }
        return (filter ?? .everything(snaplen: UInt32(PcapFormat.maximumSnaplen))).without(try handle.compile(excluded))
    }
}
