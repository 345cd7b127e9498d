import Contract
import Platform
import Interconnect
import Synchronization

/// Keeps this node's guest clock at node 0's by exchanges of time stamps. Node 0 only answers.
final class ClockRoom: Sendable {
    private let node: NodeIndex
    private let control: ControlPlane
    private let session: SessionSlot
    private let estimator = Mutex(ClockOffsetEstimator())
    private let answered = Parker()

    init(node: NodeIndex, control: ControlPlane, session: SessionSlot) {
        self.node = node
        self.control = control
        self.session = session
    }

    // MARK: Control thread

    func answer(_ sent: UInt64, from peer: NodeIndex, received: UInt64) {
        control.send(.timePong(sent: sent, received: received, answered: hostTimestamp()), to: peer)
    }

    func take(sent: UInt64, received: UInt64, answered remote: UInt64, at arrival: UInt64) {
        estimator.withLock { _ = $0.add(t0: sent, t1: received, t2: remote, t3: arrival) }
        answered.unpark()
    }

    // MARK: Before the machine runs

    /// Aligns the guest clock from the quickest of many exchanges.
    func align(_ session: MachineSession) throws(NodeError) -> ClockFigures {
        guard node != 0 else { return ClockFigures() }
        let deadline = monotonicNow() + 3_000_000_000
        for _ in 0..<64 where monotonicNow() < deadline {
            ping()
            answered.park(timeout: 100_000_000)
        }
        guard let estimate = estimator.withLock({ $0.estimate }) else { throw .clock }
        session.clock.setOffset(offset(session, estimate))
        return record(estimate, in: session)
    }

    // MARK: Beating thread

    /// Another exchange; a node whose clock has fallen behind node 0's by more than the bound steps forward.
    func beat() {
        guard node != 0, let session = session.current, !session.isOver else { return }
        ping()
        guard let estimate = estimator.withLock({ $0.estimate }) else { return }
        let behind = Int64(bitPattern: offset(session, estimate) &- session.clock.offset)
        if behind > estimate.errorBound { session.clock.advance(by: UInt64(behind)) }
        _ = record(estimate, in: session)
    }

    private func ping() { control.send(.timePing(sent: hostTimestamp()), to: 0) }

    private func offset(_ session: MachineSession, _ estimate: ClockOffsetEstimator.Estimate) -> UInt64 {
        0 &- session.setup.plan.clockOrigin &+ UInt64(bitPattern: estimate.offset)
    }

    private func record(_ estimate: ClockOffsetEstimator.Estimate, in session: MachineSession) -> ClockFigures {
        func nanoseconds(_ ticks: Int64) -> UInt64 { UInt64(max(0, session.clock.nanoseconds(ofTicks: ticks))) }
        let figures = ClockFigures(bound: nanoseconds(estimate.errorBound), roundTrip: nanoseconds(estimate.minimumRoundTrip))
        session.record(figures)
        return figures
    }
}
