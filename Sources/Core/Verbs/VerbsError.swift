internal import Platform

/// A verbs call that failed: what was tried on which port, in which state the port was, and why.
package struct VerbsError: Error, Sendable, Equatable, CustomStringConvertible {
    package enum Reason: Sendable, Equatable {
        case errno(Int32)
        /// Status of a completion (InfiniBand Architecture Specification, volume 1, 11.6.2).
        case completion(status: Int32, text: String)
    }

    package let call: String
    /// Device and port, such as `mlx4_0/1`.
    package let port: String
    /// As the provider names it; nil when it did not say.
    package let state: String?
    package let reason: Reason

    package init(_ call: String, on port: String, state: String?, _ reason: Reason) {
        self.call = call
        self.port = port
        self.state = state
        self.reason = reason
    }

    package var description: String {
        let why =
            switch reason {
            case .errno(let code): SystemError.reason(code)
            case .completion(_, let text): text
            }
        return "\(call) on \(port)\(state.map { " (\($0))" } ?? "") failed: \(why)"
    }
}
