import Contract
import Platform
internal import Interconnect
import Synchronization

/// What interrupted connections go on with: the mesh hears which stream is over, and whoever owns the connection gets the one that takes its place.
final class LinkRoom: Sendable {
    private struct Key: Hashable {
        var peer: NodeIndex
        var role: ConnectionRole
    }

    private struct State {
        /// When it was interrupted, in nanoseconds, and why.
        var interrupted: [Key: (since: UInt64, why: ConnectionLoss)] = [:]
        /// Coherence streams that came before this node had its part of the machine.
        var waiting: [NodeIndex: EstablishedStream] = [:]
        /// Until this node leaves the machine.
        var keeper: MeshKeeper?
    }

    private let state: Mutex<State>
    private let control: ControlPlane
    private let session: SessionSlot
    private let say: @Sendable (String) -> Void

    init(keeper: MeshKeeper?, control: ControlPlane, session: SessionSlot, say: @escaping @Sendable (String) -> Void) {
        state = Mutex(State(keeper: keeper))
        self.control = control
        self.session = session
        self.say = say
    }

    /// Whether somebody brings connections back.
    var isKept: Bool { state.withLock { $0.keeper != nil } }

    func start() { state.withLock { $0.keeper }?.onResume { [weak self] in self?.resumed($0) } }

    func stop() { _ = state.withLock { $0.keeper.take() } }

    /// Any thread; does not wait.
    func interrupted(_ peer: NodeIndex, _ role: ConnectionRole, _ why: ConnectionLoss) {
        let keeper = state.withLock { state in
            state.interrupted[Key(peer: peer, role: role)] = (monotonicNow(), why)
            return state.keeper
        }
        for role in Interruptions.roles(after: role, hasPart: session.current != nil) { keeper?.interrupted(peer, role) }
    }

    /// On the mesh's thread.
    private func resumed(_ stream: ResumedStream) {
        let before = state.withLock { state in
            if stream.role == .coherence {
                if let session = session.current {
                    state.waiting[stream.peer] = nil
                    session.adopt(stream.next, for: stream.peer)
                } else {
                    state.waiting[stream.peer] = stream.next
                }
            }
            return state.interrupted.removeValue(forKey: Key(peer: stream.peer, role: stream.role))
        }
        if stream.role == .control { control.adopt(stream.next, for: stream.peer) }
        guard let before else { return }
        say(ConsoleWords.resumed(stream.peer, stream.role, after: monotonicNow() - before.since, before.why))
    }

    /// A session that has just been made goes on with what came before it.
    func bring(to session: MachineSession) {
        state.withLock { state in
            for (peer, next) in state.waiting { session.adopt(next, for: peer) }
            state.waiting = [:]
        }
    }
}
