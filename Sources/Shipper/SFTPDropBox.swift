import CLinux
import CSSH2
import Evidence
import Glibc
import Linux

/// What a login needs.
struct SSHOptions: Sendable {
    var user: String
    var keyFile: String
    var hostKeyPreference: [String]
    var ciphers: [String]
    var compression: Bool
    /// The sensor's, and not one that the operator named.
    var isOwnKey: Bool
}

/// What libssh2 here can do.
public enum SSHLibrary {
    /// RSA keys need rsa-sha2 signatures at every server since OpenSSH 8.8; libssh2 has them from 1.11.0 on.
    public static var signsRSAWithSHA2: Bool { unsafe libssh2_version(0x01_0b_00) != nil }
}

/// A directory on an SFTP server. Owns the socket, the session, its SFTP channel and the one open file;
/// every call is non-blocking, and what makes no progress is given up.
@safe
struct SFTPDropBox: TrialDropBox, ~Copyable {
    /// Seconds without any progress after which a connection is given up.
    private static let patience = 30.0
    /// fsync of a slow disk may take long.
    private static let diskPatience = 120.0

    /// LIBSSH2_ERROR_ALGO_UNSUPPORTED, which the headers have since 1.11.
    private static let algorithmUnsupported: Int32 = -51

    let socket: Descriptor
    private let session: OpaquePointer
    private var sftp: OpaquePointer?
    private var handle: OpaquePointer?
    private let stop: StopWatch
    private let directory: String
    private let place: String

    /// Logs in over a connected socket. `checkHostKey` throws for a key that is not the right one; nothing
    /// has been said to the server then but the key exchange.
    static func open(
        _ socket: consuming Descriptor, _ options: SSHOptions, directory: String, place: String, stop: StopWatch,
        checkHostKey: (SSHPublicKey) throws(ShipFault) -> Void
    ) throws(ShipFault) -> SFTPDropBox {
        var box = try SFTPDropBox(socket, directory: directory, place: place, stop: stop)
        try box.handshake(options)
        try checkHostKey(try box.hostKey())
        try box.login(options)
        try box.startSFTP()
        return box
    }

    private init(_ socket: consuming Descriptor, directory: String, place: String, stop: StopWatch) throws(ShipFault) {
        guard libssh2_init(0) == 0, let session = unsafe libssh2_session_init_ex(nil, nil, nil, nil) else {
            throw ShipFault(.passing, "libssh2 cannot start a session")
        }
        unsafe libssh2_session_set_blocking(session, 0)
        self.socket = socket
        unsafe self.session = session
        self.stop = stop
        self.directory = directory == "~" ? "" : directory.hasPrefix("~/") ? String(directory.dropFirst(2)) : directory
        self.place = place
    }

    /// Never asks the server for anything: on a dead link every polite good-bye waits for ever.
    deinit {
        shutdown(socket.number, Int32(SHUT_RDWR))
        for _ in 0..<16 where unsafe libssh2_session_free(session) == 0 { break }
    }

    // MARK: waiting

    private func wait(until deadline: MonotonicTime, doing what: String) throws(ShipFault) {
        let directions = unsafe ssh2_block_directions(session)
        let write = directions & LIBSSH2_SESSION_BLOCK_OUTBOUND != 0
        let woken = try stop.wait(
            socket.number, read: directions & LIBSSH2_SESSION_BLOCK_INBOUND != 0 || !write, write: write, until: deadline)
        if !woken.read, !woken.write, deadline <= .now() {
            throw ShipFault(.passing, "\(place) made no progress (\(what)): connection given up")
        }
    }

    /// Calls until the answer is not "again"; returns it.
    private func complete(_ what: String, patience: Double = patience, _ call: () -> Int) throws(ShipFault) -> Int {
        let deadline = MonotonicTime.now() + patience
        while true {
            let result = call()
            if result != Int(LIBSSH2_ERROR_EAGAIN) { return result }
            try wait(until: deadline, doing: what)
        }
    }

    private var lastWords: String {
        var text: UnsafeMutablePointer<CChar>?
        unsafe libssh2_session_last_error(session, &text, nil, 0)
        return unsafe text.map { unsafe String(cString: $0) } ?? "unknown error"
    }

    private func lost(_ what: String, _ code: Int) -> ShipFault {
        ShipFault(.passing, "connection to \(place) lost (\(what)): \(lastWords) (libssh2 \(code))")
    }

    /// The server's answer to an SFTP request: 0, or its status (SFTP v3, section 7).
    private func answer(_ what: String, _ result: Int) throws(ShipFault) -> UInt {
        if result >= 0 { return 0 }
        if result == Int(LIBSSH2_ERROR_SFTP_PROTOCOL) { return unsafe libssh2_sftp_last_error(sftp) }
        throw lost(what, result)
    }

    // MARK: login

    private mutating func handshake(_ options: SSHOptions) throws(ShipFault) {
        let types = options.hostKeyPreference.joined(separator: ",")
        guard unsafe libssh2_session_method_pref(session, LIBSSH2_METHOD_HOSTKEY, types) == 0 else {
            throw ShipFault(.operators, "HostKeyAlgorithms=\(types) in SCP_ARGUMENTS names no host key type that libssh2 knows")
        }
        if !options.ciphers.isEmpty {
            let list = options.ciphers.joined(separator: ",")
            for method in [LIBSSH2_METHOD_CRYPT_CS, LIBSSH2_METHOD_CRYPT_SC] {
                guard unsafe libssh2_session_method_pref(session, method, list) == 0 else {
                    throw ShipFault(.operators, "Ciphers=\(list) in SCP_ARGUMENTS names no cipher that libssh2 knows")
                }
            }
        }
        if options.compression { unsafe libssh2_session_flag(session, Int32(LIBSSH2_FLAG_COMPRESS), 1) }
        let result = try complete("key exchange") { unsafe Int(libssh2_session_handshake(session, socket.number)) }
        if result == 0 { return }
        if result == Int(LIBSSH2_ERROR_KEX_FAILURE) || result == Int(LIBSSH2_ERROR_METHOD_NONE) {
            throw ShipFault(
                .operators,
                "\(place) and this sensor have no key exchange, host key type or cipher in common (\(lastWords)); a server with only an RSA host key needs libssh2 1.11 here"
            )
        }
        throw lost("key exchange", result)
    }

    private func hostKey() throws(ShipFault) -> SSHPublicKey {
        var length = 0
        var type: Int32 = 0
        guard let start = unsafe libssh2_session_hostkey(session, &length, &type) else { throw lost("host key", 0) }
        let blob = unsafe [UInt8](UnsafeRawBufferPointer(start: start, count: length))
        guard let key = SSHPublicKey(blob: blob) else { throw ShipFault(.operators, "\(place) shows a host key of an unknown form") }
        return key
    }

    private mutating func login(_ options: SSHOptions) throws(ShipFault) {
        let user = options.user
        let result = try complete("login") {
            unsafe Int(libssh2_userauth_publickey_fromfile_ex(session, user, UInt32(user.utf8.count), nil, options.keyFile, ""))
        }
        switch Int32(result) {
        case 0: return
        case LIBSSH2_ERROR_AUTHENTICATION_FAILED, LIBSSH2_ERROR_PUBLICKEY_UNVERIFIED:
            throw ShipFault(
                .loginRefused,
                "\(place) refuses the key \(options.keyFile) for user \(user): is \(options.isOwnKey ? "the line of `sensor print-key --authorized-keys`" : "\(options.keyFile).pub") in its authorized_keys?"
            )
        case LIBSSH2_ERROR_FILE: throw ShipFault(.operators, "key \(options.keyFile) cannot be used: \(lastWords)")
        case LIBSSH2_ERROR_METHOD_NOT_SUPPORTED, Self.algorithmUnsupported:
            throw ShipFault(.operators, "key \(options.keyFile) is of a kind that \(place) does not take: \(lastWords)")
        default: throw lost("login", result)
        }
    }

    private mutating func startSFTP() throws(ShipFault) {
        let deadline = MonotonicTime.now() + Self.patience
        while true {
            if let sftp = unsafe libssh2_sftp_init(session) {
                unsafe self.sftp = sftp
                return
            }
            let code = unsafe libssh2_session_last_errno(session)
            guard code == LIBSSH2_ERROR_EAGAIN else {
                if code == LIBSSH2_ERROR_CHANNEL_FAILURE || code == LIBSSH2_ERROR_CHANNEL_REQUEST_DENIED {
                    throw ShipFault(
                        .operators,
                        "\(place) gives this account no SFTP (\(lastWords)): sshd_config wants a Subsystem sftp or ForceCommand internal-sftp"
                    )
                }
                throw lost("SFTP", Int(code))
            }
            try wait(until: deadline, doing: "SFTP")
        }
    }

    // MARK: files

    private func path(_ name: String) -> String {
        directory.isEmpty ? name : directory.hasSuffix("/") ? directory + name : directory + "/" + name
    }

    mutating func status(of name: String) throws(ShipFault) -> TargetStatus? {
        var attributes = LIBSSH2_SFTP_ATTRIBUTES()
        let path = path(name)
        let result = try complete("lstat") {
            unsafe Int(libssh2_sftp_stat_ex(sftp, path, UInt32(path.utf8.count), Int32(LIBSSH2_SFTP_LSTAT), &attributes))
        }
        switch try answer("lstat", result) {
        case 0:
            return TargetStatus(size: Int64(attributes.filesize), modified: Int64(attributes.mtime), owner: UInt64(attributes.uid))
        case LIBSSH2_FX_NO_SUCH_FILE: return nil
        case let status: throw refusal("look at \(name)", status)
        }
    }

    private func refusal(_ what: String, _ status: UInt) -> ShipFault {
        let why: String
        switch status {
        case LIBSSH2_FX_NO_SUCH_FILE: why = "no such file or directory"
        case LIBSSH2_FX_PERMISSION_DENIED: why = "permission denied"
        case LIBSSH2_FX_FAILURE: why = "failure"
        case LIBSSH2_FX_OP_UNSUPPORTED: why = "not supported"
        default: why = "SFTP status \(status)"
        }
        return ShipFault(.operators, "\(place) cannot \(what): \(why)")
    }

    /// Opens `path`; returns the status of the refusal, 0 when `handle` is set.
    private mutating func open(_ name: String, flags: Int32) throws(ShipFault) -> UInt {
        let path = path(name)
        let deadline = MonotonicTime.now() + Self.patience
        while true {
            if let opened = unsafe ssh2_sftp_open_file(sftp!, path, UInt32(path.utf8.count), UInt(flags), 0o640) {
                unsafe handle = opened
                return 0
            }
            let code = unsafe libssh2_session_last_errno(session)
            if code == LIBSSH2_ERROR_EAGAIN {
                try wait(until: deadline, doing: "open")
            } else {
                return try answer("open", Int(code))
            }
        }
    }

    /// Gives the handle back whatever the answer is; none is ever left open at the server.
    private mutating func close() throws(ShipFault) -> UInt {
        guard let open = unsafe handle else { return 0 }
        let result = try complete("close") { unsafe Int(libssh2_sftp_close_handle(open)) }
        unsafe handle = nil
        return try answer("close", result)
    }

    mutating func openTemporary(_ name: String, at offset: Int64) throws(ShipFault) -> Int64 {
        _ = try close()
        if offset > 0, try open(name, flags: LIBSSH2_FXF_WRITE) == 0 {
            if try handleSize() >= offset {
                unsafe libssh2_sftp_seek64(handle, UInt64(offset))
                return offset
            }
            _ = try close()
        }
        var status = try open(name, flags: LIBSSH2_FXF_WRITE | LIBSSH2_FXF_CREAT | LIBSSH2_FXF_EXCL)
        // The name is random, so what is there is from an earlier try of this file.
        if status == LIBSSH2_FX_FAILURE || status == LIBSSH2_FX_FILE_ALREADY_EXISTS {
            status = try open(name, flags: LIBSSH2_FXF_WRITE | LIBSSH2_FXF_TRUNC)
        }
        if status == 0 { return 0 }
        if try self.status(of: name) != nil { throw .temporaryGone }
        let place = directory.isEmpty ? "the home directory" : "directory \(directory)"
        switch status {
        case LIBSSH2_FX_NO_SUCH_FILE: throw ShipFault(.operators, "\(place) does not exist at \(self.place)")
        case LIBSSH2_FX_PERMISSION_DENIED: throw ShipFault(.operators, "\(place) at \(self.place) is not writable for this account")
        default: throw try diskFault("make a file in \(place)", status)
        }
    }

    private func handleSize() throws(ShipFault) -> Int64 {
        var attributes = LIBSSH2_SFTP_ATTRIBUTES()
        let result = try complete("fstat") { unsafe Int(libssh2_sftp_fstat_ex(handle, &attributes, 0)) }
        let status = try answer("fstat", result)
        if status != 0 { throw refusal("tell the size of an open file", status) }
        return Int64(attributes.filesize)
    }

    mutating func write(_ source: borrowing UploadSource, count: Int) throws(ShipFault) -> Int {
        let bytes = unsafe UnsafeRawBufferPointer(rebasing: source.bytes[..<count])
        let result = try complete("write") {
            unsafe libssh2_sftp_write(handle, bytes.baseAddress!.assumingMemoryBound(to: CChar.self), bytes.count)
        }
        if result > 0 { return result }
        let status = result == 0 ? LIBSSH2_FX_FAILURE : try answer("write", result)
        throw try diskFault("write", status)
    }

    /// A full disk arrives as a bare "failure": statvfs tells.
    private mutating func diskFault(_ what: String, _ status: UInt) throws(ShipFault) -> ShipFault {
        _ = try close()
        guard status == LIBSSH2_FX_FAILURE else { return refusal(what, status) }
        if let disk = try statvfs(), disk.f_bavail * disk.f_frsize < 1 << 20 || disk.f_favail == 0 {
            return ShipFault(.operators, "disk of \(place) is full")
        }
        return refusal(what, status)
    }

    private mutating func statvfs() throws(ShipFault) -> LIBSSH2_SFTP_STATVFS? {
        var disk = LIBSSH2_SFTP_STATVFS()
        let path = directory.isEmpty ? "." : directory
        let result = try complete("statvfs") { unsafe Int(libssh2_sftp_statvfs(sftp, path, path.utf8.count, &disk)) }
        return try answer("statvfs", result) == 0 ? disk : nil
    }

    mutating func freeSpace() throws(ShipFault) -> Int64? {
        try statvfs().map { disk in
            let bytes = disk.f_bavail.multipliedReportingOverflow(by: disk.f_frsize)
            return bytes.overflow ? .max : Int64(clamping: bytes.partialValue)
        }
    }

    mutating func remove(_ name: String) throws(ShipFault) -> Bool {
        let path = path(name)
        let result = try complete("remove") { unsafe Int(libssh2_sftp_unlink_ex(sftp, path, UInt32(path.utf8.count))) }
        return try answer("remove", result) == 0
    }

    mutating func sync() throws(ShipFault) -> Bool {
        let result = try complete("fsync", patience: Self.diskPatience) { unsafe Int(libssh2_sftp_fsync(handle)) }
        switch try answer("fsync", result) {
        case 0: return true
        case LIBSSH2_FX_OP_UNSUPPORTED, LIBSSH2_FX_PERMISSION_DENIED: return false
        case let status: throw try diskFault("fsync", status)
        }
    }

    mutating func closeTemporary(size: Int64) throws(ShipFault) {
        let there = try handleSize()
        let status = try close()
        if there != size { throw ShipFault(.passing, "\(place) holds \(there) bytes of \(size) after writing: sent again") }
        if status != 0 { throw try diskFault("close a file", status) }
    }

    mutating func rename(_ from: String, to: String) throws(ShipFault) -> Bool {
        let (old, new) = (path(from), path(to))
        let result = try complete("rename", patience: Self.diskPatience) {
            unsafe Int(libssh2_sftp_rename_ex(sftp, old, UInt32(old.utf8.count), new, UInt32(new.utf8.count), 0))
        }
        return try answer("rename", result) == 0
    }

    mutating func touch(_ name: String) throws(ShipFault) {
        if try open(name, flags: LIBSSH2_FXF_WRITE) == 0 { _ = try close() }
    }

    mutating func digest(of name: String) throws(ShipFault) -> [UInt8]? {
        guard try open(name, flags: LIBSSH2_FXF_READ) == 0 else { return nil }
        var digest = FileDigest()
        var buffer = [UInt8](repeating: 0, count: 1 << 18)
        while true {
            let got = try complete("read") {
                unsafe buffer.withUnsafeMutableBytes {
                    unsafe libssh2_sftp_read(handle, $0.baseAddress!.assumingMemoryBound(to: CChar.self), $0.count)
                }
            }
            if got == 0 { break }
            if got < 0 {
                _ = try answer("read", got)
                _ = try close()
                return nil
            }
            digest.update(buffer[..<got])
        }
        _ = try close()
        return digest.finish()
    }
}
