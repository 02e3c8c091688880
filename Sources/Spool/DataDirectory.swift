import Glibc
public import Linux

/// Why a data directory cannot be used: one line.
public struct DataDirectoryProblem: Error, CustomStringConvertible, Sendable {
    public let description: String
    public init(_ description: String) { self.description = description }
}

/// What lives under one directory, and over restarts:
///
///     id_ed25519 id_ed25519.pub known_hosts   who this sensor is, and who the target is
///     name                                    the sensor's name where no setting gives one
///     lock                                    held by `run` and its workers: "pid host"
///     state/format                            version of everything below
///     state/series                            made with the state: a lost volume is a new series
///     state/…  spool/…
public struct DataDirectory: ~Copyable {
    /// What this version reads and writes.
    public static let format = 1

    public let path: String
    private let directory: Directory
    public var spool: String { path + "/spool" }
    public var state: String { path + "/state" }

    /// Opens it, making what is missing.
    public init(_ path: String) throws(DataDirectoryProblem) {
        self.path = path.count > 1 && path.hasSuffix("/") ? String(path.dropLast()) : path
        do { self.directory = try Directory(path, create: true) } catch {
            throw DataDirectoryProblem("SENSOR_DATA_DIR='\(path)' cannot be used: \(error); expected a directory that this user may write")
        }
    }

    /// Gives everything that is the sensor's to the user it will be, and nothing else that may lie there: somebody
    /// may have named their home.
    public func give(to account: Account) throws(DataDirectoryProblem) {
        do {
            let status = try directory.status(".")
            let isForAll = (status?.mode ?? 0) & S_IWOTH != 0
            if status?.owner != account.uid, !isForAll { try account.own(directory) }
            for name in ["id_ed25519", "id_ed25519.pub", "known_hosts", "name", "lock", "state", "spool"] {
                try account.own(name, in: directory)
            }
        } catch { throw Self.problem(error, path) }
    }

    /// Makes spool/ and state/ and checks the format. A newer one is refused: what it means is unknown here.
    public func prepare() throws(DataDirectoryProblem) {
        try Self.prepare(state: state)
        do { _ = try Directory(spool, create: true) } catch { throw Self.problem(error, path) }
    }

    private static func problem(_ error: SystemError, _ path: String) -> DataDirectoryProblem {
        DataDirectoryProblem("\(path) cannot be used: \(error)")
    }

    /// The same for a state directory that stands alone.
    public static func prepare(state path: String) throws(DataDirectoryProblem) {
        do {
            let state = try Directory(path, create: true)
            if try !isKnown(state) { try state.replace("format", with: Array("\(format)\n".utf8)) }
        } catch let error as DataDirectoryProblem { throw error } catch let error as SystemError { throw problem(error, path) } catch {
            throw DataDirectoryProblem("\(path): \(error)")
        }
    }

    /// What `prepare` would say of a state directory that is there; nothing is made.
    public static func problem(state path: String) -> DataDirectoryProblem? {
        do {
            _ = try isKnown(try Directory(path))
            return nil
        } catch { return error as? DataDirectoryProblem }
    }

    /// False where no format stands there yet.
    private static func isKnown(_ state: borrowing Directory) throws -> Bool {
        guard let bytes = try state.read("format") else { return false }
        let text = String(decoding: bytes, as: UTF8.self).filter { !$0.isWhitespace }
        guard let version = Int(text), version <= format else {
            throw DataDirectoryProblem(
                "\(state.path)/format is '\(text)', this sensor knows up to \(format): a newer sensor wrote it; run that one, or give another data directory"
            )
        }
        return true
    }

    /// The setting's name, or one made once and kept in `name`.
    public func sensorName(_ setting: String?) throws(DataDirectoryProblem) -> String {
        if let setting { return setting }
        return try Self.kept("name", in: directory, make: { "sensor-" + Self.random(8) })
    }
    /// The same where there is only a state directory.
    public static func sensorName(_ setting: String?, state path: String) throws(DataDirectoryProblem) -> String {
        if let setting { return setting }
        do { return try kept("name", in: try Directory(path), make: { "sensor-" + Self.random(8) }) } catch let error as SystemError {
            throw problem(error, path)
        } catch {
            throw (error as? DataDirectoryProblem) ?? DataDirectoryProblem("\(path): \(error)")
        }
    }

    public static func series(state path: String) throws(DataDirectoryProblem) -> String {
        do { return try kept("series", in: try Directory(path), make: { random(16) }) } catch let error as SystemError {
            throw problem(error, path)
        } catch {
            throw (error as? DataDirectoryProblem) ?? DataDirectoryProblem("\(path): \(error)")
        }
    }

    /// One word in a file, made by whoever comes first.
    private static func kept(_ name: String, in directory: borrowing Directory, make: () -> String) throws(DataDirectoryProblem) -> String {
        for _ in 0..<3 {
            do {
                if let bytes = try directory.read(name) {
                    var text = String(decoding: bytes, as: UTF8.self)[...]
                    while text.last?.isWhitespace == true { text.removeLast() }
                    let legal = text.utf8.allSatisfy {
                        ($0 >= 48 && $0 <= 57) || ($0 >= 65 && $0 <= 90) || ($0 >= 97 && $0 <= 122) || [45, 46, 95].contains($0)
                    }
                    guard legal, (1...64).contains(text.utf8.count) else {
                        throw DataDirectoryProblem(
                            "\(directory.path)/\(name) holds '\(text.prefix(80))', expected 1 to 64 of A-Z a-z 0-9 . _ -")
                    }
                    return String(text)
                }
                let temporary = ".\(name).\(random(8))"
                try directory.replace(temporary, with: Array("\(make())\n".utf8))
                do { try directory.rename(temporary, to: name) } catch { try directory.remove(temporary) }
                try directory.sync()
            } catch let error as DataDirectoryProblem { throw error } catch let error as SystemError {
                throw problem(error, directory.path)
            } catch {
                throw DataDirectoryProblem("\(directory.path): \(error)")
            }
        }
        throw DataDirectoryProblem("\(directory.path)/\(name) cannot be made")
    }

    private static func random(_ count: Int) -> String {
        String((0..<count).map { _ in "abcdefghijklmnopqrstuvwxyz0123456789".randomElement() ?? "0" })
    }

    /// Takes the lock for as long as the descriptor is open, here or in a worker that inherited it. Waits
    /// some seconds for the workers of a `run` that was killed: they end by themselves. nil where `isTold` to stop.
    public func lock(patience: Double, isTold: () -> Bool) throws(DataDirectoryProblem) -> Int32? {
        do {
            let file = try directory.open("lock", flags: O_RDWR | O_CREAT)
            let end = MonotonicTime.now() + patience
            while flock(file.number, LOCK_EX | LOCK_NB) != 0 {
                let holder = String(decoding: (try directory.read("lock")) ?? [], as: UTF8.self)
                let words = holder.split { $0 == " " || $0 == "\n" }
                let pid = words.first.flatMap { Int32($0) }
                let isHere = words.dropFirst().first.map(String.init) == Self.host
                let isAlive = pid.map { kill($0, 0) == 0 || errno == EPERM } ?? true
                if !isHere || isAlive || MonotonicTime.now() > end {
                    throw DataDirectoryProblem(
                        "\(path)/lock is held by pid \(pid.map(String.init) ?? "?")\(isHere ? "" : " on \(words.dropFirst().first ?? "?")"): another `sensor run` uses this data directory; stop it, or set SENSOR_DATA_DIR"
                    )
                }
                if isTold() { return nil }
                usleep(50_000)
            }
            try file.truncate(to: 0)
            try file.writeAll(Array("\(getpid()) \(Self.host)\n".utf8))
            return file.release()
        } catch let error as DataDirectoryProblem { throw error } catch let error as SystemError { throw Self.problem(error, path) } catch {
            throw DataDirectoryProblem("\(path)/lock: \(error)")
        }
    }

    /// Who holds the lock, in words; nil where nobody does. Taken shared for a moment, since flock(2) has no question.
    public static func lockHolder(in directory: borrowing Directory) throws(SystemError) -> String? {
        guard try directory.status("lock") != nil else { return nil }
        let file = try directory.open("lock", flags: O_RDONLY)
        if flock(file.number, LOCK_SH | LOCK_NB) == 0 { return nil }
        let words = String(decoding: (try directory.read("lock")) ?? [], as: UTF8.self).split { $0 == " " || $0 == "\n" }
        return "pid \(words.first ?? "?")" + (words.dropFirst().first.map { $0 == host ? "" : " on \($0)" } ?? "")
    }

    private static var host: String {
        var name = [CChar](repeating: 0, count: 256)
        unsafe gethostname(&name, 255)
        let text = string(in: name)
        return text.isEmpty ? "-" : text
    }

    /// Finished files that wait for delivery.
    public static func undelivered(spool: String) -> Int {
        guard let names = try? Directory(spool).names() else { return 0 }
        return names.count { $0.hasSuffix(".pcap") && !$0.hasPrefix(".") }
    }
}
