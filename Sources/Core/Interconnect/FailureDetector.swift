package import Contract

/// Nodes as a set of bits.
package struct NodeSet: Sendable, Equatable, CustomStringConvertible {
    package private(set) var rawValue: UInt64 = 0

    package init() {}
    package init(bits: UInt64) { rawValue = bits }
    package init(_ members: some Sequence<NodeIndex>) { for member in members { insert(member) } }

    package var isEmpty: Bool { rawValue == 0 }
    package func contains(_ node: NodeIndex) -> Bool { rawValue & Self.bit(node) != 0 }
    package mutating func insert(_ node: NodeIndex) { rawValue |= Self.bit(node) }
    /// Members in rising order.
    package var members: [NodeIndex] { NodeIndex.all(of: Limits.nodes.upperBound).filter { contains($0) } }
    private static func bit(_ node: NodeIndex) -> UInt64 { 1 << UInt64(node.rawValue) }
    package var description: String { members.map { "\($0)" }.joined(separator: ", ") }
}

/// Decides which peers are lost, from heartbeats and from streams that ended. Time comes in as nanoseconds of any
/// monotonic clock.
package struct FailureDetector: Sendable {
    package struct Timing: Sendable {
        /// Between two heartbeats, and between two calls of `tick`.
        package var beat: UInt64 = 100_000_000
        /// Silence after which a peer is lost.
        package var silence: UInt64 = 1_500_000_000
        /// A tick later than this after it was due means that this node itself stood still, so its ears were shut too.
        package var lateness: UInt64 = 500_000_000
        package init() {}
    }

    package enum Reason: Sendable, Equatable, CustomStringConvertible {
        case streamEnded(ConnectionLoss)
        /// Nothing heard for this many nanoseconds.
        case silent(UInt64)

        package var description: String {
            switch self {
            case .streamEnded(let loss): "\(loss)"
            case .silent(let nanoseconds): "no heartbeat for \(nanoseconds / 1_000_000) ms"
            }
        }
    }

    package let timing: Timing
    package private(set) var watched: NodeSet
    package private(set) var lost = NodeSet()
    /// How often this node found itself late and started counting again.
    package private(set) var restarts = 0
    private var lastHeard: InlineArray<16, UInt64>
    private var reasons = InlineArray<16, Reason?>(repeating: nil)
    private var lastTick: UInt64

    /// Starts to watch `peers` as if each had just been heard.
    package init(watching peers: NodeSet, now: UInt64, timing: Timing = Timing()) {
        self.timing = timing
        watched = peers
        lastHeard = InlineArray(repeating: now)
        lastTick = now
    }

    /// A heartbeat, or any other frame, of `peer` was handled.
    package mutating func heard(_ peer: NodeIndex, now: UInt64) {
        guard watched.contains(peer) else { return }
        lastHeard[peer.position] = max(lastHeard[peer.position], now)
    }

    /// A stream of `peer` closed, was reset or carried nonsense: it is lost at once.
    /// - Returns: whether this is news.
    @discardableResult
    package mutating func streamEnded(_ peer: NodeIndex, _ loss: ConnectionLoss) -> Bool {
        guard watched.contains(peer), !lost.contains(peer) else { return false }
        lost.insert(peer)
        reasons[peer.position] = .streamEnded(loss)
        return true
    }

    /// To be called every `timing.beat`, after whatever has arrived was handled.
    /// - Returns: the peers lost by silence since the last call.
    package mutating func tick(now: UInt64) -> NodeSet {
        let elapsed = now >= lastTick ? now - lastTick : 0
        lastTick = max(lastTick, now)
        if elapsed > timing.beat + timing.lateness {
            restarts += 1
            lastHeard = InlineArray(repeating: now)
            return NodeSet()
        }
        var news = NodeSet()
        for peer in watched.members where !lost.contains(peer) {
            let heard = lastHeard[peer.position]
            let silence = now >= heard ? now - heard : 0
            guard silence > timing.silence else { continue }
            lost.insert(peer)
            reasons[peer.position] = .silent(silence)
            news.insert(peer)
        }
        return news
    }

    /// Why a lost peer counts as lost.
    package func reason(_ peer: NodeIndex) -> Reason? { reasons[peer.position] }
}
