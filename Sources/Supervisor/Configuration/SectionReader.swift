/// One section's options with their names expanded.
struct SectionReader {
    let ini: INIText
    let section: String
    var names: ExpansionNames

    /// As it stands in the file.
    func raw(_ option: String) -> String? { ini[section, option] }

    func text(_ option: String) throws(ConfigurationError) -> String? {
        guard let raw = raw(option) else { return nil }
        return try expand(raw, as: "\(section).\(option)")
    }

    func expand(_ text: String, as name: String) throws(ConfigurationError) -> String {
        try Expansion.expand(text, names, name: name)
    }

    /// The option read by `convert`, or its default where it is not set.
    func value<Value>(
        _ option: String, _ standard: Value, _ convert: (String) throws(ConfigurationError) -> Value
    ) throws(ConfigurationError) -> Value {
        guard let text = try text(option) else { return standard }
        return try convert(text)
    }

    func boolean(_ option: String, _ standard: Bool = false) throws(ConfigurationError) -> Bool {
        try value(option, standard, OptionValue.boolean)
    }

    func integer(_ option: String, _ standard: Int) throws(ConfigurationError) -> Int {
        try value(option, standard, PythonInteger.decimal)
    }
}
