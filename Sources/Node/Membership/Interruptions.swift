import Contract
import Interconnect

/// One kind of connection to every peer: which of them are interrupted, and wait for another stream.
struct Interruptions {
    /// By node; nil while the connection stands. Since when, in nanoseconds, and why.
    private var states: [(since: UInt64, why: ConnectionLoss)?]

    init(nodes: Int) { states = Array(repeating: nil, count: nodes) }

    mutating func begin(_ peer: NodeIndex, _ why: ConnectionLoss, now: UInt64) { states[node: peer] = (now, why) }
    mutating func end(_ peer: NodeIndex) { states[node: peer] = nil }

    /// Those that have lasted for more than `limit` nanoseconds: nothing brings them back.
    func overdue(now: UInt64, limit: UInt64) -> [(peer: NodeIndex, why: ConnectionLoss)] {
        NodeIndex.all(of: states.count).compactMap { peer in
            // `now` may have been read before the interruption was noted.
            guard let state = states[node: peer], now > state.since, now - state.since > limit else { return nil }
            return (peer, state.why)
        }
    }
}
