import CLinux
import Glibc

/// A system call that failed: which, on what, and the kernel's own words.
public struct SystemError: Error, CustomStringConvertible, Equatable {
    public let call: String
    public let code: Int32

    public init(_ call: String, code: Int32) {
        self.call = call
        self.code = code
    }

    /// The C library's text for an errno; an unknown one is named by its number.
    public static func text(_ code: Int32) -> String {
        guard let text = unsafe strerror(code) else { return "error \(code)" }
        return unsafe String(cString: text)
    }

    /// `ENOENT` and the like.
    public static func name(_ code: Int32) -> String {
        guard let name = unsafe sensor_errno_name(code) else { return "errno \(code)" }
        return unsafe String(cString: name)
    }

    public var description: String { "\(call): \(Self.text(code))" }
}

/// Runs a call again while a signal interrupts it, and turns -1 into a `SystemError`.
@discardableResult
public func checked(_ call: @autoclosure () -> String, _ body: () -> Int) throws(SystemError) -> Int {
    while true {
        let result = body()
        if result >= 0 { return result }
        let code = errno
        if code != EINTR { throw SystemError(call(), code: code) }
    }
}

/// The text in a C buffer, up to its NUL.
public func string(in buffer: [CChar]) -> String {
    String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
}
