import Glibc

/// Bytes that wait to be sent, or to be understood: added at the end, taken from the front.
@safe
final class ByteQueue {
    private var memory: UnsafeMutableRawPointer
    private var capacity: Int
    private var start = 0
    private var end = 0

    init(capacity: Int) {
        self.capacity = capacity
        unsafe self.memory = .allocate(byteCount: capacity, alignment: 16)
    }
    deinit { unsafe memory.deallocate() }

    var count: Int { end - start }
    var bytes: UnsafeRawBufferPointer { unsafe UnsafeRawBufferPointer(start: memory + start, count: count) }

    func drop(_ count: Int) {
        start += count
        if start == end { (start, end) = (0, 0) }
    }

    /// Room for `count` bytes at the end, which `add` then takes. What is already there keeps its content.
    func room(_ count: Int) -> UnsafeMutableRawBufferPointer {
        if end + count > capacity {
            let held = self.count
            if held + count > capacity {
                capacity = 2 * (held + count)
                let larger = UnsafeMutableRawPointer.allocate(byteCount: capacity, alignment: 16)
                unsafe larger.copyMemory(from: memory + start, byteCount: held)
                unsafe memory.deallocate()
                unsafe memory = larger
            } else {
                unsafe memmove(memory, memory + start, held)
            }
            (start, end) = (0, held)
        }
        return unsafe UnsafeMutableRawBufferPointer(start: memory + end, count: count)
    }
    func add(_ count: Int) { end += count }

    func uint8(_ value: UInt8) { number(UInt64(value), 1) }
    func uint32(_ value: UInt32) { number(UInt64(value), 4) }
    func uint64(_ value: UInt64) { number(value, 8) }
    private func number(_ value: UInt64, _ size: Int) {
        let place = unsafe room(size)
        for at in 0..<size { unsafe place[at] = UInt8(truncatingIfNeeded: value >> UInt64(8 * (size - 1 - at))) }
        add(size)
    }
    /// Puts the number where `fromEnd` bytes follow it and stand for it.
    func setUInt32(_ value: UInt32, fromEnd: Int) {
        let at = end - fromEnd
        for step in 0..<4 {
            unsafe memory.storeBytes(of: UInt8(truncatingIfNeeded: value >> UInt32(24 - 8 * step)), toByteOffset: at + step, as: UInt8.self)
        }
    }
    func string(_ bytes: some Collection<UInt8>) {
        uint32(UInt32(bytes.count))
        unsafe room(bytes.count).copyBytes(from: bytes)
        add(bytes.count)
    }
}
