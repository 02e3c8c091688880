import FoundationEssentials
public import Linux

/// Small values kept as JSON files, replaced atomically.
public enum JSONFile {
    public static func encode(_ value: some Encodable) -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes, .prettyPrinted]
        // Our own value types hold nothing that cannot be encoded.
        return Array((try? encoder.encode(value)) ?? Data()) + [10]
    }
    /// nil where the bytes are not such a value.
    public static func decode<Value: Decodable>(_ type: Value.Type, from bytes: [UInt8]) -> Value? {
        try? JSONDecoder().decode(type, from: Data(bytes))
    }
    public static func read<Value: Decodable>(
        _ type: Value.Type, _ name: String, in directory: borrowing Directory
    ) -> Value? {
        guard let bytes = try? directory.read(name) else { return nil }
        return decode(type, from: bytes)
    }
    public static func write(
        _ value: some Encodable, _ name: String, in directory: borrowing Directory
    ) throws(SystemError) {
        try directory.replace(name, with: encode(value))
    }
}
