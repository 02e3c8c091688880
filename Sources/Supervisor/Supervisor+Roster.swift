import Events
import Glibc
import Linux

/// Programs that join and leave a group while it runs, as one of its programs announces. None of the others notices.
extension Supervisor {
    mutating func watchRoster(of program: ManagedProgram) {
        guard let number = program.roster?.number else { return }
        program.rosterTicket = (try? watch(number, .roster(program))) ?? 0
    }

    /// A program whose channel is closed ends, and begins anew with all it has to say.
    mutating func closeRoster(of program: ManagedProgram) {
        if let number = program.roster?.number { unwatch(number, program.rosterTicket) }
        program.roster = nil
        program.rosterBytes = []
    }

    mutating func readRoster(of program: ManagedProgram) {
        guard let number = program.roster?.number else { return }
        var buffer = [UInt8](repeating: 0, count: 65_536)
        let got = unsafe Glibc.read(number, &buffer, buffer.count)
        guard got > 0 else {
            if got == 0 { closeRoster(of: program) }
            return
        }
        program.rosterBytes += buffer[..<got]
        do throws(Roster.Problem) {
            while let roster = try Roster.decode(&program.rosterBytes) {
                program.announced = roster
                followRoster(of: program)
            }
        } catch {
            say(
                Event(
                    .erro, "roster_refused",
                    "\(program.name) announced what is no roster (\(error)): nothing is changed, and it has to begin anew",
                    ["program": .text(program.name), "reason": .text(error.description)]))
            closeRoster(of: program)
        }
    }

    private mutating func followRoster(of teller: ManagedProgram) {
        guard end == nil, let members = hooks.members, let group = groups.first(where: { $0.spec.name == teller.spec.group }) else {
            return
        }
        let there = group.programs.compactMap { program in
            program.spec.member.map { RosterChange.Member(name: $0, isLeaving: program.isLeaving) }
        }
        let change = RosterChange(from: there, to: teller.announced)
        let leaves = Set(change.leaves)
        for program in group.programs {
            guard let member = program.spec.member, leaves.contains(member) else { continue }
            program.isLeaving = true
            leaving.append(program)
            say(
                Event(
                    .info, "left", "left: '\(program.name)' for \(member)", ["program": .text(program.name), "member": .text(member)]))
            apply(.stop, to: program)
        }
        for name in change.joins {
            guard let spec = members.join(name) else { continue }
            let program = ManagedProgram(spec)
            group.add(program)
            for index in available.indices where available[index].name == group.spec.name { available[index].programs.append(spec) }
            say(
                Event(
                    .info, "joined", "joined: '\(program.name)' for \(name)", ["program": .text(program.name), "member": .text(name)]))
            if spec.autostart { apply(.start, to: program) }
        }
    }

    /// Removes those that have left, and lets in who waited for it.
    mutating func removeLeft() {
        if leaving.isEmpty { return }
        var tellers: [ManagedProgram] = []
        for program in leaving {
            // Somebody has started it again, or its kill failed at first.
            if !program.isDone, program.state != .stopping { apply(.stop, to: program) }
            guard program.machine.isAtRest, let group = groups.first(where: { $0.spec.name == program.spec.group }) else { continue }
            for stream in program.streams { stream.removeAutomatic() }
            group.remove(program)
            for index in available.indices where available[index].name == group.spec.name {
                available[index].programs.removeAll { $0.name == program.name }
            }
            if let member = program.spec.member { hooks.members?.leave(member) }
            tellers += group.programs.filter { $0.spec.announcesRoster }
        }
        leaving.removeAll { $0.machine.isAtRest }
        for (index, teller) in tellers.enumerated() where !tellers[..<index].contains(where: { $0 === teller }) { followRoster(of: teller) }
    }
}
