/// system.multicall taken apart and put together, as supervisord does it.
public enum ControlMulticall {
    public enum Item: Sendable, Equatable {
        case call(XMLRPCCall)
        /// Not made at all: no name, no structure, a multicall within a multicall.
        case fault(ControlFault)
    }

    /// The calls in their order, to be made one after the other. A wrong item is its own fault, the others are made all the same.
    /// Missing params are none. (For an item that is no structure the original fails as a whole, with HTTP 500.)
    public static func unfold(_ calls: [ControlValue]) -> [Item] {
        calls.map { call in
            guard case .structure = call else { return .fault(.incorrectParameters.about("No methodName")) }
            guard let name = call["methodName"], name != .null else { return .fault(.incorrectParameters.about("No methodName")) }
            guard let method = name.text else { return .fault(.incorrectParameters) }
            guard method != "system.multicall" else {
                return .fault(.incorrectParameters.about("Recursive system.multicall forbidden"))
            }
            guard let parameters = call["params"] else { return .call(XMLRPCCall(method: method)) }
            guard let parameters = parameters.elements else { return .fault(.incorrectParameters) }
            return .call(XMLRPCCall(method: method, parameters: parameters))
        }
    }

    /// The answer. Results stand there bare, as the original gives them, not each in an array of one as elsewhere.
    public static func fold(_ results: [Result<ControlValue, ControlFault>]) -> ControlValue {
        .array(
            results.map { result in
                switch result {
                case .success(let value): return value
                case .failure(let fault): return XMLRPCWriter.value(of: fault)
                }
            })
    }
}
