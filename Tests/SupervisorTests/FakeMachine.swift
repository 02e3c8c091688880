@testable import Supervisor

/// A machine of texts: files by path, three users, a few directories.
func machine(_ files: [String: String] = [:], environment: [String: String] = [:]) -> ConfigurationWorld {
    var base = ["PATH": "/bin", "HOME": "/root", "LANG": "C.UTF-8"]
    base.merge(environment) { $1 }
    var world = ConfigurationWorld(environment: base, currentDirectory: "/srv", hostName: "box")
    let directories: Set<String> = ["/", "/tmp", "/tmp/c", "/tmp/c/inc", "/srv", "/root", "/home/ann", "/var/log", "/dev"]
    let users: [String: UInt32] = ["root": 0, "nobody": 65534, "ann": 1000]
    world.file = { path in
        if directories.contains(path) { return .unreadable }
        return files[path].map { .bytes(Array($0.utf8)) } ?? .missing
    }
    world.exists = { files[$0] != nil }
    world.isDirectory = { directories.contains(PathText.normal($0)) }
    // `*` at the end of a name's stem is all the tests need.
    world.glob = { pattern in
        guard let star = pattern.firstIndex(of: "*") else { return files[pattern] == nil ? [] : [pattern] }
        let end = pattern[pattern.index(after: star)...]
        return files.keys.filter { $0.hasPrefix(pattern[..<star]) && $0.hasSuffix(end) }.sorted(by: >)
    }
    world.userNamed = { name in users[name].map { UserID(name: name, uid: $0, gid: $0) } }
    world.userNumbered = { uid in users.first { $0.value == uid }.map { UserID(name: $0.key, uid: uid, gid: uid) } }
    world.groupNamed = { ["root": 0, "adm": 4][$0] }
    world.groupNumbered = { [0, 4].contains($0) }
    world.home = { ["root": "/root", "ann": "/home/ann"][$0 ?? "root"] }
    return world
}

/// The file all tests read.
let confPath = "/tmp/c/s.conf"

func configuration(
    _ text: String, _ arguments: SupervisordArguments = SupervisordArguments(), files: [String: String] = [:],
    environment: [String: String] = [:]
) throws(ConfigurationError) -> SupervisordConfiguration {
    let world = machine(files.merging([confPath: text]) { $1 }, environment: environment)
    return try SupervisordConfiguration.read(path: confPath, arguments: arguments, world: world)
}

/// The first program of a configuration with one `[program:x]`, whose command is /bin/cat unless given.
func reading(_ options: String, environment: [String: String] = [:]) throws(ConfigurationError) -> ProgramSpec {
    let text = "[supervisord]\n[program:x]\n" + (options.contains("command") ? "" : "command=/bin/cat\n") + options + "\n"
    guard let program = try configuration(text, environment: environment).programs.first else {
        throw ConfigurationError("no program was read")
    }
    return program
}

/// What is said about a text that cannot be used; nil: it can.
func mistake(in text: String, _ arguments: SupervisordArguments = SupervisordArguments(), files: [String: String] = [:]) -> String? {
    do {
        _ = try configuration(text, arguments, files: files)
        return nil
    } catch { return error.description }
}
