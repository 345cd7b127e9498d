package import Contract
package import Platform

/// The private wire between emulated boards. Two boards share one pair of sockets; more are joined by ``FrameSwitch``.
package final class EmulatedNetwork {
    private var ends: [NodeIndex: SharedDescriptor] = [:]
    private let frameSwitch: FrameSwitch?

    package init(boards: Int) throws(LabError) {
        var labEnds: [SharedDescriptor] = []
        if boards == 2 {
            let (first, second) = try labSocketPair()
            ends = [0: first, 1: second]
            frameSwitch = nil
            return
        }
        for node in NodeIndex.all(of: boards) {
            let (boardEnd, labEnd) = try labSocketPair()
            ends[node] = boardEnd
            labEnds.append(labEnd)
        }
        frameSwitch = FrameSwitch(ports: labEnds)
    }

    /// The end that belongs to `node`; each can be taken once.
    package func takeEnd(node: NodeIndex) -> SharedDescriptor {
        guard let end = ends.removeValue(forKey: node) else {
            preconditionFailure("the interconnect end of node \(node) was taken twice")
        }
        return end
    }
}
