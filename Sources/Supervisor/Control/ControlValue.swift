/// What XML-RPC can say, as far as supervisord's methods use it.
public indirect enum ControlValue: Sendable, Equatable {
    case int(Int)
    case bool(Bool)
    case double(Double)
    case string(String)
    case base64([UInt8])
    case array([ControlValue])
    /// In this order.
    case structure([(String, ControlValue)])
    case null

    public static func == (left: ControlValue, right: ControlValue) -> Bool {
        switch (left, right) {
        case (.int(let a), .int(let b)): return a == b
        case (.bool(let a), .bool(let b)): return a == b
        case (.double(let a), .double(let b)): return a == b
        case (.string(let a), .string(let b)): return a == b
        case (.base64(let a), .base64(let b)): return a == b
        case (.array(let a), .array(let b)): return a == b
        case (.structure(let a), .structure(let b)): return a.elementsEqual(b) { $0.0 == $1.0 && $0.1 == $1.1 }
        case (.null, .null): return true
        default: return false
        }
    }
}

extension ControlValue {
    /// The member of a structure; of two with one name the last, as in Python's client. nil for anything else.
    public subscript(_ member: String) -> ControlValue? {
        guard case .structure(let members) = self else { return nil }
        return members.last { $0.0 == member }?.1
    }

    public var text: String? {
        guard case .string(let text) = self else { return nil }
        return text
    }

    public var number: Int? {
        guard case .int(let number) = self else { return nil }
        return number
    }

    public var isTrue: Bool? {
        guard case .bool(let truth) = self else { return nil }
        return truth
    }

    public var elements: [ControlValue]? {
        guard case .array(let elements) = self else { return nil }
        return elements
    }

    /// A piece of a log as a string: what is no UTF-8 becomes U+FFFD, so that a log is readable whatever was written to it.
    /// (supervisord answers such a read with HTTP 500.)
    public static func logText(_ bytes: some Collection<UInt8>) -> ControlValue { .string(String(decoding: bytes, as: UTF8.self)) }
}
