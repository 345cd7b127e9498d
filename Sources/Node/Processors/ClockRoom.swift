import Contract
import Platform
import Interconnect
import KVM
import Synchronization

/// Keeps this node's guest clock at node 0's by exchanges of time stamps, which go on from the join to the end. Node 0 answers, and gains what the
/// others ask for.
final class ClockRoom: Sendable {
    private struct State {
        var relation = CounterRelation()
        /// What node 0 said last, and its counter then.
        var lead = ClockLead()
        var answered: UInt64 = 0
        var answers = 0
        var follower: ClockFollower?
        /// When the pings left whose answers may still come, oldest first.
        var pings: [UInt64] = []
        /// What node 0 has to gain for this node.
        var wish: UInt32 = 0

        mutating func noteThatLeft(_ ping: UInt64) {
            if pings.count == ClockRoom.pingLimit { pings.removeFirst() }
            pings.append(ping)
        }

        mutating func wasAsked(_ ping: UInt64) -> Bool {
            guard let index = pings.firstIndex(of: ping) else { return false }
            pings.remove(at: index)
            return true
        }

        mutating func steer(_ course: ClockCourse, at now: UInt64, origin: UInt64, _ estimate: CounterRelation.Estimate) -> ClockCourse {
            guard let next = follower?.steer(course, at: now, origin: origin, relation: estimate, lead: lead, answered: answered) else { return course }
            wish = next.wish
            return next.course
        }

        mutating func begin(at now: UInt64, origin: UInt64, _ estimate: CounterRelation.Estimate, _ kilohertz: UInt64) -> ClockCourse {
            follower = ClockFollower(kilohertz: kilohertz)
            let target = ClockFollower.target(at: now, origin: origin, relation: estimate, lead: lead, answered: answered)
            return steer(ClockCourse(offset: target, since: now), at: now, origin: origin, estimate)
        }
    }

    private static let exchangesPerBeat = 4
    /// More than the longest outage's beats, and what the alignment asks.
    static let pingLimit = 4096

    private let node: NodeIndex
    private let control: ControlPlane
    private let session: SessionSlot
    private let state = Mutex(State())
    /// Node 0: what each node asks for.
    private let wishes: Mutex<[UInt32]>
    private let answer = Parker()
    /// How long nothing may be heard of node 0, in nanoseconds.
    private let outage: UInt64

    init(node: NodeIndex, count: Int, outageSeconds: Int = Limits.standardOutageSeconds, control: ControlPlane, session: SessionSlot) {
        outage = UInt64(outageSeconds + 2) * 1_000_000_000
        self.node = node
        self.control = control
        self.session = session
        wishes = Mutex(Array(repeating: 0, count: count))
    }

    // MARK: Control thread

    func answer(_ sent: UInt64, wish: UInt32, from peer: NodeIndex, received: UInt64) throws(PeerViolation) {
        guard node == 0 else { throw PeerViolation("it asks this node for the time, which only node 0 tells") }
        wishes.withLock { $0[node: peer] = wish }
        let lead = session.current?.clock.lead ?? ClockLead()
        control.send(.timePong(sent: sent, received: received, answered: hostTimestamp(), lead), to: peer)
    }

    func take(
        sent: UInt64, received: UInt64, answered: UInt64, _ lead: ClockLead, at arrival: UInt64, from peer: NodeIndex
    ) throws(PeerViolation) {
        let wasAsked = state.withLock { state in
            guard peer == 0, state.wasAsked(sent) else { return false }
            state.relation.add(t0: sent, t1: received, t2: answered, t3: arrival)
            (state.lead, state.answered) = (lead, answered)
            state.answers += 1
            return true
        }
        guard wasAsked else { throw PeerViolation("it tells a time that nobody asked it for") }
        answer.unpark()
        guard let session = session.current, !session.isOver, state.withLock({ $0.follower != nil && $0.answers % Self.exchangesPerBeat == 0 }) else { return }
        steer(session)
    }

    // MARK: Before the machine runs

    /// How this node's counter runs against node 0's, measured for as long as it takes to tell two crystals of one frequency from two frequencies:
    /// those of processors are percents apart.
    func measure() throws(NodeError) -> CounterReading {
        let stated = VirtualProcessor.statedTimestampKilohertz
        guard node != 0 else { return CounterReading(statedKilohertz: stated) }
        let estimate = try exchange(for: 2_000_000_000) { $0.gainBound < 2 * CommonFrequency.largestSlip }
        let low = min(max(estimate.gain.lowerBound, -1), 1024)
        let high = min(max(estimate.gain.upperBound, low), 1024)
        return CounterReading(statedKilohertz: stated, ratio: 1 + (low + high) / 2, bound: (high - low) / 2)
    }

    /// Aligns the guest clock from the quickest of many exchanges.
    func align(_ session: MachineSession) throws(NodeError) -> ClockFigures {
        guard node != 0 else { return ClockFigures() }
        let kilohertz = session.clock.kilohertz
        state.withLock { $0.relation.longestStretch = kilohertz * 500 }
        var count = 0
        let estimate = try exchange(for: 3_000_000_000) { _ in
            count += 1
            return count == 64
        }
        let now = hostTimestamp()
        session.steer(roundTrip: estimate.minimumRoundTrip) { _ in state.withLock { $0.begin(at: now, origin: session.setup.plan.clockOrigin, estimate, kilohertz) } }
        session.clock.jump()
        // Node 0 hears what it has to gain before any guest runs.
        ping()
        return record(estimate, in: session)
    }

    /// Exchanges time stamps until the estimate is good, or the time is over. The first answer may take as long as an outage.
    private func exchange(for nanoseconds: UInt64, until isGood: (CounterRelation.Estimate) -> Bool) throws(NodeError) -> CounterRelation.Estimate {
        let begin = monotonicNow()
        var last: CounterRelation.Estimate?
        while monotonicNow() - begin < (last == nil ? max(nanoseconds, outage) : nanoseconds) {
            ping()
            answer.park(timeout: 100_000_000)
            guard let estimate = state.withLock({ $0.relation.estimate(at: hostTimestamp()) }) else { continue }
            last = estimate
            if isGood(estimate) { break }
        }
        guard let last else { throw .clock }
        return last
    }

    // MARK: Beating thread

    /// Some more exchanges: the quickest of them counts. With the last one's answer the clock takes another course.
    func beat() {
        if node == 0 { return lead() }
        for _ in 0..<Self.exchangesPerBeat { ping() }
    }

    private func steer(_ session: MachineSession) {
        let (now, origin) = (hostTimestamp(), session.setup.plan.clockOrigin)
        guard let estimate = state.withLock({ $0.follower == nil ? nil : $0.relation.estimate(at: now) }) else { return }
        session.steer(roundTrip: estimate.minimumRoundTrip) { course in state.withLock { $0.steer(course, at: now, origin: origin, estimate) } }
        _ = record(estimate, in: session)
    }

    /// Node 0 gains what the node with the fastest counter asks for.
    private func lead() {
        guard let session = session.current, !session.isOver else { return }
        let gain = min(wishes.withLock { $0.max() ?? 0 }, UInt32(ClockFollower.largestGain * 0x1p32))
        let now = hostTimestamp()
        session.steer(roundTrip: 0) { course in
            course.gain == gain ? course : ClockCourse(offset: course.offset(at: now), since: now, gain: gain)
        }
    }

    private func ping() {
        let now = hostTimestamp()
        let wish = state.withLock { state in
            state.noteThatLeft(now)
            return state.wish
        }
        control.send(.timePing(sent: now, wish: wish), to: 0)
    }

    private func record(_ estimate: CounterRelation.Estimate, in session: MachineSession) -> ClockFigures {
        func nanoseconds(_ ticks: Int64) -> UInt64 { UInt64(max(0, session.clock.nanoseconds(ofTicks: ticks))) }
        let figures = ClockFigures(bound: nanoseconds(estimate.spread), roundTrip: nanoseconds(estimate.minimumRoundTrip))
        session.record(figures)
        return figures
    }
}
