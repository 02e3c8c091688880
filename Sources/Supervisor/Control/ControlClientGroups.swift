/// add, remove, reread, update: groups and the configuration file.
extension ControlClientCommands {
    mutating func add(_ argument: String) throws(Failure) {
        for name in Self.words(argument) {
            do throws(Failure) {
                _ = try call("addProcessGroup", [.string(name)])
                doors.output("\(name): added process group")
            } catch .call(.fault(let fault)) {
                switch fault.code {
                case ControlFault.shutdownState.code: fail("ERROR: shutting down")
                case ControlFault.alreadyAdded.code: doors.output("ERROR: process group already active")
                case ControlFault.badName.code: fail("ERROR: no such process/group: \(name)")
                default: throw .call(.fault(fault))
                }
            }
        }
    }

    mutating func remove(_ argument: String) throws(Failure) {
        for name in Self.words(argument) {
            do throws(Failure) {
                _ = try call("removeProcessGroup", [.string(name)])
                doors.output("\(name): removed process group")
            } catch .call(.fault(let fault)) {
                switch fault.code {
                case ControlFault.stillRunning.code: fail("ERROR: process/group still running: \(name)")
                case ControlFault.badName.code: fail("ERROR: no such process/group: \(name)")
                default: throw .call(.fault(fault))
                }
            }
        }
    }

    mutating func reread(_ argument: String) throws(Failure) {
        guard !refusesArguments(argument, "reread") else { return }
        do throws(Failure) {
            let changes = try reloadConfig()
            let lines =
                changes.added.map { ($0, "available") } + changes.changed.map { ($0, "changed") }
                + changes.removed.map { ($0, "disappeared") }
            for (name, change) in lines.sorted(by: { $0.0.unicodeScalars.lexicographicallyPrecedes($1.0.unicodeScalars) }) {
                doors.output("\(name): \(change)")
            }
            if lines.isEmpty { doors.output("No config updates to processes") }
        } catch .call(.fault(let fault)) where fault.code == ControlFault.shutdownState.code {
            fail("ERROR: supervisor shutting down")
        } catch .call(.fault(let fault)) where fault.code == ControlFault.cantReread.code {
            fail("ERROR: \(fault.text)")
        }
    }

    /// Only named groups, if any; `all` names none. Not stopped in between: what was done before a failure stays done.
    mutating func update(_ argument: String) throws(Failure) {
        let changes: (added: [String], changed: [String], removed: [String])
        do throws(Failure) {
            changes = try reloadConfig()
        } catch .call(.fault(let fault)) where fault.code == ControlFault.shutdownState.code {
            return fail("ERROR: already shutting down")
        }
        var wanted = Set(Self.words(argument))
        if wanted.contains("all") { wanted = [] }
        try refuseUnknown(wanted, in: Self.words(argument), added: changes.added)
        let isWanted = { (group: String) in wanted.isEmpty || wanted.contains(group) }

        for group in changes.removed.filter(isWanted) {
            let results = try list("stopProcessGroup", [.string(group)])
            doors.output("\(group): stopped")
            if results.contains(where: { $0["status"]?.number == ControlFault.failed.code }) {
                fail("\(group): has problems; not removing")
                continue
            }
            _ = try call("removeProcessGroup", [.string(group)])
            doors.output("\(group): removed process group")
        }
        for group in changes.changed.filter(isWanted) {
            _ = try call("stopProcessGroup", [.string(group)])
            doors.output("\(group): stopped")
            _ = try call("removeProcessGroup", [.string(group)])
            _ = try call("addProcessGroup", [.string(group)])
            doors.output("\(group): updated process group")
        }
        for group in changes.added.filter(isWanted) {
            _ = try call("addProcessGroup", [.string(group)])
            doors.output("\(group): added process group")
        }
    }

    private mutating func refuseUnknown(_ wanted: Set<String>, in words: [String], added: [String]) throws(Failure) {
        guard !wanted.isEmpty else { return }
        let known = Set(try list("getAllProcessInfo").compactMap { $0["group"]?.text } + added)
        var told: Set<String> = []
        for name in words where !known.contains(name) && told.insert(name).inserted { fail("ERROR: no such group: \(name)") }
    }

    private func reloadConfig() throws(Failure) -> (added: [String], changed: [String], removed: [String]) {
        let lists = try list("reloadConfig").first?.elements?.compactMap { $0.elements?.compactMap(\.text) } ?? []
        guard lists.count == 3 else { throw Self.nonsense("reloadConfig") }
        return (lists[0], lists[1], lists[2])
    }
}
