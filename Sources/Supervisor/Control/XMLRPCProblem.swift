/// A document that is not XML as XML-RPC needs it.
public struct XMLRPCProblem: Error, Sendable, Equatable {
    /// A clause such as "a document type is not taken".
    public var reason: String
    /// Bytes from the start of the document.
    public var offset: Int
}
