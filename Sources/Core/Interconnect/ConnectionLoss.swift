package import Platform
package import Verbs

/// Why a stream (TCP or verbs) of a connection is over, or the connection itself.
package enum ConnectionLoss: Sendable, Equatable, CustomStringConvertible {
    case ended(SocketEnd)
    /// The adapter gave the reliable connection up, or never had it. Another stream can go on.
    case adapter(VerbsError)
    /// What arrived is not what the peer sent. Another TCP stream can go on.
    case altered(FrameError)
    /// The peer sent, itself, what no node of this firmware sends.
    case violation(String)
    /// Too many streams were interrupted in a short time, the last one for this reason.
    indirect case unsteady(ConnectionLoss)
    /// The peer has not read for so long that more than its due waits for it.
    case unread(bytes: Int)

    package static let closed = ConnectionLoss.ended(.closed)

    package var description: String {
        switch self {
        case .ended(.closed): "connection closed by the peer"
        case .ended(.reset): "connection reset"
        case .ended(.failed(let code)): "connection failed: \(SystemError.reason(code))"
        case .adapter(let error): "\(error)"
        case .altered(let error): "connection altered on the way: \(error)"
        case .violation(let what): "malformed stream: \(what)"
        case .unsteady(let last):
            "interrupted again and again within \(InterruptionBudget.window / 1_000_000_000) s, the last time: \(last)"
        case .unread(let bytes): "it has read nothing for long, and \(bytes >> 20) MiB wait for it"
        }
    }
}

/// How often a connection may be interrupted: whoever alters every stream is not to be answered for ever. Times are nanoseconds. What was altered counts
/// twice, so that the end that knows why is the first to give up.
package struct InterruptionBudget: Sendable {
    static let limit = 16
    static let window: UInt64 = 10_000_000_000

    private var count = 0
    private var began: UInt64 = 0

    package init() {}

    /// - Returns: whether the connection may go on.
    package mutating func spend(_ cause: ConnectionLoss, now: UInt64) -> Bool {
        if count == 0 || now &- began > Self.window { (count, began) = (0, now) }
        if case .altered = cause { count += 2 } else { count += 1 }
        return count <= Self.limit
    }
}
