package import Contract
package import Interconnect

/// One kind of connection to every peer: which of them are interrupted, and wait for another stream.
package struct Interruptions {
    /// How long a connection may be interrupted, in nanoseconds. Longer than it takes to find out, by heartbeats, that the peer is gone.
    package static func limit(outageSeconds: Int) -> UInt64 { UInt64(outageSeconds + 3) * 1_000_000_000 }

    /// Which streams with a peer are to be made again when one of them is over. Before this node has its part of the machine nobody reads coherence, and
    /// a peer that still joins has let go of both.
    package static func roles(after role: ConnectionRole, hasPart: Bool) -> [ConnectionRole] { role == .control && !hasPart ? [.control, .coherence] : [role] }

    /// By node; nil while the connection stands. Since when, in nanoseconds, and why.
    private var states: [(since: UInt64, why: ConnectionLoss)?]

    package init(nodes: Int) { states = Array(repeating: nil, count: nodes) }

    package mutating func begin(_ peer: NodeIndex, _ why: ConnectionLoss, now: UInt64) { states[node: peer] = (now, why) }
    package mutating func end(_ peer: NodeIndex) { states[node: peer] = nil }

    /// Those that have lasted for more than `limit` nanoseconds: nothing brings them back.
    package func overdue(now: UInt64, limit: UInt64) -> [(peer: NodeIndex, why: ConnectionLoss)] {
        NodeIndex.all(of: states.count).compactMap { peer in
            // `now` may have been read before the interruption was noted.
            guard let state = states[node: peer], now > state.since, now - state.since > limit else { return nil }
            return (peer, state.why)
        }
    }
}
