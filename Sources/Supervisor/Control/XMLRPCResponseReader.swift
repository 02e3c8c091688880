/// Reads a `<methodResponse>` (xmlrpc.com/spec).
public enum XMLRPCResponseReader {
    /// The whole body of an answer: its one value, or the fault. Throws for anything else and beyond `limits`.
    public static func read(_ body: [UInt8], limits: XMLRPCLimits = .response) throws(XMLRPCProblem) -> Result<ControlValue, ControlFault> {
        var reader = try XMLRPCValueReader(body, limits: limits)
        try reader.open("methodResponse")
        let answer: Result<ControlValue, ControlFault>
        if try reader.isNext("fault") {
            try reader.open("fault")
            let value = try reader.value()
            guard let code = value["faultCode"]?.number, let text = value["faultString"]?.text else {
                throw reader.problem("a fault without number and text")
            }
            try reader.close("fault")
            answer = .failure(ControlFault(code: code, text: text))
        } else {
            let values = try reader.parameters()
            guard values.count == 1, let value = values.first else { throw reader.problem("not one value") }
            answer = .success(value)
        }
        try reader.close("methodResponse")
        try reader.finish()
        return answer
    }
}
