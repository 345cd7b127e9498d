/// How large a packet reaches a peer: beats are sent in several sizes at a time, and the peer's own beats say which was the largest that came
/// (as packetization layer path MTU discovery does, RFC 8899). A switch that drops jumbo frames says nothing by itself.
package struct PathProbe: Sendable, Equatable {
    /// Beats that each size is tried with, and one that waits for the last answer.
    static let tries = 10
    /// Sizes in bytes that are tried below the full one: jumbo frames of a page, Ethernet's own, some tunnels', and the least of IPv6 (RFC 8200).
    static let ladder: [UInt16] = [8192, 4352, 1500, 1400, 1280]

    package enum State: Sendable, Equatable {
        case waiting
        case trying(left: Int)
        /// The largest packet that is known to arrive.
        case done(carries: UInt16)
    }

    package private(set) var state = State.waiting
    package private(set) var full: UInt16 = 0

    /// Begins once both ports' sizes are known.
    mutating func begin(mine: UInt16, theirs: UInt16) {
        guard state == .waiting, mine > 0, theirs > 0 else { return }
        full = min(mine, theirs)
        state = full > Self.ladder.last! ? .trying(left: Self.tries + 2) : .done(carries: full)
    }

    /// Which sizes go out with the next beat.
    var sizes: [UInt16] {
        guard case .trying(let left) = state, left > 2 else { return [] }
        return [full] + Self.ladder.filter { $0 < full }
    }

    /// One beat later. Only beats that are answered at all count: a peer that is not there says nothing about sizes.
    ///
    /// - Parameter largest: what the peer has said to be the largest that came, in bytes; nil when nothing was heard since the last call.
    /// - Returns: whether it ended just now with less than the full size.
    mutating func advance(largest: UInt16?) -> Bool {
        guard case .trying(let left) = state, let largest else { return false }
        if largest >= full {
            state = .done(carries: full)
            return false
        }
        guard left <= 1 else {
            state = .trying(left: left - 1)
            return false
        }
        state = .done(carries: max(largest, Self.ladder.last!))
        return true
    }
}
