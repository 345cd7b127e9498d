package import Platform

/// How a connection ended.
package enum ConnectionLoss: Sendable, Equatable, CustomStringConvertible {
    case ended(SocketEnd)
    case malformed(FrameError)
    /// The peer has not read for so long that more than its due waits for it.
    case unread(bytes: Int)

    package static let closed = ConnectionLoss.ended(.closed)

    package var description: String {
        switch self {
        case .ended(.closed): "connection closed by the peer"
        case .ended(.reset): "connection reset"
        case .ended(.failed(let code)): "connection failed: \(SystemError.reason(code))"
        case .malformed(let error): "malformed stream: \(error)"
        case .unread(let bytes): "it has read nothing for long, and \(bytes >> 20) MiB wait for it"
        }
    }
}
