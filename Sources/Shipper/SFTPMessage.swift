/// SFTP version 3 as bytes (draft-ietf-secsh-filexfer-02, and OpenSSH's PROTOCOL for the extensions).
enum SFTP {
    static let version: UInt32 = 3

    enum Request: UInt8 {
        case initialize = 1
        case open = 3
        case close = 4
        case read = 5
        case write = 6
        case lstat = 7
        case fstat = 8
        case remove = 13
        case rename = 18
        case extended = 200
    }
    enum Reply: UInt8 {
        case version = 2
        case status = 101
        case handle = 102
        case data = 103
        case name = 104
        case attributes = 105
        case extended = 201
    }
    /// SSH_FXF_*, section 6.3.
    enum Flags {
        static let read: UInt32 = 1
        static let write: UInt32 = 2
        static let create: UInt32 = 8
        static let exclusive: UInt32 = 32
    }
    static let fsync = "fsync@openssh.com"
    static let statvfs = "statvfs@openssh.com"
    static let limits = "limits@openssh.com"

    /// Longer than any reply to what is asked here; OpenSSH's own bound.
    static let longestReply = 256 << 10
    /// Section 6.2: a handle is at most so long.
    static let longestHandle = 256
    /// What every server takes in one write (section 3).
    static let usualWrite = 32_768
    static let mostRead = 32_768
    /// Handles that every server has to give.
    static let usuallyOpen = 100
}

/// A reply, taken apart. Everything a server sends is checked here and nowhere else.
enum SFTPReply: Equatable {
    struct Extensions: OptionSet, Equatable {
        let rawValue: Int
        static let fsync = Extensions(rawValue: 1)
        static let statvfs = Extensions(rawValue: 2)
        static let limits = Extensions(rawValue: 4)
    }
    case version(UInt32, Extensions)
    case status(UInt32, String)
    case handle([UInt8])
    case data([UInt8])
    case attributes(TargetStatus)
    /// Of an extension: its form depends on the request.
    case extended([UInt8])
    case name

    /// The number of the request, nil for the version; nil where the bytes (without their length) are no reply.
    static func parse(_ bytes: UnsafeRawBufferPointer) -> (number: UInt32?, reply: SFTPReply)? {
        var reader = unsafe SFTPReader(bytes)
        guard let type = reader.uint8().flatMap(SFTP.Reply.init(rawValue:)), let number = reader.uint32() else { return nil }
        switch type {
        case .version:
            var extensions: Extensions = []
            while !reader.isAtEnd {
                guard let name = reader.text(), let data = reader.text() else { return nil }
                // The versions of them that are spoken here.
                switch (name, data) {
                case (SFTP.fsync, "1"): extensions.insert(.fsync)
                case (SFTP.statvfs, "2"): extensions.insert(.statvfs)
                case (SFTP.limits, "1"): extensions.insert(.limits)
                default: break
                }
            }
            return (nil, .version(number, extensions))
        case .status:
            guard let code = reader.uint32() else { return nil }
            // Servers of version 2 send no words.
            return (number, .status(code, reader.text() ?? ""))
        case .handle:
            guard let handle = reader.string(), !handle.isEmpty, handle.count <= SFTP.longestHandle, reader.isAtEnd else { return nil }
            return (number, .handle(handle))
        case .data:
            guard let data = reader.string(), reader.isAtEnd else { return nil }
            return (number, .data(data))
        case .attributes:
            guard let status = reader.attributes() else { return nil }
            return (number, .attributes(status))
        case .extended: return (number, .extended(reader.rest))
        case .name: return (number, .name)
        }
    }

    /// statvfs@openssh.com: bytes the account may write, of 11 numbers; none left where there are no more inodes.
    static func freeSpace(_ bytes: [UInt8]) -> TargetAnswer? {
        guard let numbers = numbers(bytes, atLeast: 11) else { return nil }
        // f_flag, of which SSH2_FXE_STATVFS_ST_RDONLY is the first bit (OpenSSH's PROTOCOL, 4.4).
        if numbers[9] & 1 != 0 { return .refused(.readOnly) }
        let (unit, blocks, inodes) = (numbers[1], numbers[4], numbers[7])
        if numbers[5] > 0, inodes == 0 { return .space(0) }
        let free = blocks.multipliedReportingOverflow(by: unit)
        return .space(free.overflow ? .max : Int64(clamping: free.partialValue))
    }
    /// limits@openssh.com: the longest write, and the most open handles; 0 where the server does not say.
    static func limits(_ bytes: [UInt8]) -> (write: UInt64, open: UInt64)? {
        numbers(bytes, atLeast: 4).map { ($0[2], $0[3]) }
    }

    private static func numbers(_ bytes: [UInt8], atLeast count: Int) -> [UInt64]? {
        guard bytes.count >= 8 * count else { return nil }
        return (0..<count).map { at in bytes[(8 * at)..<(8 * at + 8)].reduce(0) { $0 << 8 | UInt64($1) } }
    }
}

/// Reads SSH's wire format out of borrowed bytes; nil past the end.
@safe
struct SFTPReader: ~Copyable {
    private let bytes: UnsafeRawBufferPointer
    private var at = 0

    init(_ bytes: UnsafeRawBufferPointer) { unsafe self.bytes = bytes }

    var isAtEnd: Bool { unsafe at == bytes.count }
    var rest: [UInt8] { unsafe Array(bytes[at...]) }

    private mutating func number(_ size: Int) -> UInt64? {
        guard unsafe bytes.count - at >= size else { return nil }
        var value: UInt64 = 0
        for offset in at..<(at + size) { value = unsafe value << 8 | UInt64(bytes[offset]) }
        at += size
        return value
    }
    mutating func uint8() -> UInt8? { number(1).map(UInt8.init(truncatingIfNeeded:)) }
    mutating func uint32() -> UInt32? { number(4).map(UInt32.init(truncatingIfNeeded:)) }
    mutating func uint64() -> UInt64? { number(8) }
    mutating func string() -> [UInt8]? {
        guard let count = uint32(), unsafe Int(count) <= bytes.count - at else { return nil }
        defer { at += Int(count) }
        return unsafe Array(bytes[at..<(at + Int(count))])
    }
    mutating func text() -> String? { string().map { String(decoding: $0, as: UTF8.self) } }

    /// Section 5. A size or time that is not given counts as 0.
    mutating func attributes() -> TargetStatus? {
        guard let flags = uint32() else { return nil }
        var status = TargetStatus(size: 0, modified: 0, owner: 0)
        if flags & 1 != 0 {
            guard let size = uint64() else { return nil }
            status.size = Int64(clamping: size)
        }
        if flags & 2 != 0 {
            guard let owner = uint32(), uint32() != nil else { return nil }
            status.owner = UInt64(owner)
        }
        if flags & 4 != 0, uint32() == nil { return nil }
        if flags & 8 != 0 {
            guard uint32() != nil, let modified = uint32() else { return nil }
            status.modified = Int64(modified)
        }
        if flags & 0x8000_0000 != 0 {
            guard let count = uint32() else { return nil }
            for _ in 0..<count { guard string() != nil, string() != nil else { return nil } }
        }
        return isAtEnd ? status : nil
    }
}
