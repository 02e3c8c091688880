/// One method of the control interface: what it takes, what it gives.
public struct ControlMethod: Sendable, Equatable {
    public enum Kind: String, Sendable {
        case string, int, boolean, array
        case structure = "struct"
    }

    public struct Parameter: Sendable, Equatable {
        /// What is taken for it, beyond the kind the signature tells.
        public enum Taken: Sendable, Equatable {
            case asKind
            /// A signal: its name, or its number as a string or an int.
            case signal
            /// Bytes for a program: a string, or base64 for what no string can hold.
            case data
            /// May be missing, and is true then.
            case trueUnlessGiven
        }

        public let name: String
        public let kind: Kind
        public let taken: Taken
    }

    /// Such as `supervisor.startProcess`.
    public let name: String
    /// The method this is another name of, or `name`.
    public let canonicalName: String
    public let parameters: [Parameter]
    public let result: Kind
    /// A sentence or two for system.methodHelp.
    public let help: String

    /// What system.methodSignature tells: the result, then the parameters.
    public var signature: [String] { [result.rawValue] + parameters.map(\.kind.rawValue) }

    /// The parameters as the method wants them, one for each it declares, or INCORRECT_PARAMETERS.
    ///
    /// Converted is what clients of the original send and get away with: a number as text for an int, an int for a boolean, text as
    /// base64. (The original calls with whatever comes: another wrong type ends in HTTP 500 there.)
    public func accept(_ given: [ControlValue]) throws(ControlFault) -> [ControlValue] {
        guard given.count <= parameters.count else { throw .incorrectParameters }
        var accepted: [ControlValue] = []
        for (index, parameter) in parameters.enumerated() {
            if index >= given.count {
                guard parameter.taken == .trueUnlessGiven else { throw .incorrectParameters }
                accepted.append(.bool(true))
                continue
            }
            guard let value = Self.converted(given[index], to: parameter) else { throw .incorrectParameters }
            accepted.append(value)
        }
        return accepted
    }

    private static func converted(_ value: ControlValue, to parameter: Parameter) -> ControlValue? {
        switch (parameter.kind, value) {
        case (.string, .string), (.int, .int), (.boolean, .bool), (.array, .array), (.structure, .structure): return value
        case (.string, .base64(let bytes)):
            return String(validating: bytes, as: UTF8.self).map { .string($0) } ?? (parameter.taken == .data ? value : nil)
        case (.string, .int(let number)) where parameter.taken == .signal: return .string("\(number)")
        case (.int, .string(let digits)): return Int(digits).map { .int($0) }
        case (.boolean, .int(let number)): return .bool(number != 0)
        default: return nil
        }
    }
}
