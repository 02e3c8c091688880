// The least a supervisor in Swift can be, and what `sensor supervise` is measured against.
//   loop keep CHILD FIFO N     starts N children and starts each again when it has ended; SIGUSR1 ends them all, SIGTERM
//                              ends them all for good
//   loop relay COMMAND…        copies what COMMAND prints to its own standard output
import Glibc

nonisolated(unsafe) var isEnding: Int32 = 0
nonisolated(unsafe) var isRestarting: Int32 = 0

func spawn(_ words: [String], _ actions: UnsafePointer<posix_spawn_file_actions_t>? = nil) -> pid_t {
    let argv = words.map { strdup($0) } + [nil]
    defer { argv.forEach { free($0) } }
    var pid: pid_t = 0
    guard posix_spawn(&pid, words[0], actions, nil, argv, environ) == 0 else { exit(3) }
    return pid
}

func on(_ signal: Int32, _ handler: @escaping @convention(c) (Int32) -> Void) {
    var action = sigaction()  // no SA_RESTART: waitpid is to return
    action.__sigaction_handler.sa_handler = handler
    sigaction(signal, &action, nil)
}

func keep(_ child: String, _ fifo: String, _ count: Int) {
    on(SIGTERM) { _ in isEnding = 1 }
    on(SIGUSR1) { _ in isRestarting = 1 }
    var numbers: [pid_t: Int] = [:]
    for number in 0..<count { numbers[spawn([child, "stamp", fifo, "\(number)"])] = number }
    while !numbers.isEmpty {
        var status: Int32 = 0
        let ended = waitpid(-1, &status, 0)
        if ended > 0, let number = numbers.removeValue(forKey: ended), isEnding == 0 {
            numbers[spawn([child, "stamp", fifo, "\(number)"])] = number
        }
        if ended < 0, isEnding + isRestarting > 0 {
            for pid in numbers.keys { kill(pid, SIGTERM) }
            isRestarting = 0
        }
    }
}

func relay(_ words: [String]) {
    var ends: [Int32] = [-1, -1]
    pipe(&ends)
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    posix_spawn_file_actions_adddup2(&actions, ends[1], 1)
    posix_spawn_file_actions_addclose(&actions, ends[0])
    posix_spawn_file_actions_addclose(&actions, ends[1])
    _ = spawn(words, &actions)
    close(ends[1])
    var buffer = [UInt8](repeating: 0, count: 65_536)
    while case let got = read(ends[0], &buffer, buffer.count), got > 0 {
        var done = 0
        while done < got {
            let wrote = buffer.withUnsafeBytes { write(1, $0.baseAddress! + done, got - done) }
            if wrote < 0 { exit(3) }
            done += wrote
        }
    }
    // The reader looks at this process's figures before it lets it go.
    close(1)
    while isEnding == 0 { pause() }
}

let words = CommandLine.arguments
if words.count == 5, words[1] == "keep", let count = Int(words[4]) { keep(words[2], words[3], count) }
if words.count > 2, words[1] == "relay" {
    on(SIGTERM) { _ in isEnding = 1 }
    relay(Array(words[2...]))
}
