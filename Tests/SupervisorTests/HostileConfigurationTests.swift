import Testing

@testable import Supervisor

/// Texts nobody writes on purpose: each has an answer, soon.
struct HostileConfigurationTests {
    private static let long = 1 << 20

    private func quickly<Value>(_ work: () throws -> Value) throws -> Value {
        let clock = ContinuousClock()
        let start = clock.now
        let value = try work()
        let took = clock.now - start
        #expect(took < .seconds(20), "twice the text must not be four times the work")
        return value
    }

    @Test(arguments: [";", "=", "'x' ", "%%é"])
    func `a line of a megabyte`(_ piece: String) throws {
        let line = String(repeating: piece, count: Self.long / piece.utf8.count)
        let program = try quickly { try reading("command=\(line)") }
        #expect(program.arguments.isEmpty == (program.commandProblem != nil))
        let told = try quickly { mistake(in: "[supervisord]\n\(line)\n") }
        #expect(told?.hasPrefix("Source contains parsing errors") ?? (piece == ";"))
    }

    @Test(arguments: ["a=b,", "'", "#", "é"])
    func `pairs of a megabyte`(_ piece: String) throws {
        let line = String(repeating: piece, count: Self.long / piece.utf8.count)
        let read = try quickly { try? KeyValueText(line) }
        #expect(read?.pairs ?? [:] == (piece == "a=b," ? ["a": "b"] : [:]))
    }

    @Test func `a value of many lines`() throws {
        let lines = String(repeating: "\n x", count: 300_000)
        #expect(try quickly { try reading("command=c\(lines)") }.arguments.count == 300_001)
    }

    @Test func `many sections, options and names`() throws {
        var text = "[supervisord]\n"
        for number in 0..<20_000 { text += "[program:p\(number)]\ncommand=c\no\(number)=1\n" }
        #expect(try quickly { try configuration(text) }.groups.count == 20_000)
    }

    @Test func `one section many times`() throws {
        let text = "[supervisord]\n" + String(repeating: "[program:x]\ncommand=c\n", count: 100_000)
        #expect(try quickly { try configuration(text) }.programs.count == 1)
    }

    @Test(arguments: ["10001", "99999999999999999999999999"])
    func `more processes than anybody runs are refused`(_ count: String) throws {
        let told = try #require(mistake(in: "[supervisord]\n[program:x]\ncommand=c\nnumprocs=\(count)\nprocess_name=%(process_num)d\n"))
        #expect(told.hasPrefix("numprocs is above 10000: "))
    }

    @Test func `a start beyond all numbers does not overflow`() throws {
        let program = try reading("numprocs_start=99999999999999999999999999\nprocess_name=%(process_num)d")
        #expect(program.name == String(PythonInteger.limit))
    }

    @Test func `nested parentheses are counted, not followed`() {
        let text = String(repeating: "(", count: Self.long)
        let names = ExpansionNames(environment: [:])
        #expect(throws: ConfigurationError.self) { try quickly { try Expansion.expand("%" + text, names, name: "n") } }
    }

    @Test func `a file that includes itself is read twice, not for ever`() throws {
        let read = try configuration("[supervisord]\n[include]\nfiles=s.conf\n")
        #expect(read.messages == [ConfigurationMessage(.info, "Included extra file \"/tmp/c/s.conf\" during parsing")])
    }

    @Test func `any bytes have an answer`() {
        var generator = Dice(state: 7)
        let pieces = [
            "[", "]", "=", ":", "\n", "\r", " ", "\t", ";", "#", "%", "(", ")", "\"", "'", "\\", ",", "here", "s", "d", "0", "-", "x", "é",
            "[supervisord]\n", "[program:x]\n", "command", "environment", "numprocs", "process_name", "\u{0}", "\u{85}",
            "[include]\nfiles=*\n", "~", "/",
        ].map { Array($0.utf8) }
        var refused = 0
        for _ in 0..<3_000 {
            var bytes: [UInt8] = []
            for _ in 0..<(generator.next() % 60) {
                let roll = generator.next()
                if roll % 50 == 0 {
                    bytes.append(UInt8(truncatingIfNeeded: roll >> 8))
                } else {
                    bytes += pieces[Int(roll >> 8) % pieces.count]
                }
            }
            var world = machine()
            let file = ConfigurationWorld.File.bytes(bytes)
            world.file = { _ in file }
            do {
                _ = try SupervisordConfiguration.read(path: confPath, world: world)
            } catch {
                refused += 1
                #expect(!error.description.isEmpty)
            }
        }
        #expect(refused > 0)
    }

    /// The same numbers at every run.
    private struct Dice {
        var state: UInt64
        mutating func next() -> UInt64 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return state >> 20
        }
    }
}
