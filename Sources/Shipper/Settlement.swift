import Evidence

/// Gives a whole temporary file its final name, or finds out that it already has it. Never replaces.
///
///     [looking, where a rename may replace: something is there -> as refused]
///     renaming -> done
///              -> refused: is the temporary there?
///                 no:  is the directory? a rename before a crash, or one whose answer was lost -> done, else gone;
///                      long after: done where the final name is there in this size, else gone
///                 yes: what is under the final name?
///                      nothing: refused. The same file (link and unlink, a server died in between) -> done
///                      the same size: read it. Equal -> done (and the temporary is not needed), else conflict
///
/// Who may not read, or finds another size, has a conflict: the former is told as what it is.
struct Settlement {
    enum Outcome: Equatable {
        case going, done, gone, conflict, unreadable, directoryGone
        case refused(TargetAnswer.Refusal)
    }
    private enum Step { case looking, renaming, temporary, directory, proof, final, opening, reading, over }

    let temporary: String
    let final: String
    let size: Int64
    /// Lower-case hexadecimal.
    let sha256: String
    let mayBeDone: Bool
    /// The server's rename may replace what is there (rclone's does).
    let looksFirst: Bool
    /// A missing temporary file may have been cleared away: only what is under the final name tells.
    let mayBeCleared: Bool
    private(set) var lane = -1
    private var step = Step.renaming
    private var refusal = TargetAnswer.Refusal.other("refused")
    private var ours: TargetStatus?
    private var content: RemoteDigest?
    private(set) var open: [TargetHandle] = []

    init(_ temporary: String, to final: String, size: Int64, sha256: String, mayBeDone: Bool, looksFirst: Bool, mayBeCleared: Bool = false)
    {
        self.temporary = temporary
        self.final = final
        self.size = size
        self.sha256 = sha256
        self.mayBeDone = mayBeDone
        self.looksFirst = looksFirst
        self.mayBeCleared = mayBeCleared
    }

    var isRenaming: Bool { step == .renaming }

    mutating func begin(on lane: Int) -> [TargetCall] {
        self.lane = lane
        if looksFirst {
            step = .looking
            return [.look(final, lane: lane)]
        }
        return rename()
    }

    private mutating func rename() -> [TargetCall] {
        step = .renaming
        return [.rename(temporary, to: final, lane: lane)]
    }

    mutating func answered(_ call: TargetCall, _ answer: TargetAnswer) -> (calls: [TargetCall], outcome: Outcome) {
        switch (step, call, answer) {
        case (.looking, .look, .refused(.missing)): return (rename(), .going)
        case (.looking, .look, .status):
            refusal = .exists
            step = .temporary
            return ([.look(temporary, lane: lane)], .going)
        case (.renaming, .rename, .done): return end(.done)
        case (.renaming, .rename, .refused(let why)):
            refusal = why
            step = .temporary
            return ([.look(temporary, lane: lane)], .going)
        case (.temporary, .look, .status(let there)):
            ours = there
            step = .final
            return ([.look(final, lane: lane)], .going)
        case (.temporary, .look, .refused(.missing)):
            step = .directory
            return ([.look(".", lane: lane)], .going)
        case (.directory, .look, .status) where mayBeDone && mayBeCleared:
            step = .proof
            return ([.look(final, lane: lane)], .going)
        case (.directory, .look, .status): return end(mayBeDone ? .done : .gone)
        case (.proof, .look, .status(let there)) where there.size == size: return end(.done)
        case (.proof, .look, .status), (.proof, .look, .refused(.missing)): return end(.gone)
        case (.directory, .look, .refused): return end(.directoryGone)
        case (.final, .look, .refused(.missing)): return end(.refused(refusal))
        case (.final, .look, .status(let there)):
            // Some servers tell a size and nothing else, which proves nothing.
            if mayBeDone, there == ours, there.modified != 0 { return end(.done) }
            guard there.size == size else { return end(.conflict) }
            step = .opening
            return ([.open(final, .reading, lane: lane)], .going)
        case (.opening, .open, .refused): return end(.unreadable)
        case (.opening, .open, .opened(let handle)):
            open = [handle]
            step = .reading
            var content = RemoteDigest(handle, size: size)
            let calls = content.calls()
            self.content = content
            return calls.isEmpty ? compare(FileDigest.of([])) : (calls, .going)
        case (.reading, .read(_, let offset, let count), let answer):
            guard let (calls, outcome) = content?.answered(offset, count, answer) else { return end(.conflict) }
            switch outcome {
            case .going: return (calls, .going)
            case .unreadable: return end(.unreadable)
            case .hashed(let digest): return compare(digest)
            }
        case (_, .look, .refused(let why)): return end(.refused(why))
        case (_, .open, .opened(let handle)): return ([.close(handle)], .going)
        default: return ([], .going)
        }
    }

    private mutating func compare(_ digest: [UInt8]) -> (calls: [TargetCall], outcome: Outcome) {
        guard FileDigest.hex(digest) == sha256 else { return end(.conflict) }
        let (calls, outcome) = end(.done)
        // Where the account may not, whoever keeps the drop box clears hidden files of yesterday.
        return (calls + [.remove(temporary, lane: lane)], outcome)
    }

    private mutating func end(_ outcome: Outcome) -> (calls: [TargetCall], outcome: Outcome) {
        step = .over
        let calls = open.map { TargetCall.close($0) }
        open = []
        return (calls, outcome)
    }
}
