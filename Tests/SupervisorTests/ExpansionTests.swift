import Testing

@testable import Supervisor

/// Python's `%` with a dictionary; all answers are CPython 3.11's.
struct ExpansionTests {
    private static let names = ExpansionNames(
        environment: ["A": "apple", "Q": "it's"], own: ["process_num": .number(7), "numprocs": .number(-300), "here": .text("/h")])

    private func expand(_ text: String) -> String {
        do { return try Expansion.expand(text, Self.names, name: "n") } catch { return error.description }
    }

    @Test(
        arguments: [
            ("plain", "plain"), ("100%%", "100%"), ("%%(here)s", "%(here)s"), ("%(here)s/%(ENV_A)s", "/h/apple"),
            ("%(process_num)s", "7"), ("%(process_num)d", "7"), ("%(process_num)02d", "07"), ("%(process_num)+d", "+7"),
            ("%(process_num)5d|", "    7|"), ("%(process_num)-5d|", "7    |"), ("%(process_num).3d", "007"), ("%(process_num) d", " 7"),
            ("%(numprocs)05d", "-0300"), ("%(numprocs)x", "-12c"), ("%(numprocs)#X", "-0X12C"), ("%(process_num)#o", "0o7"),
            ("%(process_num)i%(process_num)u", "77"), ("%(ENV_A)8s|", "   apple|"), ("%(ENV_A)-8s|", "apple   |"),
            ("%(ENV_A).2s", "ap"), ("%(ENV_A)r", "'apple'"), ("%(ENV_Q)r", "\"it's\""), ("%(process_num)c", "\u{7}"),
            ("%(process_num)ld", "7"), ("%(here)08s|", "      /h|"),
        ])
    func `names are written as their letters say`(_ text: String, _ expected: String) { #expect(expand(text) == expected) }

    @Test(arguments: [
        ("%", "incomplete format"), ("x%(here)", "incomplete format"), ("%(here", "incomplete format key"),
        ("%Y", "unsupported format character 'Y' (0x59) at index 1"), ("%5%", "unsupported format character '%' (0x25) at index 2"),
        ("%(here)y", "unsupported format character 'y' (0x79) at index 7"), ("%é", "unsupported format character '?' (0xe9) at index 1"),
        ("%(here)s%Y", "not enough arguments for format string"), ("%d", "%d format: a real number is required, not dict"),
        ("%(here)d", "%d format: a real number is required, not str"), ("%(here)x", "%x format: an integer is required, not str"),
        ("%(here)f", "must be real number, not str"), ("%(here)c", "%c requires int or char"), ("%(here)*s", "* wants int"),
        ("%(process_num)*d", "not enough arguments for format string"), ("%(numprocs)c", "%c arg not in range(0x110000)"),
    ])
    func `what is badly formatted is told with its place`(_ text: String, _ why: String) {
        #expect(expand(text) == "Format string \(text.repr) for 'n' is badly formatted: \(why)")
    }

    @Test(arguments: [("%(no)s", "'no'"), ("%()s", "''"), ("%(a(b)c)s", "'a(b)c'"), ("%(it's)d", "\"it's\"")])
    func `an unknown name is told with all that are known, in order`(_ text: String, _ name: String) {
        #expect(
            expand(text)
                == "Format string \(text.repr) for 'n' contains names (\(name)) which cannot be expanded. "
                + "Available names: ENV_A, ENV_Q, here, numprocs, process_num")
    }

    @Test func `a percent without a name never writes out the whole environment`() {
        #expect(expand("date +%s") == "Format string 'date +%s' for 'n' is badly formatted: not enough arguments for format string")
    }

    @Test(arguments: ["%(process_num)99999999999999999999d", "%(here)999999s", "%(process_num).99999999d"])
    func `padding does not fill the memory`(_ text: String) { #expect(expand(text).contains(" too big")) }

    @Test func `a short text cannot stand for a very long one`() {
        let names = ExpansionNames(environment: ["X": String(repeating: "x", count: 100_000)])
        let text = String(repeating: "%(ENV_X)s", count: 10_000)
        #expect(throws: ConfigurationError.self) { try Expansion.expand(text, names, name: "n") }
    }
}
