/// A command's words, as a POSIX shell quotes them and with nothing else of a shell: no comments, no
/// variables. What Python's shlex.split makes of it.
enum ShellWords {
    enum Problem: Error, Equatable, CustomStringConvertible {
        case unclosedQuotation, nothingEscaped

        var description: String {
            switch self {
            case .unclosedQuotation: "No closing quotation"
            case .nothingEscaped: "No escaped character"
            }
        }
    }

    static func split(_ text: String) throws(Problem) -> [String] {
        var words: [String] = []
        var word = String.UnicodeScalarView()
        // An empty quotation makes a word too.
        var isInWord = false
        var rest = text.unicodeScalars.makeIterator()
        while let scalar = rest.next() {
            switch scalar {
            case " ", "\t", "\r", "\n":
                if isInWord { words.append(String(word)) }
                word = String.UnicodeScalarView()
                isInWord = false
                continue
            case "'": try readQuotation(&rest, until: scalar, escapes: false, into: &word)
            case "\"": try readQuotation(&rest, until: scalar, escapes: true, into: &word)
            case "\\":
                guard let next = rest.next() else { throw .nothingEscaped }
                word.append(next)
            default: word.append(scalar)
            }
            isInWord = true
        }
        if isInWord { words.append(String(word)) }
        return words
    }

    private static func readQuotation(
        _ rest: inout String.UnicodeScalarView.Iterator, until quote: Unicode.Scalar, escapes: Bool,
        into word: inout String.UnicodeScalarView
    ) throws(Problem) {
        while let scalar = rest.next() {
            if scalar == quote { return }
            if escapes, scalar == "\\" {
                guard let next = rest.next() else { throw .nothingEscaped }
                if next != quote, next != "\\" { word.append("\\") }
                word.append(next)
            } else {
                word.append(scalar)
            }
        }
        throw .unclosedQuotation
    }
}
