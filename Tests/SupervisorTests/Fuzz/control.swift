// A libFuzzer target (scripts/fuzz): whatever a client or a server sends, reading it ends, with a value or a refusal,
// and does not depend on where the bytes were cut.

@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzControl(_ data: UnsafePointer<UInt8>?, _ size: Int) -> CInt {
    let bytes = Array(UnsafeBufferPointer(start: data, count: size))
    if let call = try? XMLRPCCallReader.read(bytes) {
        // What was understood can be said again, and means the same.
        guard let again = try? XMLRPCCallReader.read(XMLRPCWriter.call(call.method, call.parameters)) else { fatalError("not read back") }
        precondition(again.method == call.method)
        if let method = try? ControlMethods.named(call.method) { _ = try? method.accept(call.parameters) }
    }
    _ = try? XMLRPCResponseReader.read(bytes)
    var whole = HTTPRequestReader(credentials: BasicCredentials(user: "u", password: "p"))
    let atOnce = whole.feed(bytes)
    var pieces = HTTPRequestReader(credentials: BasicCredentials(user: "u", password: "p"))
    var last = HTTPRequestReader.Progress.needMore
    var rest = bytes[...]
    while !rest.isEmpty {
        let count = min(rest.count, 1 + Int(rest.first ?? 0) % 7)
        last = pieces.feed(rest.prefix(count))
        rest = rest.dropFirst(count)
        if case .request = last { break }
        if case .refusal = last { break }
    }
    if case .request = atOnce { precondition(last == atOnce) }
    var response = HTTPResponseReader()
    _ = try? response.feed(bytes)
    var frames = bytes
    while let frame = try? ControlFrame.decode(&frames, longest: ControlFrame.longestRequest) {
        var again = ControlFrame.encode(frame)
        precondition((try? ControlFrame.decode(&again, longest: ControlFrame.longestReply)) != nil)
    }
    return 0
}
