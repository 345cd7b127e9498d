/// Nodes as a set of bits; an index is below 64.
package struct NodeSet: Sendable, Equatable, CustomStringConvertible {
    package private(set) var rawValue: UInt64 = 0

    package init() {}
    package init(bits: UInt64) { rawValue = bits }
    package init(_ members: some Sequence<UInt8>) { for member in members { insert(member) } }

    package var isEmpty: Bool { rawValue == 0 }
    package var count: Int { rawValue.nonzeroBitCount }
    package func contains(_ node: UInt8) -> Bool { node < 64 && rawValue & (1 << UInt64(node)) != 0 }
    package mutating func insert(_ node: UInt8) {
        precondition(node < 64, "node index out of range")
        rawValue |= 1 << UInt64(node)
    }
    package mutating func remove(_ node: UInt8) { if node < 64 { rawValue &= ~(1 << UInt64(node)) } }
    package var first: UInt8? { rawValue == 0 ? nil : UInt8(rawValue.trailingZeroBitCount) }
    /// Members in rising order.
    package var members: [UInt8] { (0..<UInt8(64)).filter { contains($0) } }
    package var description: String { members.map { String($0) }.joined(separator: ", ") }
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
    private var lastHeard: InlineArray<64, UInt64>
    private var reasons = InlineArray<64, Reason?>(repeating: nil)
    private var lastTick: UInt64

    /// Starts to watch `peers` as if each had just been heard.
    package init(watching peers: NodeSet, now: UInt64, timing: Timing = Timing()) {
        self.timing = timing
        watched = peers
        lastHeard = InlineArray(repeating: now)
        lastTick = now
    }

    /// A heartbeat, or any other frame, of `peer` was handled.
    package mutating func heard(_ peer: UInt8, now: UInt64) {
        guard watched.contains(peer) else { return }
        lastHeard[Int(peer)] = max(lastHeard[Int(peer)], now)
    }

    /// A stream of `peer` closed, was reset or carried nonsense: it is lost at once.
    /// - Returns: whether this is news.
    @discardableResult
    package mutating func streamEnded(_ peer: UInt8, _ loss: ConnectionLoss) -> Bool {
        guard watched.contains(peer), !lost.contains(peer) else { return false }
        lost.insert(peer)
        reasons[Int(peer)] = .streamEnded(loss)
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
        for peer in 0..<UInt8(64) where watched.contains(peer) && !lost.contains(peer) {
            let heard = lastHeard[Int(peer)]
            let silence = now >= heard ? now - heard : 0
            guard silence > timing.silence else { continue }
            lost.insert(peer)
            reasons[Int(peer)] = .silent(silence)
            news.insert(peer)
        }
        return news
    }

    /// Why a lost peer counts as lost.
    package func reason(_ peer: UInt8) -> Reason? { peer < 64 ? reasons[Int(peer)] : nil }
}
