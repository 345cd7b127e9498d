import Node
import Synchronization

/// The node that this process is now, for the threads that outlive it: one that an expired licence keeps from its machine is followed by one that is alone.
final class CurrentRuntime: Sendable {
    private let slot = Mutex<NodeRuntime?>(nil)

    /// Nil before the first, and between two.
    var runtime: NodeRuntime? { slot.withLock { $0 } }

    /// Rounds of each of its threads.
    var progress: [String: UInt64] { runtime?.progress ?? [:] }

    func hold<Result>(_ runtime: NodeRuntime, while body: () throws -> Result) rethrows -> Result {
        slot.withLock { $0 = runtime }
        defer { slot.withLock { $0 = nil } }
        return try body()
    }
}
