import Bytes
package import Contract
package import Interconnect

/// How the one machine ended, as every node sees it.
package enum MachineEnd: Sendable, Equatable {
    /// A node refuses the machine's licence; nothing was lent.
    case refused
    case poweredOff
    /// The guest restarted so many times in a row before it reached user space: another start would only end the same.
    case guestFailed(resets: Int)
    case reboot
    /// A node cannot carry its part: `why` is the whole sentence, the same on every console.
    case unsuitable(node: NodeIndex, Unsuitability, why: String)
    /// A processor or a node's own hypervisor gave up.
    case failed(node: NodeIndex, why: String)
    /// A node died, or every link to it was cut.
    case lost(node: NodeIndex, why: String)
    /// Two nodes live and do not hear each other; the lower one stands first.
    case cut(NodeIndex, NodeIndex, why: String)
    /// This node hears none of several others. No other node agrees with that.
    case alone(why: String)

    package var exitStatus: ExitStatus {
        switch self {
        case .refused: .licenceRefused
        case .poweredOff: .success
        case .guestFailed: .guestFailed
        case .reboot: .guestReboot
        case .unsuitable(_, .clock, _): .clocksDiffer
        case .unsuitable(_, .memory, _): .notEnoughMemory
        case .unsuitable(_, .board, _): .hardwareMismatch
        case .lost, .cut, .alone: .nodeLost
        case .failed: .internalError
        }
    }

    /// Which of several causes counts: the lowest, the same on every node. What was said of a cause is no part of it.
    struct Rank: Comparable, Hashable {
        var kind: Int
        var node: NodeIndex
        var other: NodeIndex = 0

        static func < (a: Rank, b: Rank) -> Bool { (a.kind, a.node, a.other) < (b.kind, b.node, b.other) }
    }

    var rank: Rank {
        switch self {
        case .refused: Rank(kind: 0, node: 0)
        case .poweredOff: Rank(kind: 1, node: 0)
        case .guestFailed: Rank(kind: 2, node: 0)
        case .reboot: Rank(kind: 3, node: 0)
        case .unsuitable(let node, .clock, _): Rank(kind: 4, node: node)
        case .unsuitable(let node, .memory, _): Rank(kind: 5, node: node)
        case .unsuitable(let node, .board, _): Rank(kind: 6, node: node)
        case .failed(let node, _): Rank(kind: 7, node: node)
        // Both ends of a cut link live, which counts before what one of them concludes from its silence.
        case .cut(let low, let high, _): Rank(kind: 8, node: low, other: high)
        case .lost(let node, _): Rank(kind: 9, node: node)
        case .alone: Rank(kind: 10, node: 0)
        }
    }
}

extension MachineEnd {
    package init(_ loss: Watch.Loss) {
        self =
            switch loss {
            case .node(let node, let reason): .lost(node: node, why: "\(reason)")
            case .link(let low, let high, let reason): .cut(low, high, why: "\(reason)")
            case .alone(let reason): .alone(why: "\(reason)")
            }
    }
}

/// What a node lacks for its part of the machine.
package enum Unsuitability: UInt8, Sendable, Equatable {
    /// A time-stamp counter that one guest clock can follow.
    case clock = 0
    /// Memory for what it lends and what that needs beside itself.
    case memory
    /// Processors, or a share of the memory, that fit into one machine with the other boards'.
    case board
}
