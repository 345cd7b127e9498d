package import Contract
import Platform
import Synchronization

/// A stream that takes the place of an interrupted one.
package struct ResumedStream: Sendable {
    package let peer: NodeIndex
    package let role: ConnectionRole
    package let next: EstablishedStream
}

/// Keeps the connections of a machine whose nodes have joined: beacons go on, so that those who still join hear this node; interrupted streams are
/// dialled again, and whoever else comes is refused. Ends when it is let go.
package final class MeshKeeper: Sendable {
    private struct State {
        var interrupted: [(NodeIndex, ConnectionRole)] = []
        var resume: (@Sendable (ResumedStream) -> Void)?
        /// Streams that came before anybody took them: a peer may notice sooner than this node that one was cut.
        var waiting: [ResumedStream] = []
        var isStopping = false

        /// What is to be given away now. Of a connection's streams only the latest counts.
        mutating func take(_ streams: [ResumedStream]) -> ((@Sendable (ResumedStream) -> Void)?, [ResumedStream]) {
            for next in streams {
                waiting.removeAll { $0.peer == next.peer && $0.role == next.role }
                waiting.append(next)
            }
            guard resume != nil else { return (nil, []) }
            defer { waiting = [] }
            return (resume, waiting)
        }
    }

    private final class Shared: Sendable {
        let state = Mutex(State())
        let wake: WakeEvent
        init() throws(SystemError) { wake = try WakeEvent() }
    }

    private let shared: Shared
    private let thread: SystemThread

    init(_ driver: GatheringDriver) throws(InterconnectError) {
        let shared = try system { () throws(SystemError) in try Shared() }
        self.shared = shared
        thread = SystemThread("vsmp-mesh") {
            while true {
                let (interrupted, isStopping) = shared.state.withLock { state in
                    defer { state.interrupted = [] }
                    return (state.interrupted, state.isStopping)
                }
                if isStopping { return }
                let streams = driver.keep(interrupted: interrupted, wake: shared.wake.rawDescriptor)
                shared.wake.clear()
                let (resume, ready) = shared.state.withLock { $0.take(streams) }
                for stream in ready { resume?(stream) }
            }
        }
    }

    /// The stream of that peer and role carries nothing any more. Any thread may say so.
    package func interrupted(_ peer: NodeIndex, _ role: ConnectionRole) {
        shared.state.withLock { $0.interrupted.append((peer, role)) }
        shared.wake.raise()
    }

    /// - Parameter body: hears of every stream that takes an interrupted one's place, also of those that came before, on the mesh's thread.
    package func onResume(_ body: @escaping @Sendable (ResumedStream) -> Void) {
        shared.state.withLock { $0.resume = body }
        shared.wake.raise()
    }

    deinit {
        shared.state.withLock { $0.isStopping = true }
        shared.wake.raise()
        thread.join()
    }
}
