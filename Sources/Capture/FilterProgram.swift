/// A classic BPF program (bpf(4)), joined as instructions and never as text: the text of two filters, one of
/// which holds `vlan`, means something else when it is put together.
public struct FilterProgram: Sendable, Equatable {
    public struct Instruction: Sendable, Equatable {
        public var code: UInt16
        public var jumpTrue: UInt8
        public var jumpFalse: UInt8
        public var k: UInt32
        public init(code: UInt16, jumpTrue: UInt8 = 0, jumpFalse: UInt8 = 0, k: UInt32) {
            self.code = code
            self.jumpTrue = jumpTrue
            self.jumpFalse = jumpFalse
            self.k = k
        }
    }
    public var instructions: [Instruction]
    public init(_ instructions: [Instruction]) { self.instructions = instructions }

    static let returnConstant: UInt16 = 0x06
    static let jumpAlways: UInt16 = 0x05

    public static let nothing = FilterProgram([Instruction(code: returnConstant, k: 0)])
    public static func everything(snaplen: UInt32) -> FilterProgram {
        FilterProgram([Instruction(code: returnConstant, k: snaplen)])
    }

    /// Accepts what `self` accepts and `excluded` does not. Each accepting return of the exclusion becomes a
    /// refusal, each refusal a jump to the first instruction of `self`, which sets all it reads.
    public func without(_ excluded: FilterProgram) -> FilterProgram {
        var joined: [Instruction] = []
        for (index, instruction) in excluded.instructions.enumerated() {
            guard instruction.code == Self.returnConstant else {
                joined.append(instruction)
                continue
            }
            joined.append(
                instruction.k == 0
                    ? Instruction(code: Self.jumpAlways, k: UInt32(excluded.instructions.count - index - 1))
                    : Instruction(code: Self.returnConstant, k: 0))
        }
        return FilterProgram(joined + instructions)
    }
}
