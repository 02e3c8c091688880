/// Writes XML-RPC documents (xmlrpc.com/spec) that Python's xmlrpc.client and its like read.
///
/// UTF-8 throughout. Characters XML does not have are shown by others (`XMLText.append`), so no log line can spoil an answer. An int
/// beyond 32 bits is written as `i8`, nothing as `nil`: both beyond the specification and read by Python's client.
public enum XMLRPCWriter {
    public static func response(_ value: ControlValue) -> [UInt8] {
        document("methodResponse") { output in append(parameters: [value], to: &output) }
    }

    public static func fault(_ fault: ControlFault) -> [UInt8] {
        document("methodResponse") { output in
            output += "<fault>".utf8
            append(value(of: fault), to: &output)
            output += "</fault>\n".utf8
        }
    }

    public static func call(_ method: String, _ parameters: [ControlValue]) -> [UInt8] {
        document("methodCall") { output in
            output += "<methodName>".utf8
            XMLText.append(method, to: &output)
            output += "</methodName>\n".utf8
            append(parameters: parameters, to: &output)
        }
    }

    /// The structure a fault is, on its own and within the answer to system.multicall.
    public static func value(of fault: ControlFault) -> ControlValue {
        .structure([("faultCode", .int(fault.code)), ("faultString", .string(fault.text))])
    }

    private static func document(_ name: String, _ content: (inout [UInt8]) -> Void) -> [UInt8] {
        var output = Array("<?xml version='1.0'?>\n<\(name)>\n".utf8)
        content(&output)
        output += "</\(name)>\n".utf8
        return output
    }

    private static func append(parameters: [ControlValue], to output: inout [UInt8]) {
        output += "<params>\n".utf8
        for value in parameters {
            output += "<param>".utf8
            append(value, to: &output)
            output += "</param>\n".utf8
        }
        output += "</params>\n".utf8
    }

    private static func append(_ value: ControlValue, to output: inout [UInt8]) {
        output += "<value>".utf8
        switch value {
        case .int(let number):
            output += Array((Int32(exactly: number) == nil ? "<i8>\(number)</i8>" : "<int>\(number)</int>").utf8)
        case .bool(let truth): output += "<boolean>\(truth ? 1 : 0)</boolean>".utf8
        case .double(let number): output += "<double>\(number)</double>".utf8
        case .string(let text):
            output += "<string>".utf8
            XMLText.append(text, to: &output)
            output += "</string>".utf8
        case .base64(let bytes):
            output += "<base64>".utf8
            output += Base64.encode(bytes)
            output += "</base64>".utf8
        case .array(let elements):
            output += "<array><data>\n".utf8
            for element in elements { append(element, to: &output) }
            output += "</data></array>".utf8
        case .structure(let members):
            output += "<struct>\n".utf8
            for (name, member) in members {
                output += "<member><name>".utf8
                XMLText.append(name, to: &output)
                output += "</name>".utf8
                append(member, to: &output)
                output += "</member>\n".utf8
            }
            output += "</struct>".utf8
        case .null: output += "<nil/>".utf8
        }
        output += "</value>\n".utf8
    }
}
