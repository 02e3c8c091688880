import Testing

@testable import Supervisor

/// What we write, somebody else reads.
struct XMLRPCWritingTests {
    static let all = ControlValue.structure([
        ("int", .int(-5)), ("big", .int(1 << 40)), ("yes", .bool(true)), ("no", .bool(false)), ("double", .double(0.1)),
        ("text <&>\"'", .string("a<b>&c\"d'\r\n\tü\u{1F600}]]>")), ("bytes", .base64([0, 1, 254, 255])), ("none", .null),
        ("array", .array([.array([]), .structure([]), .string("")])),
    ])

    @Test func `what is written is read back, as an answer and as a call`() throws {
        #expect(try XMLRPCResponseReader.read(XMLRPCWriter.response(Self.all)) == .success(Self.all))
        let call = XMLRPCCall(method: "a.b", parameters: [Self.all, .null])
        #expect(try XMLRPCCallReader.read(XMLRPCWriter.call(call.method, call.parameters)) == call)
        let fault = ControlFault.badName.about("x<&>")
        #expect(try XMLRPCResponseReader.read(XMLRPCWriter.fault(fault)) == .failure(fault))
    }

    @Test func `an answer looks like the original's`() {
        let text = String(decoding: XMLRPCWriter.response(.array([.string("a&b"), .bool(true)])), as: UTF8.self)
        let tight = text.split(separator: "\n").joined()
        #expect(
            tight == "<?xml version='1.0'?><methodResponse><params><param><value><array><data><value><string>a&amp;b</string></value>"
                + "<value><boolean>1</boolean></value></data></array></value></param></params></methodResponse>")
    }

    /// The original sends the first raw, on which Python's client gives up, and fails with HTTP 500 on the second.
    @Test func `control bytes and broken UTF-8 of a log are shown, and the answer can be read`() throws {
        let log = Array("a\u{1B}[31mred\u{1B}[0m\0\n".utf8) + [0xFF, 0x62, 0xC3] + Array("\u{FFFE}\u{FFFF}".utf8)
        let answer = try XMLRPCResponseReader.read(XMLRPCWriter.response(.logText(log)))
        #expect(answer == .success(.string("a\u{241B}[31mred\u{241B}[0m\u{2400}\n\u{FFFD}b\u{FFFD}\u{FFFD}\u{FFFD}")))
    }

    @Test func `every byte there is can be told as log text`() throws {
        let answer = try XMLRPCResponseReader.read(XMLRPCWriter.response(.logText((0...255).map { UInt8($0) })))
        guard case .success(.string(let text)) = answer else {
            Issue.record("no string: \(answer)")
            return
        }
        #expect(text.unicodeScalars.count == 256)
        #expect(text.contains(" !\"#$%&'()*+,-./0123456789:;<=>?@ABC"))
        #expect(text.contains("\r"))
    }

    @Test(arguments: [
        ("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("fooba", "Zm9vYmE="), ("foobar", "Zm9vYmFy"),
    ]) func `base64 is RFC 4648's`(_ plain: String, _ encoded: String) {
        #expect(Base64.encode(Array(plain.utf8)) == Array(encoded.utf8))
        #expect(Base64.decode(encoded.utf8) == Array(plain.utf8))
    }
}
