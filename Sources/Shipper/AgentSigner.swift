import Glibc

/// Signs a login with a key that an ssh-agent holds, when libssh2 asks for it.
final class AgentSigner {
    let identity: AgentIdentity
    private let agent: SSHAgent
    /// Why it could not.
    private(set) var fault: ShipFault?

    init(_ agent: SSHAgent, _ identity: AgentIdentity) {
        self.agent = agent
        self.identity = identity
    }

    private func signature(_ data: [UInt8]) -> [UInt8]? {
        do throws(ShipFault) { return try agent.signature(identity, login: data).bytes } catch {
            fault = error
            return nil
        }
    }

    /// LIBSSH2_USERAUTH_PUBLICKEY_SIGN_FUNC; `abstract` is an `AgentSigner`, not retained. libssh2 frees the signature.
    static let sign:
        @convention(c) (
            OpaquePointer?, UnsafeMutablePointer<UnsafeMutablePointer<UInt8>?>?, UnsafeMutablePointer<Int>?, UnsafePointer<UInt8>?, Int,
            UnsafeMutablePointer<UnsafeMutableRawPointer?>?
        ) -> Int32 = { _, signature, length, data, count, abstract in
            guard let signature = unsafe signature, let length = unsafe length, let data = unsafe data,
                let passed = unsafe abstract?.pointee
            else { return -1 }
            let signer = unsafe Unmanaged<AgentSigner>.fromOpaque(passed).takeUnretainedValue()
            guard let bytes = signer.signature(unsafe Array(UnsafeBufferPointer(start: data, count: count))),
                let memory = unsafe malloc(max(1, bytes.count))
            else { return -1 }
            unsafe memory.copyMemory(from: bytes, byteCount: bytes.count)
            unsafe signature.pointee = memory.assumingMemoryBound(to: UInt8.self)
            unsafe length.pointee = bytes.count
            return 0
        }
}
