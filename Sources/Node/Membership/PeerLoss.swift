package import Contract

/// Why this node goes on without a peer, as its connections tell.
package enum PeerLoss: Sendable, CustomStringConvertible {
    /// It is gone, or has sent what no node sends.
    case node(String)
    /// A connection to it does not come back, though its heartbeats may be heard.
    case link(String)

    package var description: String {
        switch self {
        case .node(let why), .link(let why): why
        }
    }

    /// What the membership hears of it.
    package func input(_ peer: NodeIndex) -> Membership.Input {
        switch self {
        case .node(let why): .lost(node: peer, why: why)
        case .link(let why): .severed(from: peer, why: why)
        }
    }
}
