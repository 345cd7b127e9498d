import Platform
import Synchronization

/// Runs a ``Membership``: any thread brings in what happens; what is quick is done at once and in order, what takes time waits for the node's own
/// thread.
package final class MembershipDriver: Sendable {
    private struct State {
        var membership: Membership
        var tasks: [Membership.Task] = []
    }

    private let state: Mutex<State>
    private let hasTask = Parker()
    private let control: ControlPlane
    private let session: SessionSlot
    private let say: @Sendable (String) -> Void

    package init(_ membership: Membership, control: ControlPlane, session: SessionSlot, say: @escaping @Sendable (String) -> Void) {
        state = Mutex(State(membership: membership))
        self.control = control
        self.session = session
        self.say = say
    }

    package func feed(_ input: Membership.Input) {
        state.withLock { state in
            for effect in state.membership.handle(input, now: monotonicNow()) {
                switch effect {
                case .send(let message, let node): control.send(.membership(message), to: node)
                case .broadcast(let message): control.broadcast(.membership(message))
                case .say(let line): say(line)
                case .stop:
                    state.tasks = []
                    session.current?.stop()
                case .perform(let task): state.tasks.append(task)
                }
            }
        }
        hasTask.unpark()
    }

    /// Waits for something to do.
    package func nextTask() -> Membership.Task {
        while true {
            if let task = state.withLock({ $0.tasks.isEmpty ? nil : $0.tasks.removeFirst() }) { return task }
            hasTask.park(timeout: 1_000_000_000)
        }
    }

    /// What this node has concluded so far.
    package var membership: Membership { state.withLock { $0.membership } }
}

/// Where this node's part of the machine is, once there is one.
package final class SessionSlot: Sendable {
    private let session = Mutex<MachineSession?>(nil)

    package init() {}

    package var current: MachineSession? {
        get { session.withLock { $0 } }
        set { session.withLock { $0 = newValue } }
    }
}
