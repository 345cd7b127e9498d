import Glibc

/// This node's own trouble with its sockets; what a peer does wrong is a `Refusal`, a `FrameError` or a `ConnectionLoss`.
package enum InterconnectError: Error, Sendable, Equatable, CustomStringConvertible {
    case system(call: String, on: String, errno: Int32)
    /// Text that should have been `[address%interface]:port` or `address:port`.
    case address(String, expected: String)
    case interface(String, String)
    case configuration(String)

    package var description: String {
        switch self {
        case .system(let call, let object, let error): "\(call) on \(object): \(errorText(error))"
        case .address(let text, let expected): "'\(text)' is not an address: expected \(expected)"
        case .interface(let name, let problem): "interconnect interface \(name): \(problem)"
        case .configuration(let problem): problem
        }
    }
}

func errorText(_ error: Int32) -> String {
    // SAFETY: strerror returns a valid C string for every value; the copy is made at once.
    unsafe String(cString: strerror(error)) + " (errno \(error))"
}
