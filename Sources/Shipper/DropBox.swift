import Linux

/// What lstat tells of a name at the target.
struct TargetStatus: Equatable {
    var size: Int64
    var modified: Int64
    var owner: UInt64
}

/// Where files go, seen as the steps of a delivery. Nothing at the target is ever removed or overwritten.
protocol DropBox: ~Copyable {
    /// nil where there is no such name.
    mutating func status(of name: String) throws(ShipFault) -> TargetStatus?
    /// Opens the one file being written; returns the offset that writing goes on from: `offset` where the
    /// file has at least so many bytes, else 0 with the file made or emptied.
    mutating func openTemporary(_ name: String, at offset: Int64) throws(ShipFault) -> Int64
    /// Writes from the bytes of `source` that the target has not acknowledged; `count` of them, which
    /// includes those offered before. Returns how many were acknowledged, at least one.
    mutating func write(_ source: borrowing UploadSource, count: Int) throws(ShipFault) -> Int
    /// False where the target cannot do it.
    mutating func sync() throws(ShipFault) -> Bool
    /// Closes the file after asking the open handle for its size.
    mutating func closeTemporary(size: Int64) throws(ShipFault)
    /// Never replaces. False where the target refused.
    mutating func rename(_ from: String, to: String) throws(ShipFault) -> Bool
    /// Opens and closes a final name, for whoever waits for a close after writing. May fail in silence: the
    /// file may have been taken away already.
    mutating func touch(_ name: String) throws(ShipFault)
    /// SHA-256 of what is there; nil where reading is not allowed.
    mutating func digest(of name: String) throws(ShipFault) -> [UInt8]?
}
