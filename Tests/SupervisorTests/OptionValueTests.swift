import Testing

@testable import Supervisor

/// How single options are read; every refusal has its case in ConfigurationMistakeTests.
struct OptionValueTests {
    @Test(arguments: [
        ("true", true), ("Yes", true), ("ON", true), ("1", true), ("false", false), ("no", false), ("Off", false), ("0", false),
    ])
    func booleans(_ text: String, _ value: Bool) throws { #expect(try OptionValue.boolean(text) == value) }

    @Test(arguments: ["", "2", "y", "t", "01", " true"])
    func `other words are no booleans`(_ text: String) { #expect(throws: ConfigurationError.self) { try OptionValue.boolean(text) } }

    @Test(arguments: [
        ("0", 0), ("-7", -7), ("+7", 7), (" 12 ", 12), ("1_000", 1000), ("010", 10), ("\u{0663}", 3),
        ("9999999999999999999999", PythonInteger.limit), ("-9999999999999999999999", -PythonInteger.limit),
    ])
    func `whole numbers`(_ text: String, _ value: Int) throws { #expect(try PythonInteger.decimal(text) == value) }

    @Test(arguments: ["", "-", "1.5", "0x1", "1__0", "_1", "1_", "- 1", "1 2", "²"])
    func `other words are no numbers`(_ text: String) {
        #expect(throws: ConfigurationError("invalid literal for int() with base 10: \(text.repr)")) { try PythonInteger.decimal(text) }
    }

    @Test(arguments: [
        ("0", 0), ("512", 512), ("1KB", 1024), ("5mb", 5 << 20), ("2 GB", 2 << 30), ("-1", 0), ("99999999999999999GB", Int64.max),
    ])
    func `sizes in bytes`(_ text: String, _ value: Int64) throws { #expect(try OptionValue.bytes(text) == value) }

    @Test(arguments: ["5TB", "KB", "1.5MB", "5k"])
    func `other units are no sizes`(_ text: String) { #expect(throws: ConfigurationError.self) { try OptionValue.bytes(text) } }

    @Test(arguments: [("022", 0o22), ("0o77", 0o77), ("777", 0o777), ("0", 0)])
    func `octal numbers`(_ text: String, _ value: UInt32) throws { #expect(try OptionValue.octal(text) == value) }

    @Test(arguments: ["8", "", "-1", "0x1", "10000", "rwx"])
    func `other words are no modes`(_ text: String) {
        #expect(throws: ConfigurationError("\(text) can not be converted to an octal type")) { try OptionValue.octal(text) }
    }

    @Test(arguments: [
        ("TERM", 15), ("SIGTERM", 15), ("term", 15), (" hup ", 1), ("15", 15), ("SIGUSR1", 10), ("CLD", 17), ("STKFLT", 16), ("RTMIN", 34),
        ("64", 64),
    ])
    func signals(_ text: String, _ value: Int32) throws { #expect(try StopSignal.number(text) == value) }

    @Test(arguments: ["0", "32", "35", "65", "-9"])
    func `numbers that are no signals`(_ text: String) {
        #expect(throws: ConfigurationError("value '\(text)' is not a valid signal number")) { try StopSignal.number(text) }
    }

    @Test(arguments: ["", "SIG", "SIGSIGTERM", "TERMINATE"])
    func `words that are no signals`(_ text: String) {
        #expect(throws: ConfigurationError("value '\(text)' is not a valid signal name")) { try StopSignal.number(text) }
    }

    @Test(arguments: [("0", [0]), ("0,2", [0, 2]), (" 3 , 4", [3, 4]), ("", []), ("255", [255])] as [(String, Set<Int32>)])
    func `exit codes`(_ text: String, _ codes: Set<Int32>) throws { #expect(try OptionValue.exitcodes(text) == codes) }

    @Test(
        arguments: [("true", .always), ("1", .always), ("False", .never), ("Unexpected", .unexpected)]
            as [(String, ProgramSpec.Autorestart)])
    func autorestart(_ text: String, _ value: ProgramSpec.Autorestart) throws { #expect(try OptionValue.autorestart(text) == value) }

    @Test(arguments: LogLevel.allCases) func `log levels by name, in any case`(_ level: LogLevel) throws {
        #expect(try OptionValue.level(level.name.uppercased()) == level)
    }

    @Test func `log levels have their four letters and their order`() {
        #expect(
            LogLevel.allCases.map(\.word) == ["BLAT", "TRAC", "DEBG", "INFO", "WARN", "ERRO", "CRIT"])
        #expect(LogLevel.debug < .info && LogLevel.trace < .debug && LogLevel.error < .critical)
    }

    @Test(
        arguments: [
            ("NONE", .none), ("off", .none), ("", .none), ("AUTO", .automatic), ("Syslog", .syslog), ("/dev/stdout", .descriptor(1)),
            ("/dev/stderr", .descriptor(2)), ("/dev/fd/1", .descriptor(1)), ("/dev/fd/2", .descriptor(2)),
            ("/proc/self/fd/17", .descriptor(17)),
            ("x.log", .file("x.log")), ("/var/log/x", .file("/var/log/x")), ("~/x", .file("/root/x")), ("~ann/x", .file("/home/ann/x")),
            ("/dev/null", .file("/dev/null")),
        ] as [(String, LogTarget)])
    func `where a log goes`(_ text: String, _ target: LogTarget) throws { #expect(try LogTarget(text, machine()) == target) }

    @Test(arguments: ["/nowhere/x", "~bob/x", "/dev/fd/x", "/dev/fd/", "/proc/self/fd/99999999999"])
    func `a log needs its directory`(_ text: String) {
        #expect(throws: ConfigurationError("The directory named as part of the path \(text) does not exist")) {
            try LogTarget(text, machine())
        }
    }

    @Test(arguments: [
        ("a//b/./c/../d", "a/b/d"), ("/..", "/"), ("//a", "//a"), ("///a", "/a"), ("", "."), ("../a", "../a"), ("a/..", "."),
        ("/a/../../b", "/b"),
    ])
    func `paths without detours`(_ text: String, _ path: String) { #expect(PathText.normal(text) == path) }

    @Test(arguments: [("/a/b", "/a"), ("/a", "/"), ("a", ""), ("a/", "a"), ("/a//b", "/a"), ("", ""), ("//a", "//")])
    func `a path's directory`(_ text: String, _ path: String) { #expect(PathText.directory(of: text) == path) }
}
