/// supervisord's refusal of a call: a number and `NAME` or `NAME: extra`.
public struct ControlFault: Error, Sendable, Equatable {
    public var code: Int
    public var text: String

    public init(code: Int, text: String) {
        self.code = code
        self.text = text
    }

    /// The same refusal with what it is about, such as `BAD_NAME: cat`.
    public func about(_ extra: String) -> ControlFault { ControlFault(code: code, text: "\(text): \(extra)") }

    public static let unknownMethod = ControlFault(code: 1, text: "UNKNOWN_METHOD")
    public static let incorrectParameters = ControlFault(code: 2, text: "INCORRECT_PARAMETERS")
    public static let badArguments = ControlFault(code: 3, text: "BAD_ARGUMENTS")
    public static let signatureUnsupported = ControlFault(code: 4, text: "SIGNATURE_UNSUPPORTED")
    public static let shutdownState = ControlFault(code: 6, text: "SHUTDOWN_STATE")
    public static let badName = ControlFault(code: 10, text: "BAD_NAME")
    public static let badSignal = ControlFault(code: 11, text: "BAD_SIGNAL")
    public static let noFile = ControlFault(code: 20, text: "NO_FILE")
    public static let notExecutable = ControlFault(code: 21, text: "NOT_EXECUTABLE")
    public static let failed = ControlFault(code: 30, text: "FAILED")
    public static let abnormalTermination = ControlFault(code: 40, text: "ABNORMAL_TERMINATION")
    public static let spawnError = ControlFault(code: 50, text: "SPAWN_ERROR")
    public static let alreadyStarted = ControlFault(code: 60, text: "ALREADY_STARTED")
    public static let notRunning = ControlFault(code: 70, text: "NOT_RUNNING")
    /// No refusal: the status of a process in the answer about a whole group.
    public static let success = ControlFault(code: 80, text: "SUCCESS")
    public static let alreadyAdded = ControlFault(code: 90, text: "ALREADY_ADDED")
    public static let stillRunning = ControlFault(code: 91, text: "STILL_RUNNING")
    public static let cantReread = ControlFault(code: 92, text: "CANT_REREAD")
}
