/// Reads one file's lines. A value goes on in every line that stands deeper than its own; a comment is a
/// whole line, or begins with a `;` or `#` after a blank.
struct INIReader {
    struct Found {
        var section: String
        var options = INIText.Options()
    }

    let file: String
    /// A section each time its header appears.
    private(set) var found: [Found] = []
    private var option: String?
    private var lines: [String] = []
    private var indentation = 0
    private var problems = ""

    init(file: String) { self.file = file }

    mutating func take(_ line: INILines.Line, number: Int) throws(ConfigurationError) {
        let comment = Self.commentStart(line.text)
        let content = (comment.map { line.text[..<$0] } ?? line.text).trimmed
        if content.isEmpty {
            // An empty line belongs to the value; one with a comment only does not.
            if comment == nil, option != nil { lines.append("") }
            return
        }
        let indent = (line.text.firstIndex { !$0.isBlank } ?? line.text.startIndex) - line.text.startIndex
        if option != nil, indent > indentation {
            lines.append(String(scalars: content))
            return
        }
        indentation = indent
        if let name = Self.header(content) {
            keepOption()
            option = nil
            found.append(Found(section: name))
        } else if found.isEmpty {
            throw ConfigurationError("File contains no section headers.\nfile: \(file.repr), line: \(number)\n\(line.repr)")
        } else {
            takeOption(content, line, number)
        }
    }

    mutating func finish() throws(ConfigurationError) {
        keepOption()
        if !problems.isEmpty { throw ConfigurationError("Source contains parsing errors: \(file.repr)\(problems)") }
    }

    private mutating func takeOption(_ content: ArraySlice<Unicode.Scalar>, _ line: INILines.Line, _ number: Int) {
        guard let delimiter = content.firstIndex(where: { $0 == "=" || $0 == ":" }), delimiter > content.startIndex else {
            problems += "\n\t[line \(number < 10 ? " " : "")\(number)]: \(line.repr)"
            // A line that begins with its delimiter still ends the option before it.
            if content.first == "=" || content.first == ":" {
                keepOption()
                option = nil
            }
            return
        }
        keepOption()
        option = String(scalars: content[..<delimiter].trimmed).lowercased()
        lines = [String(scalars: content[(delimiter + 1)...].trimmed)]
    }

    private mutating func keepOption() {
        guard let option, !found.isEmpty else { return }
        let text = lines.joined(separator: "\n").unicodeScalars
        let end = text.lastIndex { !$0.isBlank }.map(text.index(after:)) ?? text.startIndex
        found[found.count - 1].options[option] = String(text[..<end])
        lines = []
    }

    /// What stands between the first and the last bracket; anything may follow.
    private static func header(_ content: ArraySlice<Unicode.Scalar>) -> String? {
        guard content.first == "[", let end = content.lastIndex(of: "]"), end > content.startIndex + 1 else { return nil }
        return String(scalars: content[(content.startIndex + 1)..<end])
    }

    /// The original looks at the first `;` and the first `#` together, then at the second of each, and so on,
    /// and is content with the first pair that holds a comment; so a later one can win.
    private static func commentStart(_ line: ArraySlice<Unicode.Scalar>) -> Int? {
        if let first = line.first(where: { !$0.isBlank }), first == ";" || first == "#" { return line.startIndex }
        var semicolon: Int? = line.startIndex - 1
        var hash: Int? = line.startIndex - 1
        while semicolon != nil || hash != nil {
            semicolon = semicolon.flatMap { line[($0 + 1)...].firstIndex(of: ";") }
            hash = hash.flatMap { line[($0 + 1)...].firstIndex(of: "#") }
            let start = [semicolon, hash].compactMap { $0 }.filter { $0 == line.startIndex || line[$0 - 1].isBlank }.min()
            if let start { return start }
        }
        return nil
    }
}
