import Testing

@testable import Supervisor

/// What XML-RPC documents mean, and which are refused.
struct XMLRPCReadingTests {
    func call(_ xml: String) throws -> XMLRPCCall { try XMLRPCCallReader.read(Array(xml.utf8)) }

    /// The value of `<value>…</value>`, as the one parameter of a call.
    func value(_ xml: String) throws -> ControlValue {
        let call = try call("<methodCall><methodName>m</methodName><params><param>\(xml)</param></params></methodCall>")
        return try #require(call.parameters.first)
    }

    @Test func `a call as Python's client writes it is read`() throws {
        let text = """
            <?xml version='1.0'?>
            <methodCall>
            <methodName>supervisor.startProcess</methodName>
            <params>
            <param>
            <value><string>g:*</string></value>
            </param>
            <param>
            <value><boolean>1</boolean></value>
            </param>
            </params>
            </methodCall>

            """
        #expect(try call(text) == XMLRPCCall(method: "supervisor.startProcess", parameters: [.string("g:*"), .bool(true)]))
    }

    @Test(arguments: ["<params></params>", "<params/>", " <params >\n</params\t>", ""])
    func `a call without parameters needs no params`(_ params: String) throws {
        #expect(try call("<methodCall><methodName>m</methodName>\(params)</methodCall>") == XMLRPCCall(method: "m"))
    }

    @Test(
        arguments: [
            ("<int>-17</int>", ControlValue.int(-17)), ("<i4>2147483647</i4>", .int(2_147_483_647)),
            ("<i8>1099511627776</i8>", .int(1 << 40)),
            ("<boolean>0</boolean>", .bool(false)), ("<double>-1.5e3</double>", .double(-1500)), ("<string/>", .string("")),
            ("<base64>AP8=</base64>", .base64([0, 255])), ("<base64>\nAP\n8=\n</base64>", .base64([0, 255])), ("<nil/>", .null),
            ("<ex:nil></ex:nil>", .null), ("<dateTime.iso8601>20260101T00:00:00</dateTime.iso8601>", .string("20260101T00:00:00")),
            ("bare", .string("bare")), ("", .string("")), ("  two  ", .string("  two  ")), ("\n<string> a </string>\n", .string(" a ")),
            ("<array><data/></array>", .array([])),
            ("<array>\n<data><value>1</value><value><int>2</int></value></data> </array>", .array([.string("1"), .int(2)])),
            ("<struct/>", .structure([])),
            (
                "<struct><member><name>b</name><value>1</value></member><member>\n<name>a</name><value/></member></struct>",
                .structure([("b", .string("1")), ("a", .string(""))])
            ),
        ] as [(String, ControlValue)])
    func `each type is read`(_ xml: String, _ expected: ControlValue) throws {
        #expect(try value("<value>\(xml)</value>") == expected)
    }

    @Test(arguments: [
        ("&lt;&gt;&amp;&quot;&apos;", "<>&\"'"), ("&#65;&#x42;&#x1F600;", "AB\u{1F600}"), ("a<![CDATA[<&>]]>b", "a<&>b"),
        ("a<!-- - -->b<?pi?>c", "abc"), ("a\r\nb\rc\n", "a\nb\nc\n"), ("<![CDATA[a\r\n]]>", "a\n"), ("&#13;", "\r"),
        ("ü€\u{1F600}", "ü€\u{1F600}"),
    ]) func `text is what XML says it is`(_ xml: String, _ expected: String) throws {
        #expect(try value("<value><string>\(xml)</string></value>") == .string(expected))
    }

    @Test func `declaration, mark, comments, instructions and attributes are passed over`() throws {
        let xml = "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone='yes'?><!-- c --><?pi x?>\n<methodCall a='1' xmlns:ex = \"u>v\">"
        #expect(
            try XMLRPCCallReader.read([0xEF, 0xBB, 0xBF] + Array("\(xml)<methodName>m</methodName></methodCall>\n<!---->".utf8)).method
                == "m")
    }

    @Test(arguments: [
        "", " ", "text", "<methodCall>", "<methodCall></methodCall>", "<methodCall><methodName></methodName></methodCall>",
        "<methodCall><methodName>m</methodName></methodCall>x", "<methodCall><methodName>m</methodName></methodCall><a/>",
        "<methodCall><methodName>m</methodName></methodcall>", "<methodCall><methodName>m<b/></methodName></methodCall>",
        "<methodCall>x<methodName>m</methodName></methodCall>", "<methodCall><methodName>m</methodName><params>x</params></methodCall>",
        "<methodCall><methodName>m</methodName><params/><params/></methodCall>", "<methodResponse/>",
        "<!DOCTYPE methodCall><methodCall><methodName>m</methodName></methodCall>",
        "<!DOCTYPE x [<!ENTITY a \"b\">]><methodCall><methodName>&a;</methodName></methodCall>",
        "<?xml version='1.0' encoding='iso-8859-1'?><methodCall><methodName>m</methodName></methodCall>",
        "<?xml version='1.0' encoding=?><methodCall><methodName>m</methodName></methodCall>",
        " <?xml version='1.0'?><methodCall><methodName>m</methodName></methodCall>",
        "<methodCall><methodName>m</methodName></methodCall><!-- -- -->", "<methodCall a><methodName>m</methodName></methodCall>",
        "<methodCall a=b><methodName>m</methodName></methodCall>", "<methodCall a='<'><methodName>m</methodName></methodCall>",
        "<methodCall a='1'b='2'><methodName>m</methodName></methodCall>", "<methodCall a='1><methodName>m</methodName></methodCall>",
        "<methodCall/ ><methodName>m</methodName></methodCall>", "< methodCall><methodName>m</methodName></methodCall>",
        "<methodCall><methodName>m</methodName><!-- </methodCall>", "<methodCall><methodName><![CDATA[m</methodName></methodCall>",
        "<methodCall><methodName>\(String(repeating: "m", count: 256))</methodName></methodCall>",
        "<\(String(repeating: "a", count: 65))/>",
    ]) func `what is no call is refused`(_ xml: String) {
        #expect(throws: XMLRPCProblem.self) { try call(xml) }
    }

    @Test(arguments: [
        "<int></int>", "<int> 1</int>", "<int>1.0</int>", "<int>0x10</int>", "<int>2147483648</int>", "<i8>9223372036854775808</i8>",
        "<boolean>2</boolean>", "<boolean>true</boolean>", "<double>nan</double>", "<double>inf</double>", "<double>0x1p3</double>",
        "<double></double>", "<double>1e999</double>", "<base64>A</base64>", "<base64>AP8</base64>", "<base64>AP9=</base64>",
        "<base64>=AP8</base64>", "<base64>AP8=AP8=</base64>", "<base64>A-8=</base64>", "<nil>0</nil>", "<float>1</float>",
        "<String>a</String>",
        "a<string>b</string>", "<string>a</string>b", "<string>a</string><string>b</string>", "<string>a<b/></string>", "<array/>",
        "<array><data>1</data></array>", "<array><value>1</value></array>", "<array><data/><data/></array>", "<struct>x</struct>",
        "<struct><member><value/><name>a</name></member></struct>", "<struct><member><name>a</name></member></struct>",
        "<struct><name>a</name><value/></struct>", "&nbsp;", "&", "&lt", "& lt;", "&#0;", "&#8;", "&#xD800;", "&#xFFFE;", "&#x110000;",
        "&#99999999999999999999;", "&#;", "&#x;", "&#-1;", "&#+65;", "&#x+41;", "&#X41;", "]]>", "\u{1}", "\u{1B}[31m", "\u{0}", "\u{FFFE}",
    ]) func `what is no value is refused`(_ xml: String) {
        #expect(throws: XMLRPCProblem.self) { try value("<value>\(xml)</value>") }
    }

    @Test(arguments: [[0xFF], [0xC3], [0xC0, 0xAF], [0xED, 0xA0, 0x80], [0xF4, 0x90, 0x80, 0x80], [0xE2, 0x82], [0x80]] as [[UInt8]])
    func `bytes that are no UTF-8 are refused`(_ bytes: [UInt8]) {
        let body = Array("<methodCall><methodName>m".utf8) + bytes + Array("</methodName></methodCall>".utf8)
        #expect(throws: XMLRPCProblem.self) { try XMLRPCCallReader.read(body) }
    }

    @Test func `UTF-16 is refused`() {
        let text = "<methodCall><methodName>m</methodName></methodCall>"
        #expect(throws: XMLRPCProblem.self) { try XMLRPCCallReader.read([0xFF, 0xFE] + text.utf8.flatMap { [$0, 0] }) }
    }

    func nested(_ depth: Int) -> String {
        String(repeating: "<value><array><data>", count: depth) + String(repeating: "</data></array></value>", count: depth)
    }

    @Test func `sixteen containers within each other are taken, seventeen are not, nor a hundred thousand`() throws {
        #expect(try value(nested(16)) != .null)
        #expect(throws: XMLRPCProblem.self) { try value(nested(17)) }
        #expect(throws: XMLRPCProblem.self) { try value(nested(20_000)) }
        #expect(throws: XMLRPCProblem.self) {
            try value(String(repeating: "<value><struct><member><name/>", count: 20_000))
        }
    }

    @Test func `ten thousand values are taken, one more is not`() throws {
        let many = { (count: Int) in "<value><array><data>\(String(repeating: "<value/>", count: count))</data></array></value>" }
        #expect(try value(many(9_999)).elements?.count == 9_999)
        #expect(throws: XMLRPCProblem.self) { try value(many(10_000)) }
    }

    @Test func `an answer is its value or its fault`() throws {
        let read = { (xml: String) in try XMLRPCResponseReader.read(Array("<methodResponse>\(xml)</methodResponse>".utf8)) }
        #expect(try read("<params><param><value><int>5</int></value></param></params>") == .success(.int(5)))
        let fault =
            "<fault><value><struct><member><name>faultCode</name><value><int>10</int></value></member>"
            + "<member><name>faultString</name><value>BAD_NAME: x</value></member></struct></value></fault>"
        #expect(try read(fault) == .failure(ControlFault(code: 10, text: "BAD_NAME: x")))
        for wrong in ["", "<params/>", "<fault><value>x</value></fault>", fault + fault, "<fault/>"] {
            #expect(throws: XMLRPCProblem.self) { try read(wrong) }
        }
        let two = "<param><value/></param>"
        #expect(throws: XMLRPCProblem.self) { try read("<params>\(two)\(two)</params>") }
    }
}
