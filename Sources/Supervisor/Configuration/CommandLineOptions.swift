/// Short and long options as Python's getopt takes them: values joined or apart, `-nc FILE`, long names cut
/// to any prefix that is no other's, the first other word ends them.
struct CommandLineOptions {
    struct Entry {
        var short: Unicode.Scalar?
        var long: String
        var name: String
        var takesValue: Bool

        init(_ short: Unicode.Scalar?, _ long: String, name: String? = nil, takesValue: Bool = false) {
            self.short = short
            self.long = long
            self.name = name ?? long
            self.takesValue = takesValue
        }
    }

    struct Option: Equatable {
        var name: String
        /// As messages name it: `-c` or `--configuration`.
        var written: String
        /// Empty where none is taken.
        var value: String
    }

    private(set) var rest: ArraySlice<String>
    private let table: [Entry]
    /// What is left of a word of short options.
    private var letters: Substring.UnicodeScalarView = Substring().unicodeScalars

    init(_ arguments: [String], table: [Entry]) {
        rest = arguments[...]
        self.table = table
    }

    mutating func next() throws(ConfigurationError) -> Option? {
        if let letter = letters.popFirst() { return try short(letter) }
        guard let word = rest.first, word.utf8.first == UInt8(ascii: "-"), word.utf8.count > 1 else { return nil }
        rest = rest.dropFirst()
        if word == "--" { return nil }
        if word.utf8.starts(with: "--".utf8) { return try long(Substring(word.unicodeScalars.dropFirst(2))) }
        letters = word.unicodeScalars.dropFirst()
        return try next()
    }

    private mutating func short(_ letter: Unicode.Scalar) throws(ConfigurationError) -> Option {
        guard let entry = table.first(where: { $0.short == letter }) else {
            throw ConfigurationError("option -\(letter) not recognized")
        }
        guard entry.takesValue else { return Option(name: entry.name, written: "-\(letter)", value: "") }
        let joined = String(letters)
        letters = Substring().unicodeScalars
        guard let value = joined.isEmpty ? rest.popFirst() : joined else {
            throw ConfigurationError("option -\(letter) requires argument")
        }
        return Option(name: entry.name, written: "-\(letter)", value: value)
    }

    private mutating func long(_ word: Substring) throws(ConfigurationError) -> Option {
        let equals = word.unicodeScalars.firstIndex(of: "=")
        let name = String(word[..<(equals ?? word.endIndex)])
        let entry = try entry(name)
        guard entry.takesValue else {
            if equals != nil { throw ConfigurationError("option --\(entry.long) must not have an argument") }
            return Option(name: entry.name, written: "--\(entry.long)", value: "")
        }
        let joined = equals.map { String(word.unicodeScalars[word.unicodeScalars.index(after: $0)...]) }
        guard let value = joined ?? rest.popFirst() else { throw ConfigurationError("option --\(entry.long) requires argument") }
        return Option(name: entry.name, written: "--\(entry.long)", value: value)
    }

    private func entry(_ name: String) throws(ConfigurationError) -> Entry {
        let fitting = table.filter { !$0.long.isEmpty && $0.long.utf8.starts(with: name.utf8) }
        if let exact = fitting.first(where: { $0.long == name }) { return exact }
        guard let first = fitting.first else { throw ConfigurationError("option --\(name) not recognized") }
        if fitting.count > 1 { throw ConfigurationError("option --\(name) not a unique prefix") }
        return first
    }
}
