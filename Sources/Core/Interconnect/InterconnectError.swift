package import Platform

/// This node's own trouble with its sockets; what a peer does wrong is a `Refusal`, a `FrameError` or a `ConnectionLoss`.
package enum InterconnectError: Error, Sendable, Equatable, CustomStringConvertible {
    case system(SystemError)
    /// The interface that leads to the other nodes cannot be used: its name, why, and what to do.
    case interface(String, String)
    case configuration(String)

    package var description: String {
        switch self {
        case .system(let error): "\(error)"
        case .interface(let name, let problem): "interconnect interface \(name): \(problem)"
        case .configuration(let problem): problem
        }
    }
}

/// Gives a failed system call its place among this room's errors.
func system<Value: ~Copyable>(_ body: () throws(SystemError) -> Value) throws(InterconnectError) -> Value {
    do throws(SystemError) { return try body() } catch { throw .system(error) }
}
