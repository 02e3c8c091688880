import Testing

@testable import Supervisor

/// Commands as shlex.split reads them, `environment=` as supervisord does, and quoting in messages.
struct QuotingTests {
    @Test(arguments: [
        ("", []), (" \t ", []), ("a b\tc\nd\re", ["a", "b", "c", "d", "e"]), ("'a b'", ["a b"]), ("\"a b\"", ["a b"]),
        ("a'b c'd", ["ab cd"]), ("''", [""]), ("a '' b", ["a", "", "b"]), ("\"\"''", [""]), ("a\\ b", ["a b"]),
        ("\\n", ["n"]), ("'a\\b'", ["a\\b"]), ("\"a\\b\"", ["a\\b"]), ("\"a\\\"b\\\\\"", ["a\"b\\"]), ("\"'\" '\"'", ["'", "\""]),
        ("a#b #c", ["a#b", "#c"]), ("a;b && c | d > e", ["a;b", "&&", "c", "|", "d", ">", "e"]), ("$HOME ~ *", ["$HOME", "~", "*"]),
        ("a\\\nb", ["a\nb"]), ("é\u{a0}ü", ["é\u{a0}ü"]), ("sh -c 'sleep 1; echo \"x y\"'", ["sh", "-c", "sleep 1; echo \"x y\""]),
    ])
    func `a command's words`(_ text: String, _ words: [String]) throws { #expect(try ShellWords.split(text) == words) }

    @Test(arguments: ["'", "a 'b", "\"a", "a\"b'c", "\"a\\\""])
    func `a quotation must be closed`(_ text: String) {
        #expect(throws: ShellWords.Problem.unclosedQuotation) { try ShellWords.split(text) }
    }

    @Test(arguments: ["\\", "a \\", "\"a\\"])
    func `a backslash needs something to escape`(_ text: String) {
        #expect(throws: ShellWords.Problem.nothingEscaped) { try ShellWords.split(text) }
    }

    @Test(
        arguments: [
            ("", [:]), ("A=1", ["A": "1"]), ("A=1,", ["A": "1"]), ("A=1, B = 2", ["A": "1", "B": "2"]), ("A=1,A=2", ["A": "2"]),
            (
                "A=\"with,comma\",B=plain,C=\"q'uote\",D=\"50%\",E=\"sp ace\"",
                ["A": "with,comma", "B": "plain", "C": "q'uote", "D": "50%", "E": "sp ace"]
            ),
            ("A='x=y'", ["A": "x=y"]), ("A=/usr/bin:/bin,B=-x+y(1).z", ["A": "/usr/bin:/bin", "B": "-x+y(1).z"]),
            ("A=\"\"", ["A": ""]), ("A=1,\n B=2", ["A": "1", "B": "2"]), ("A=b#c\nd,B=2", ["A": "bd", "B": "2"]),
            ("A=it's", ["A": "it's"]), ("A=\"it's'\"", ["A": "it's"]), ("\"A\"=1", ["\"A\"": "1"]),
        ] as [(String, [String: String])])
    func `the environment's pairs`(_ text: String, _ pairs: [String: String]) throws {
        let read = try KeyValueText(text)
        #expect(read.pairs == pairs)
        #expect(read.cutShort == [])
    }

    @Test(arguments: ["A", "A=", "A=1,B", "=1", "A==1,", "A=user@host", "A=1,,B=2", "A=éa,B=2"])
    func `pairs that end too early`(_ text: String) {
        #expect(throws: ConfigurationError("Unexpected end of key/value pairs in value '\(text)'")) { try KeyValueText(text) }
    }

    @Test(arguments: [("A=x*", ["A": "x"]), ("A=é;B=2", ["A": "é", "B": "2"])])
    func `a value that ends before a character nobody quoted is told`(_ text: String, _ pairs: [String: String]) throws {
        let read = try KeyValueText(text)
        #expect(read.pairs == pairs)
        #expect(read.cutShort == ["A"])
        #expect(
            try reading("environment=\(text)").environment["A"] == pairs["A"],
            "and the program gets what the original would give it")
    }

    @Test(arguments: [
        ("a", "'a'"), ("it's", "\"it's\""), ("\"", "'\"'"), ("'\"", "'\\'\"'"), ("\\\n\r\t", "'\\\\\\n\\r\\t'"),
        ("\u{1}\u{7f}", "'\\x01\\x7f'"),
        ("é\u{a0}", "'é\\xa0'"), ("\u{200b}", "'\\u200b'"), ("\u{10ffff}", "'\\U0010ffff'"), ("😀", "'😀'"),
    ])
    func `messages quote as Python does`(_ text: String, _ quoted: String) { #expect(text.repr == quoted) }
}
