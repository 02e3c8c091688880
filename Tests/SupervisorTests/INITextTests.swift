import Testing

@testable import Supervisor

/// What Python 3.11's RawConfigParser, set up as supervisord does it, makes of a text.
struct INITextTests {
    private func value(_ text: String, _ option: String = "a") throws -> String? {
        var ini = INIText()
        try ini.read(Array(text.utf8), file: "f")
        return ini["s", option]
    }

    @Test(arguments: [
        ("[s]\na=b\n", "b"),
        ("[s]\na: b\n", "b"),
        ("[s]\na = b = c: d\n", "b = c: d"),
        ("[s]\n  a \t=\t b  \n", "b"),
        ("[s]\nA=b\n", "b"),
        ("[s]\na=\n", ""),
        ("[s]\na=1\na=2\n", "2"),
        ("[s]\na=1\n[t]\na=3\n[s]\nb=2\n", "1"),
        ("[s]\na=1\n[s]\na=2\n", "2"),
        ("[s] and the rest\na=b\n", "b"),
        ("[s]\r\na=b\r\n", "b"),
        ("[s]\ra=b\r", "b"),
        ("[s]\na=b", "b"),
        ("[DEFAULT]\na=all\n[s]\n", "all"),
        ("[DEFAULT]\na=all\n[s]\na=own\n", "own"),
        ("[s]\n[DEFAULT]\na=late\n", "late"),
    ])
    func `sections and options`(_ text: String, _ expected: String) throws { #expect(try value(text) == expected) }

    @Test(arguments: [
        ("a=b ; c", "b"), ("a=b # c", "b"), ("a=b;c", "b;c"), ("a=b#c", "b#c"), ("a=b\t;c", "b"), ("a=;c", ";c"), ("a= ;c", ""),
        ("a=\"x ; y\"", "\"x"),
        // The first `;` is none, the first `#` is one: the second `;` is never looked at.
        ("a=x;y ;z #w", "x;y ;z"),
    ])
    func `a comment begins after a blank, in quotes too`(_ line: String, _ expected: String) throws {
        #expect(try value("[s]\n\(line)\n") == expected)
    }

    @Test(arguments: [
        ("a=1\n  2\n\t3\n", "1\n2\n3"),
        ("a=\n  1\n  2\n", "\n1\n2"),
        ("a=1\n\n  2\n", "1\n\n2"),
        ("a=1\n; c\n  2\n", "1\n2"),
        ("a=1\n  2 ; c\n", "1\n2"),
        ("a=1\n  b=2\n", "1\nb=2"),
        ("a=1\n  [t]\n", "1\n[t]"),
        ("  a=1\n  b=2\n", "1"),
        ("a=1\n\n\n", "1"),
    ])
    func `a value goes on in deeper lines`(_ lines: String, _ expected: String) throws {
        #expect(try value("[s]\n\(lines)") == expected)
    }

    @Test func `sections and names keep the order of their first appearance`() throws {
        var ini = INIText()
        try ini.read(Array("[b]\nz=1\na=1\n[a]\n[b]\nz=2\n[DEFAULT]\nd=1\n".utf8), file: "f")
        #expect(ini.sections == ["b", "a"])
        #expect(ini.names(in: "b") == ["z", "a", "d"])
        #expect(ini["b", "z"] == "2")
        #expect(!ini.contains("DEFAULT"))
    }

    @Test func `a second file adds to the first, and only what it brings is its own`() throws {
        var ini = INIText()
        try ini.read(Array("[s]\na=1\nb=1\n".utf8), file: "one")
        try ini.read(Array("[s]\na=2\n[t]\nc=3\n".utf8), file: "two", isIncluded: true)
        #expect(ini["s", "a"] == "2")
        #expect(ini["s", "b"] == "1")
        #expect(ini.origins == ["t": "two"])
    }

    @Test func `here is replaced in every value, even where the percent is doubled`() throws {
        var ini = INIText()
        try ini.read(Array("[s]\na=%(here)s/%(here)s\nb=%%(here)s\nc=%(her)s\n".utf8), file: "f")
        ini.replaceHere(with: "/etc")
        #expect(ini["s", "a"] == "/etc//etc")
        #expect(ini["s", "b"] == "%/etc")
        #expect(ini["s", "c"] == "%(her)s")
    }

    @Test(
        arguments: [
            ([0xff], "'utf-8' codec can't decode byte 0xff in position 4: invalid start byte (file: 'f', line: 2)"),
            ([0xc3, 0x28], "'utf-8' codec can't decode byte 0xc3 in position 4: invalid continuation byte (file: 'f', line: 2)"),
            ([0xe2, 0x82], "'utf-8' codec can't decode byte 0xe2 in position 4: unexpected end of data (file: 'f', line: 2)"),
            ([0x61, 0x00], "File contains a NUL byte in position 5. (file: 'f', line: 2)"),
        ] as [([UInt8], String)])
    func `bytes that are no text are shown with their place`(_ bytes: [UInt8], _ expected: String) {
        var ini = INIText()
        #expect(throws: ConfigurationError(expected)) { try ini.read(Array("[s]\n".utf8) + bytes, file: "f") }
    }
}
