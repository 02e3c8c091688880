// A libFuzzer target (scripts/fuzz): whatever a server sends, in whatever pieces, it ends with answers to what was
// asked or with a fault; nothing is answered twice, and no reply is longer than was said.

/// In the place of the room's own, which needs other rooms.
struct ShipFault: Error {
    enum Kind { case passing, operators }
    let kind: Kind
    let description: String
    init(_ kind: Kind, _ description: String) {
        self.kind = kind
        self.description = description
    }
}

@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzSFTP(_ data: UnsafePointer<UInt8>?, _ size: Int) -> CInt {
    let bytes = Array(UnsafeBufferPointer(start: data, count: size))
    let talk = SFTPConversation(lane: 1, directory: "/in", place: "box")
    talk.greet()
    var asked = 0
    var answered: [Int] = []
    var rest = bytes[...]
    do {
        while !rest.isEmpty {
            let part = rest.prefix(1 + Int(rest.first ?? 0) % 61)
            talk.heard.room(part.count).copyBytes(from: part)
            talk.heard.add(part.count)
            rest = rest.dropFirst(part.count)
            try talk.understand()
            for answer in talk.takeAnswers() {
                precondition(!answered.contains(answer.owner), "answered twice")
                answered.append(answer.owner)
                guard case .opened(let handle) = answer.answer, asked < 64 else { continue }
                for call in [.size(handle), .sync(handle), .read(handle, offset: 0, count: 9), .close(handle)] as [TargetCall] {
                    asked += 1
                    talk.ask(call, for: asked)
                }
            }
            if talk.isReady, asked == 0 {
                for call in [.open("f", .new, lane: 1), .look("f", lane: 1), .space(lane: 1), .rename("a", to: "b", lane: 1)]
                    as [TargetCall]
                {
                    asked += 1
                    talk.ask(call, for: asked)
                }
            }
            talk.out.drop(talk.out.count)
        }
    } catch {}
    precondition(answered.count <= asked)
    return 0
}
