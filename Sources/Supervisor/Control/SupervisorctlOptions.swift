extension SupervisorctlArguments {
    enum Option: CaseIterable {
        case help, configuration, interactive, serverURL, username, password, historyFile

        var short: Character {
            switch self {
            case .help: return "h"
            case .configuration: return "c"
            case .interactive: return "i"
            case .serverURL: return "s"
            case .username: return "u"
            case .password: return "p"
            case .historyFile: return "r"
            }
        }

        var long: String {
            switch self {
            case .help: return "help"
            case .configuration: return "configuration"
            case .interactive: return "interactive"
            case .serverURL: return "serverurl"
            case .username: return "username"
            case .password: return "password"
            case .historyFile: return "history_file"
            }
        }

        var takesValue: Bool { self != .help && self != .interactive }
    }

    struct Refusal: Error {
        let text: String
        init(_ text: String) { self.text = text }
    }

    /// The options at the front, each with its whole spelling; `words` keeps the rest.
    static func takeOptions(
        _ words: inout ArraySlice<String>
    ) throws(Refusal) -> [(Option, spelling: String, value: String)] {
        var options: [(Option, spelling: String, value: String)] = []
        while let word = words.first, word.hasPrefix("-"), word != "-" {
            words.removeFirst()
            if word == "--" { break }
            if word.hasPrefix("--") {
                options.append(try takeLong(String(word.dropFirst(2)), &words))
            } else {
                try takeShort(word.dropFirst(), &words, &options)
            }
        }
        return options
    }

    private static func takeLong(
        _ text: String, _ words: inout ArraySlice<String>
    ) throws(Refusal) -> (Option, spelling: String, value: String) {
        let equals = text.firstIndex(of: "=")
        let given = equals.map { text[..<$0] } ?? text[...]
        let name = given.hasPrefix("history-") ? "history_" + given.dropFirst(8) : String(given)
        let matching = Option.allCases.filter { $0.long.hasPrefix(name) }
        guard let option = matching.first(where: { $0.long == name }) ?? matching.first else {
            throw Refusal("option --\(given) not recognized")
        }
        guard matching.count == 1 || option.long == name else { throw Refusal("option --\(given) not a unique prefix") }
        let spelling = "--\(option.long)"
        var value = equals.map { String(text[text.index(after: $0)...]) }
        guard option.takesValue else {
            guard value == nil else { throw Refusal("option \(spelling) must not have an argument") }
            return (option, spelling, "")
        }
        value = value ?? words.popFirst()
        guard let value else { throw Refusal("option \(spelling) requires argument") }
        return (option, spelling, value)
    }

    private static func takeShort(
        _ letters: Substring, _ words: inout ArraySlice<String>, _ options: inout [(Option, spelling: String, value: String)]
    ) throws(Refusal) {
        var letters = letters
        while let letter = letters.popFirst() {
            // `-?` is help too.
            guard let option = Option.allCases.first(where: { $0.short == (letter == "?" ? "h" : letter) }) else {
                throw Refusal("option -\(letter) not recognized")
            }
            guard option.takesValue else {
                options.append((option, "-\(letter)", ""))
                continue
            }
            let value = letters.isEmpty ? words.popFirst() : String(letters)
            guard let value else { throw Refusal("option -\(letter) requires argument") }
            options.append((option, "-\(letter)", value))
            return
        }
    }
}
