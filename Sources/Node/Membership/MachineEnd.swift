import Bytes
package import Contract

/// How the one machine ended, as every node sees it.
package enum MachineEnd: Sendable, Equatable {
    /// A node refuses the machine's licence; nothing was lent.
    case refused
    case poweredOff
    /// The guest restarted so many times in a row before it reached user space: another start would only end the same.
    case guestFailed(resets: Int)
    case reboot
    /// A processor or a node's own hypervisor gave up.
    case failed(node: NodeIndex, why: String)
    /// A node died or its link was cut.
    case lost(node: NodeIndex, why: String)

    package var exitStatus: ExitStatus {
        switch self {
        case .refused: .licenceRefused
        case .poweredOff: .success
        case .guestFailed: .guestFailed
        case .reboot: .guestReboot
        case .lost: .nodeLost
        case .failed: .internalError
        }
    }

    /// Which of several causes counts: the lowest, the same on every node. What was said of a cause is no part of it.
    struct Rank: Comparable, Hashable {
        var kind: Int
        var node: NodeIndex

        static func < (a: Rank, b: Rank) -> Bool { (a.kind, a.node) < (b.kind, b.node) }
    }

    var rank: Rank {
        switch self {
        case .refused: Rank(kind: 0, node: 0)
        case .poweredOff: Rank(kind: 1, node: 0)
        case .guestFailed: Rank(kind: 2, node: 0)
        case .reboot: Rank(kind: 3, node: 0)
        case .failed(let node, _): Rank(kind: 4, node: node)
        case .lost(let node, _): Rank(kind: 5, node: node)
        }
    }
}
