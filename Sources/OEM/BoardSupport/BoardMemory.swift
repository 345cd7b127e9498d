/// How the memory of a board divides in machines of several sizes, by the second-level paging of its processors: what `vsmp board show` and
/// `vsmp board lint --memory` print.
public struct BoardMemory: Sendable, Codable {
    public struct Row: Sendable, Codable {
        /// Boards of the machine, all like this one.
        public var boards: Int
        public var paging: String
        /// Nil where the board does not hold even the least slice.
        public var division: MemoryDivision?
        /// Why not.
        public var shortage: String?
    }

    static let machines = [1, 2, 4, 8, 16]

    public let physicalMiB: Int
    public let rows: [Row]

    public init(_ board: Board) {
        physicalMiB = board.memory.minimumMiB
        rows = Self.pagings(of: board).flatMap { paging, kernel in
            Self.machines.map { boards in
                do throws(MemoryShortage) {
                    return Row(boards: boards, paging: paging, division: try MemoryDivision(Self.demand(board, boards, kernel)))
                } catch {
                    return Row(boards: boards, paging: paging, shortage: "\(error)")
                }
            }
        }
    }

    /// A line for each machine.
    public var text: String {
        var text = "memory: minimum-mib <\(physicalMiB)> = firmware + slice + cache, in MiB, in machines of boards like this\n"
        for row in rows {
            text += "  \(row.boards) board(s), \(row.paging): "
            text += row.division.map { "\($0.firmwareMiB) + \($0.sliceMiB) + \($0.cacheMiB)" } ?? "does not hold: \(row.shortage ?? "")"
            text += "\n"
        }
        return text
    }

    /// What the least machine of several boards lacks, and the memory with which it lacks nothing; nil when it holds.
    static func shortage(of board: Board) -> (MemoryShortage, leastMiB: Int)? {
        for (_, kernel) in pagings(of: board) {
            var demand = demand(board, 2, kernel)
            if let first = demand.leastShortage {
                while let asked = demand.leastShortage?.asked { demand.physicalMiB = asked.neededMiB + asked.sliceMiB + asked.cacheMiB }
                return (first, demand.physicalMiB)
            }
        }
        return nil
    }

    private static func demand(_ board: Board, _ boards: Int, _ kernel: MemoryBudget.KernelBytes) -> MemoryDivision.Demand {
        .init(physicalMiB: board.memory.minimumMiB, reserveMiB: board.memory.firmwareReserveMiB, nodes: boards, kernel: kernel)
    }

    /// AMD's processors shadow (`npt=0`), Intel's have EPT.
    private static func pagings(of board: Board) -> [(String, MemoryBudget.KernelBytes)] {
        (board.virtualization.amdKernelModules.isEmpty ? [] : [("AMD", .shadowPaging)])
            + (board.virtualization.intelKernelModules.isEmpty ? [] : [("Intel", .extendedPaging)])
    }
}

extension Board {
    /// What a node of this board is asked for, with the second-level paging that takes most memory of those that the board may have.
    public func memoryDemand(nodes: Int, sliceMiB: Int?, cacheMiB: Int?) -> MemoryDivision.Demand {
        MemoryDivision.Demand(
            physicalMiB: memory.minimumMiB, reserveMiB: memory.firmwareReserveMiB, nodes: nodes, sliceMiB: sliceMiB, cacheMiB: cacheMiB,
            kernel: virtualization.amdKernelModules.isEmpty ? .extendedPaging : .shadowPaging)
    }
}
