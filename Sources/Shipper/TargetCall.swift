/// An open file at the target, on the lane that opened it.
struct TargetHandle: Hashable, Sendable {
    let lane: Int
    /// Never used twice on a lane.
    let number: Int
}

/// What a target is asked, one thing at a time. Nothing there is ever overwritten, truncated or removed, but
/// temporary files of our own that nobody needs.
enum TargetCall: Hashable, Sendable {
    enum OpenMode: Hashable, Sendable {
        /// Makes the file; refused where the name is taken.
        case new
        /// Takes the file that is there, or makes it; what it holds stays.
        case any
        /// Takes the file that is there, to write.
        case existing
        case reading
    }
    case open(String, OpenMode, lane: Int)
    case write(TargetHandle, offset: Int64, count: Int)
    case sync(TargetHandle)
    case size(TargetHandle)
    case close(TargetHandle)
    /// Never replaces.
    case rename(String, to: String, lane: Int)
    /// lstat(2).
    case look(String, lane: Int)
    case read(TargetHandle, offset: Int64, count: Int)
    /// What the account may still write.
    case space(lane: Int)
    case remove(String, lane: Int)

    var lane: Int {
        switch self {
        case .open(_, _, let lane), .rename(_, _, let lane), .look(_, let lane), .space(let lane), .remove(_, let lane): lane
        case .write(let handle, _, _), .sync(let handle), .size(let handle), .close(let handle), .read(let handle, _, _): handle.lane
        }
    }
}

/// What lstat tells of a name at the target.
struct TargetStatus: Hashable, Sendable {
    var size: Int64
    var modified: Int64
    var owner: UInt64
}

enum TargetAnswer: Hashable, Sendable {
    case done
    case opened(TargetHandle)
    case status(TargetStatus)
    case bytes([UInt8])
    /// Bytes that the account may still write.
    case space(Int64)
    case refused(Refusal)

    /// Kinds of refusal that make a difference here.
    enum Refusal: Hashable, Sendable {
        case missing, denied, unsupported, exists, full, readOnly
        /// With the target's own words.
        case other(String)

        var words: String {
            switch self {
            case .missing: "no such file or directory"
            case .denied: "permission denied"
            case .unsupported: "not supported"
            case .exists: "there is a file of that name"
            case .full: "no space left"
            case .readOnly: "its file system is read-only"
            case .other(let words): words
            }
        }
    }
}
