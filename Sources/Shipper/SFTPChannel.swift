import CSSH2
import Glibc
import Linux

/// One SFTP channel of an SSH connection: requests to bytes, bytes to answers. Owned by its `SSHConnection`,
/// which ends it before the session is freed.
@safe
final class SFTPChannel: Lane {
    enum Stage { case opening, starting, talking }

    let number: Int
    private(set) var stage = Stage.opening
    private let place: String
    private let session: OpaquePointer
    private var channel: OpaquePointer?
    private let conversation: SFTPConversation

    /// As much waits as keeps the socket busy between two looks.
    private static let plenty = 512 << 10
    init(_ number: Int, session: OpaquePointer, directory: String, place: String) {
        self.number = number
        unsafe self.session = session
        self.place = place
        self.conversation = SFTPConversation(lane: number, directory: directory, place: place)
    }

    var isReady: Bool { conversation.isReady }
    var underWay: Int { conversation.underWay }
    var isIdle: Bool { underWay == 0 && conversation.out.count == 0 }
    var appetite: Int { isReady ? max(0, Self.plenty - conversation.out.count) : 0 }
    var longestWrite: Int { conversation.longestWrite }
    var mostOpen: Int { conversation.mostOpen }
    /// Replies that came.
    var answered: Int { conversation.answered }
    func takeAnswers() -> [LaneAnswer] { conversation.takeAnswers() }
    func ask(_ call: TargetCall, for owner: Int) { conversation.ask(call, for: owner) }
    func write(_ handle: TargetHandle, _ range: Range<Int64>, for owner: Int, fill: (UnsafeMutableRawBufferPointer) -> Bool) -> Bool {
        unsafe conversation.write(handle, range, for: owner, fill: fill)
    }

    // MARK: starting

    /// Goes on as far as it can without waiting. Returns the last error of libssh2 where there is one.
    func start() -> Int32 {
        if stage == .opening {
            guard let opened = unsafe libssh2_channel_open_ex(session, "session", 7, UInt32(2 << 20), 32_768, nil, 0) else {
                return unsafe libssh2_session_last_errno(session)
            }
            unsafe channel = opened
            // What a server writes to its standard error nobody reads: libssh2 would keep it, all of it, and use up the window.
            unsafe libssh2_channel_handle_extended_data2(opened, LIBSSH2_CHANNEL_EXTENDED_DATA_IGNORE)
            stage = .starting
        }
        if stage == .starting {
            let code = unsafe libssh2_channel_process_startup(channel!, "subsystem", 9, "sftp", 4)
            if code != 0 { return code }
            conversation.greet()
            stage = .talking
        }
        return 0
    }

    // MARK: moving bytes

    /// Gives the channel what it takes. True where something moved.
    func send(most: Int) throws(ShipFault) -> Bool {
        guard let channel = unsafe channel, stage == .talking else { return false }
        let out = conversation.out
        var moved = 0
        while out.count > 0, moved < most {
            let bytes = unsafe out.bytes
            let done = unsafe libssh2_channel_write_ex(channel, 0, bytes.baseAddress!.assumingMemoryBound(to: CChar.self), bytes.count)
            if done == Int(LIBSSH2_ERROR_EAGAIN) || done == 0 { break }
            if done < 0 { throw lost("sending", done) }
            out.drop(done)
            moved += done
        }
        return moved > 0
    }

    /// Takes what has come. True where something had.
    func receive() throws(ShipFault) -> Bool {
        guard let channel = unsafe channel, stage == .talking else { return false }
        let heard = conversation.heard
        var moved = false
        while true {
            let room = unsafe heard.room(64 << 10)
            let got = unsafe libssh2_channel_read_ex(channel, 0, room.baseAddress!.assumingMemoryBound(to: CChar.self), room.count)
            if got == Int(LIBSSH2_ERROR_EAGAIN) { break }
            if got < 0 { throw lost("receiving", got) }
            if got == 0 {
                if unsafe libssh2_channel_eof(channel) != 0 {
                    throw ShipFault(
                        .passing,
                        !isReady
                            ? "\(place) ended the SFTP session before it began: a ForceCommand or the account's shell may not let it (internal-sftp needs no shell)"
                            : "connection to \(place) lost: its SFTP server ended")
                }
                break
            }
            moved = true
            heard.add(got)
            try conversation.understand()
        }
        return moved
    }

    // MARK: faults

    private var lastWords: String {
        var text: UnsafeMutablePointer<CChar>?
        unsafe libssh2_session_last_error(session, &text, nil, 0)
        return unsafe text.map { unsafe String(cString: $0) } ?? "unknown error"
    }
    private func lost(_ what: String, _ code: Int) -> ShipFault {
        ShipFault(.passing, "connection to \(place) lost (\(what)): \(lastWords) (libssh2 \(code))")
    }
}
