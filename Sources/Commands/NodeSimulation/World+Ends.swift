import Contract
import Interconnect
import Node

/// How a process ended by itself.
enum Outcome {
    case mesh(MeshError)
    case machine(MachineEnd)
}

/// What the board's first process does when `vsmpd` has ended.
extension World {
    func end(_ node: SimulatedNode, _ outcome: Outcome) {
        let board = node.board
        say(board.index, "vsmpd ends: \(outcome)")
        judge.ended(node, outcome, self)
        vacate(board)
        switch outcome {
        case .mesh(.otherFirmware(let hash, _)):
            board.firmware = Firmware.all.firstIndex { $0.hash == hash } ?? 0
            cutPower(board.index)
            post(.power(board.index, true), at: now + .second)
        case .mesh: rejoin(board)
        case .machine(let end):
            switch end.exitStatus {
            case .guestReboot: post(.start(board.index), at: now + 50 * .millisecond)
            case .nodeLost, .internalError: rejoin(board)
            default:
                board.isFinished = true
                // What was said last still leaves.
                post(.power(board.index, false), at: now + 500 * .millisecond)
            }
        }
    }

    /// `vsmpd rejoin` waits longer each time.
    private func rejoin(_ board: Board) {
        post(.start(board.index), at: now + min(60, 1 << Time(board.rejoins)) * .second)
        board.rejoins += 1
    }
}
