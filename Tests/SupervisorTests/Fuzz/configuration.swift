// A libFuzzer target (scripts/fuzz): whatever a configuration file holds, reading it ends, with a value or one error.

@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzConfiguration(_ data: UnsafePointer<UInt8>?, _ size: Int) -> CInt {
    let bytes = Array(UnsafeBufferPointer(start: data, count: size))
    var world = ConfigurationWorld(environment: ["HOME": "/root", "PATH": "/bin"], currentDirectory: "/", hostName: "host")
    world.file = { $0 == "/c.conf" ? .bytes(bytes) : $0.hasSuffix(".inc") ? .bytes(Array(bytes.reversed())) : .missing }
    world.glob = { [$0.replacing("*", with: "a") + ".inc"] }
    world.userNamed = { $0 == "root" ? UserID(name: "root", uid: 0, gid: 0) : nil }
    do {
        let read = try SupervisordConfiguration.read(path: "/c.conf", world: world)
        for program in read.programs { precondition(!program.name.isEmpty || program.name.isEmpty) }
    } catch { precondition(!error.description.isEmpty) }
    let text = String(decoding: bytes, as: UTF8.self)
    _ = try? ShellWords.split(text)
    _ = try? SupervisordArguments.parse(text.split(separator: " ").map(String.init), world: world)
    return 0
}
