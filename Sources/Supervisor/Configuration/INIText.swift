/// Sections with their options, as Python's RawConfigParser holds them: in the order of their first
/// appearance, option names in lower case, the last value wins, `[DEFAULT]` shines through everywhere.
struct INIText: Sendable {
    /// Options in the order of their first appearance.
    struct Options: Sendable {
        private(set) var names: [String] = []
        private var values: [String: String] = [:]

        subscript(name: String) -> String? {
            get { values[name] }
            set {
                if values.updateValue(newValue ?? "", forKey: name) == nil { names.append(name) }
            }
        }
    }

    static let defaultSection = "DEFAULT"

    /// Without `[DEFAULT]`.
    private(set) var sections: [String] = []
    private var numbers: [String: Int] = [:]
    private var options: [Options] = []
    private var defaults = Options()
    /// The included file a section first appeared in; nil for the main file's.
    private(set) var origins: [String: String] = [:]

    func contains(_ section: String) -> Bool { numbers[section] != nil }

    subscript(section: String, option: String) -> String? {
        guard let number = numbers[section] else { return nil }
        return options[number][option] ?? defaults[option]
    }

    /// The names a section answers to, `[DEFAULT]`'s last.
    func names(in section: String) -> [String] {
        guard let number = numbers[section] else { return [] }
        let own = options[number]
        return own.names + defaults.names.filter { own[$0] == nil }
    }

    /// Adds the text of one file. `file` is its name in messages; `isIncluded` remembers it for the sections
    /// it brings along.
    mutating func read(_ bytes: [UInt8], file: String, isIncluded: Bool = false) throws(ConfigurationError) {
        var reader = INIReader(file: file)
        for (index, line) in try INILines.of(bytes, file: file).enumerated() { try reader.take(line, number: index + 1) }
        try reader.finish()
        for found in reader.found { merge(found, from: isIncluded ? file : nil) }
    }

    /// Sets `%(here)s` to a directory wherever it is still to be read, as the original does once there is an
    /// `[include]`: a plain replacement, blind to `%%`.
    mutating func replaceHere(with directory: String) {
        for (number, section) in sections.enumerated() {
            for name in names(in: section) {
                guard let value = self[section, name], let changed = value.replacingHere(with: directory) else { continue }
                options[number][name] = changed
            }
        }
    }

    private mutating func merge(_ found: INIReader.Found, from file: String?) {
        if found.section == Self.defaultSection {
            for name in found.options.names { defaults[name] = found.options[name] }
            return
        }
        if numbers[found.section] == nil {
            numbers[found.section] = sections.count
            sections.append(found.section)
            options.append(Options())
            if let file { origins[found.section] = file }
        }
        guard let number = numbers[found.section] else { return }
        for name in found.options.names { options[number][name] = found.options[name] }
    }
}

extension String {
    /// nil where there is nothing to replace.
    fileprivate func replacingHere(with directory: String) -> String? {
        let mark = Array("%(here)s".utf8)
        let bytes = Array(utf8)
        var out: [UInt8] = []
        var rest = 0
        var index = 0
        while index + mark.count <= bytes.count {
            if bytes[index] == mark[0], bytes[index..<index + mark.count].elementsEqual(mark) {
                out += bytes[rest..<index]
                out += directory.utf8
                index += mark.count
                rest = index
            } else {
                index += 1
            }
        }
        if rest == 0 { return nil }
        return String(decoding: out + bytes[rest...], as: UTF8.self)
    }
}
