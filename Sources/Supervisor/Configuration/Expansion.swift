/// A value a `%(name)s` can stand for.
enum ExpansionValue: Equatable, Sendable {
    case text(String)
    case number(Int)
}

/// The names an option may use: the environment's as `ENV_X`, and the place's own, which win.
struct ExpansionNames: Sendable {
    var environment: [String: String]
    var own: [String: ExpansionValue] = [:]

    init(environment: [String: String], own: [String: ExpansionValue] = [:]) {
        self.environment = environment
        self.own = own
    }

    subscript(name: String) -> ExpansionValue? {
        if let value = own[name] { return value }
        guard name.utf8.starts(with: "ENV_".utf8) else { return nil }
        return environment[String(name.dropFirst(4))].map { .text($0) }
    }

    /// In order, once each.
    var list: [String] {
        let outer = environment.keys.map { "ENV_" + $0 }.filter { own[$0] == nil }
        return (outer + own.keys).sorted { $0.precedes($1) }
    }

    func with(_ more: [String: ExpansionValue]) -> ExpansionNames {
        ExpansionNames(environment: environment, own: own.merging(more) { $1 })
    }
}

/// Python's `text % names`.
enum Expansion {
    /// Nothing the kernel would take as an argument is longer; a short text with many large names could
    /// otherwise fill the memory.
    static let longest = 4 << 20

    /// `name` is what the messages call the text: `program:x.command`.
    static func expand(_ text: String, _ names: ExpansionNames, name: String) throws(ConfigurationError) -> String {
        guard text.utf8.contains(UInt8(ascii: "%")) else { return text }
        do throws(Fault) {
            return try expand(Array(text.unicodeScalars), names)
        } catch {
            switch error {
            case .unknown(let key):
                throw ConfigurationError(
                    "Format string \(text.repr) for \(name.repr) contains names (\(key.repr)) which cannot be expanded. "
                        + "Available names: \(names.list.joined(separator: ", "))")
            case .malformed(let why):
                throw ConfigurationError("Format string \(text.repr) for \(name.repr) is badly formatted: \(why)")
            }
        }
    }

    enum Fault: Error {
        case unknown(String)
        case malformed(String)
    }

    private static func expand(_ text: [Unicode.Scalar], _ names: ExpansionNames) throws(Fault) -> String {
        var out = ""
        var size = 0
        var hasName = false
        var index = 0
        while index < text.count {
            if text[index] != "%" {
                out.unicodeScalars.append(text[index])
                index += 1
                continue
            }
            index += 1
            // Only side by side: `%5%` is a mistake.
            if index < text.count, text[index] == "%" {
                out.append("%")
                index += 1
                continue
            }
            let value = try key(in: text, &index).map { key throws(Fault) in
                guard let value = names[key] else { throw .unknown(key) }
                return value
            }
            var form = ExpansionForm(isSpent: value == nil && hasName)
            hasName = hasName || value != nil
            try form.read(text, &index, value)
            let piece = try form.apply(to: value, at: index - 1)
            size += piece.utf8.count
            if size > longest { throw .malformed("the result is longer than \(longest) bytes") }
            out += piece
        }
        return out
    }

    /// What stands in the parentheses after a `%`; inner pairs belong to the name.
    private static func key(in text: [Unicode.Scalar], _ index: inout Int) throws(Fault) -> String? {
        guard index < text.count, text[index] == "(" else { return nil }
        let start = index + 1
        var depth = 0
        while index < text.count {
            if text[index] == "(" { depth += 1 }
            if text[index] == ")" { depth -= 1 }
            index += 1
            if depth == 0 { return String(scalars: text[start..<(index - 1)]) }
        }
        throw .malformed("incomplete format key")
    }
}
