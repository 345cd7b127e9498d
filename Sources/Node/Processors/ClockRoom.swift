import Contract
import Platform
import Interconnect
import Synchronization

/// Keeps this node's guest clock at node 0's by exchanges of time stamps. Node 0 only answers.
final class ClockRoom: Sendable {
    /// Pings whose answers may still come: two minutes of beats.
    static let pingLimit = 1024

    private let node: NodeIndex
    private let control: ControlPlane
    private let session: SessionSlot
    private let estimator = Mutex(ClockOffsetEstimator())
    private let answered = Parker()
    /// When those pings left, oldest first.
    private let pings = Mutex<[UInt64]>([])

    init(node: NodeIndex, control: ControlPlane, session: SessionSlot) {
        self.node = node
        self.control = control
        self.session = session
    }

    // MARK: Control thread

    func answer(_ sent: UInt64, from peer: NodeIndex, received: UInt64) throws(PeerViolation) {
        guard node == 0 else { throw PeerViolation("it asks this node for the time, which only node 0 tells") }
        control.send(.timePong(sent: sent, received: received, answered: hostTimestamp()), to: peer)
    }

    func take(sent: UInt64, received: UInt64, answered remote: UInt64, at arrival: UInt64, from peer: NodeIndex) throws(PeerViolation) {
        let wasAsked = pings.withLock { pings in
            guard let index = pings.firstIndex(of: sent) else { return false }
            pings.remove(at: index)
            return true
        }
        guard peer == 0, wasAsked else { throw PeerViolation("it tells a time that nobody asked it for") }
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
        session.clock.correct(toward: offset(session, estimate), bound: estimate.errorBound)
        _ = record(estimate, in: session)
    }

    private func ping() {
        let now = hostTimestamp()
        pings.withLock { pings in
            if pings.count == Self.pingLimit { pings.removeFirst() }
            pings.append(now)
        }
        control.send(.timePing(sent: now), to: 0)
    }

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
