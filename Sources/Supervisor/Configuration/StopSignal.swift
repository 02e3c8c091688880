/// Signals by name, with or without SIG, in any case, or by number; as Linux numbers them.
enum StopSignal {
    private static let numbers: [String: Int32] = [
        "HUP": 1, "INT": 2, "QUIT": 3, "ILL": 4, "TRAP": 5, "ABRT": 6, "IOT": 6, "BUS": 7, "FPE": 8, "KILL": 9,
        "USR1": 10, "SEGV": 11, "USR2": 12, "PIPE": 13, "ALRM": 14, "TERM": 15, "STKFLT": 16, "CHLD": 17, "CLD": 17,
        "CONT": 18, "STOP": 19, "TSTP": 20, "TTIN": 21, "TTOU": 22, "URG": 23, "XCPU": 24, "XFSZ": 25, "VTALRM": 26,
        "PROF": 27, "WINCH": 28, "IO": 29, "POLL": 29, "PWR": 30, "SYS": 31, "RTMIN": 34, "RTMAX": 64,
    ]

    static func number(_ text: String) throws(ConfigurationError) -> Int32 {
        if let number = PythonInteger.parse(text, base: 10) {
            guard let signal = numbers.values.first(where: { Int($0) == number }) else {
                throw ConfigurationError("value \(text.repr) is not a valid signal number")
            }
            return signal
        }
        let name = text.trimmed.uppercased()
        guard let signal = numbers[name.hasPrefix("SIG") ? String(name.dropFirst(3)) : name] else {
            throw ConfigurationError("value \(text.repr) is not a valid signal name")
        }
        return signal
    }
}
