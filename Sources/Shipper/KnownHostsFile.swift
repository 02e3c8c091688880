import Glibc
import Linux
import Spool

/// The files of host keys: read at each connection, since an operator may edit them. The first is added to.
enum KnownHostsFile {
    /// What all of them hold, as if it were one: a key that any of them revokes is revoked.
    static func text(_ files: [String]) throws(ShipFault) -> String {
        var all = ""
        // A last line without its end must not swallow the first of the next file.
        for file in files { all += try text(file) + "\n" }
        return all
    }

    /// Empty where there is none.
    static func text(_ file: String) throws(ShipFault) -> String {
        do {
            // O_NONBLOCK: a FIFO under this name must not hold up everything.
            let open = try Descriptor.open(file, flags: O_RDONLY | O_NONBLOCK)
            var bytes: [UInt8] = []
            while bytes.count < 8 << 20 {
                let part = try open.read(1 << 16)
                if part.isEmpty { break }
                bytes += part
            }
            return String(decoding: bytes, as: UTF8.self)
        } catch {
            if error.code == ENOENT { return "" }
            throw ShipFault(.operators, "host keys cannot be read from \(file): \(error)")
        }
    }

    /// Adds a line and has it on the disk before anything is sent.
    static func learn(_ line: String, _ file: String, state: String) throws(ShipFault) {
        do {
            try Reserve.spend(in: Directory(state)) { () throws(SystemError) in
                let open = try Descriptor.open(file, flags: O_RDWR | O_CREAT | O_APPEND, mode: 0o644)
                var start = ""
                let size = try open.status().size
                if size > 0 {
                    var last: UInt8 = 0
                    unsafe pread(open.number, &last, 1, Int(size) - 1)
                    if last != 10 { start = "\n" }
                }
                try open.writeAll(Array("\(start)\(line)\n".utf8))
                try open.sync()
            }
        } catch {
            // A key that cannot be kept would be learned again next time, whoever answers then.
            throw ShipFault(.operators, "a new host key cannot be kept, so nothing is sent: \(error)")
        }
    }
}
