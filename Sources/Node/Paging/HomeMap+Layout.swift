import Coherence
import Machine

extension HomeMap {
    /// Each piece of the machine's memory is at home on the node that lends it.
    init(_ layout: MachineLayout) throws(Invalid) {
        try self.init(
            layout.memory.map { piece in
                Range(
                    first: PageNumber(containing: piece.start.rawValue), count: UInt32(piece.size / UInt64(PageNumber.size)),
                    home: NodeID(of: piece.node))
            })
    }
}
