import Glibc
import Linux
import Supervisor
import Testing

/// OpenSSH's own tool, which has the last word on what a key file is.
enum SSHKeygen {
    static let path = ["/usr/bin/ssh-keygen", "/usr/local/bin/ssh-keygen"].first { (path: String) in
        access(path, X_OK) == 0
    }

    struct Failed: Error {
        let arguments: [String]
        let output: String
    }

    /// What it prints, on both streams.
    @discardableResult
    static func run(_ arguments: String...) throws -> String { try run(arguments: arguments) }

    @discardableResult
    static func run(arguments: [String]) throws -> String {
        let path = try #require(path)
        let ends = try Pipe.make().keepBoth()
        let reading = Descriptor(owning: ends.read)
        let pid: Int32
        do {
            let writing = Descriptor(owning: ends.write)
            pid = try Spawner.spawn(
                path: path, arguments: [path] + arguments, environment: ["LC_ALL": "C"],
                descriptors: [-1, writing.number, writing.number])
        }
        var output: [UInt8] = []
        while true {
            let part = try reading.read(4096)
            if part.isEmpty { break }
            output += part
        }
        let text = String(decoding: output, as: UTF8.self)
        guard Spawner.reap(pid, wait: true)?.status == .code(0) else {
            throw Failed(arguments: arguments, output: text)
        }
        return text
    }
}

extension Trait where Self == ConditionTrait {
    static var needsSSHKeygen: Self { .enabled(if: SSHKeygen.path != nil, "ssh-keygen is not installed") }
}
