package import Contract

/// Who is to blame for a silence. What others say of whom they hear decides between a node and a link; nobody blames itself, and nobody is blamed
/// whom another node still hears.
extension Watch {
    package enum Loss: Sendable, Equatable {
        /// No node hears it any more.
        case node(NodeIndex, Reason)
        /// Both live, and one of them does not hear the other.
        case link(NodeIndex, NodeIndex, Reason)
        /// This node hears none of several others: its own port, or the switch.
        case alone(Reason)

        /// Whom a node that says so does without.
        package var nodes: [NodeIndex] {
            switch self {
            case .node(let node, _): [node]
            case .link(let low, let high, _): [low, high]
            case .alone: []
            }
        }
    }

    package enum Reason: Sendable, Equatable, CustomStringConvertible {
        /// Nothing was heard for so many nanoseconds, by this node and those that it hears.
        case silent(UInt64)
        /// The same where no third node can tell the node from the link to it.
        case silentPair(NodeIndex, UInt64)
        /// Its host answers that nobody takes heartbeats there.
        case refused(UInt64)
        /// Its board runs another start of the node.
        case startedAnew(UInt64)
        /// The first hears nothing of the second, which another node hears.
        case unheard(NodeIndex, of: NodeIndex, UInt64)
        /// This node itself did not run for longer than the others wait.
        case stoodStill(UInt64)
        /// It lives, and hears none of the others.
        case deaf(UInt64)

        package var description: String {
            switch self {
            case .silent(let time): "no heartbeat for \(Self.milliseconds(time)) ms"
            case .silentPair(let node, let time): "no heartbeat for \(Self.milliseconds(time)) ms: node \(node) or the link to it is gone"
            case .refused(let time): "no heartbeat for \(Self.milliseconds(time)) ms, and its board answers that vsmpd does not run there any more"
            case .startedAnew(let time): "no heartbeat for \(Self.milliseconds(time)) ms, and its board has started anew"
            case .unheard(let node, let other, let time): "node \(node) has heard nothing of node \(other) for \(Self.milliseconds(time)) ms, and both live"
            case .stoodStill(let time): "this board itself stood still for \(Self.milliseconds(time)) ms; look at what stops it (firmware, power, hypervisor)"
            case .deaf(let time): "it has heard none of the other nodes for \(Self.milliseconds(time)) ms; look at its port and cable"
            }
        }

        private static func milliseconds(_ time: UInt64) -> UInt64 { time / 1_000_000 }
    }

    /// Whether and how the machine has lost `peer`, as far as this node can tell now.
    func loss(of peer: NodeIndex, now: UInt64) -> Loss? {
        guard let loss = lossByOthers(of: peer, now: now) else { return nil }
        // Whoever did not run for longer than the others wait was lost by them; that they have gone since is no fault of theirs.
        if let wokeUp, lastStop > timing.outage, now < wokeUp + 2 * timing.outage { return .alone(.stoodStill(lastStop)) }
        return loss
    }

    private func lossByOthers(of peer: NodeIndex, now: UInt64) -> Loss? {
        let silence = silence(of: peer, now: now)
        // A forged answer alone ends nothing: the heartbeats have to fail, too.
        if silence > Timing.refusal {
            if peers[node: peer].hasStartedAnew { return .node(peer, .startedAnew(silence)) }
            if peers[node: peer].refusals >= 3 { return .node(peer, .refused(silence)) }
        }
        if silence > timing.outage { return loss(of: peer, silentFor: silence, now: now) }
        // What others say of this node is old news after a stop; whom they have decided to lose, they say in words.
        if let wokeUp, now < wokeUp + timing.outage { return nil }
        return silence < timing.fresh ? lossOfMyself(at: peer, now) : nil
    }

    private func loss(of peer: NodeIndex, silentFor silence: UInt64, now: UInt64) -> Loss? {
        let others = others(than: peer, now)
        guard !others.isEmpty else { return .node(peer, .silentPair(peer, silence)) }
        let isPatienceOver = silence > timing.outage + Timing.doubt
        let witnesses = others.filter { self.silence(of: $0, now: now) < timing.fresh }
        guard !witnesses.isEmpty else {
            // All are silent, or will be in a moment; one that is heard again is a witness. Each silence has the whole budget.
            return others.allSatisfy { self.silence(of: $0, now: now) > timing.outage } ? .alone(.silent(silence)) : nil
        }
        let isHeard = witnesses.contains { witness in
            age(of: peer, at: witness).map { $0 + self.silence(of: witness, now: now) < timing.fresh } ?? false
        }
        if isHeard { return link(peer, .unheard(node, of: peer, silence)) }
        let isUnheard = witnesses.allSatisfy { age(of: peer, at: $0).map { $0 > timing.outage } ?? true }
        return isPatienceOver || isUnheard ? .node(peer, .silent(silence)) : nil
    }

    /// `peer` is heard, and says that it hears nothing of this node.
    private func lossOfMyself(at peer: NodeIndex, _ now: UInt64) -> Loss? {
        guard let mine = age(of: node, at: peer), mine > timing.outage else { return nil }
        let others = others(than: peer, now)
        let hears = others.contains { age(of: $0, at: peer).map { $0 < timing.fresh } ?? false }
        return hears || others.isEmpty ? link(peer, .unheard(peer, of: node, mine)) : .node(peer, .deaf(mine))
    }

    private func link(_ peer: NodeIndex, _ reason: Reason) -> Loss { .link(min(node, peer), max(node, peer), reason) }

    /// Whose silence or word tells something: also of one whose link is lost, while it is heard.
    private func others(than peer: NodeIndex, _ now: UInt64) -> [NodeIndex] {
        NodeIndex.all(of: peers.count).filter {
            $0 != node && $0 != peer && peers[node: $0].isExpected && (!peers[node: $0].isLost || silence(of: $0, now: now) < timing.fresh)
        }
    }

    /// For how many nanoseconds `witness` had not heard `other` when it last said so; nil when it knows nothing of it.
    private func age(of other: NodeIndex, at witness: NodeIndex) -> UInt64? {
        let ages = peers[node: witness].ages
        guard ages.indices.contains(other.position), ages[other.position] != Beat.unknownAge else { return nil }
        return UInt64(ages[other.position]) * 1_000_000
    }
}
