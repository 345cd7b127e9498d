import Coherence

/// What no protocol that moves whole pages can go below, even one that knows the whole trace ahead and never waits for an answer.
public enum TransferBound {
    /// Stall time of all processors, in nanoseconds, when nothing is waited for but the receiving ports: every page a node uses in a state it does not hold
    /// comes in once, and a node's processors together run and wait for at least as long as its port is busy, each.
    ///
    /// The accesses are taken in the order of the trace's barriers, then of its times. A fresh page costs its first user nothing, and any holder can send.
    public static func stall(_ trace: Trace, nodes: Int, network: NetworkModel) -> UInt64 {
        let processors = trace.processors.count
        let slice = (trace.pages + nodes - 1) / nodes
        var holders = Array(repeating: NodeSet(), count: trace.pages)
        for (page, isRead) in trace.readFirst.enumerated() where isRead { holders[page].insert(NodeID(UInt8(page / slice))) }
        var arrivals = Array(repeating: UInt64(0), count: nodes)
        for (processor, access) in inOrder(trace) {
            let (page, node) = (Int(access.page), processor * nodes / processors)
            if !holders[page].isEmpty, !holders[page].contains(NodeID(UInt8(node))) { arrivals[node] += 1 }
            if access.kind.isWrite { holders[page] = NodeSet() }
            holders[page].insert(NodeID(UInt8(node)))
        }
        let occupancy = network.occupancy(bytes: PageNumber.size)
        return (0..<nodes).reduce(0) { sum, node in
            let own = trace.processors.indices.filter { $0 * nodes / processors == node }
            let runs = own.reduce(0) { $0 + (trace.processors[$1].last?.time ?? 0) }
            let busy = arrivals[node] * occupancy * UInt64(own.count)
            return sum + (busy > runs ? busy - runs : 0)
        }
    }

    private static func inOrder(_ trace: Trace) -> [(processor: Int, access: Access)] {
        var rounds: [[(processor: Int, access: Access)]] = []
        for (processor, list) in trace.processors.enumerated() {
            for (round, part) in list.split(omittingEmptySubsequences: false, whereSeparator: { $0.kind == .barrier }).enumerated() {
                if round == rounds.count { rounds.append([]) }
                rounds[round] += part.map { (processor, $0) }
            }
        }
        return rounds.flatMap { $0.sorted { ($0.access.time, $0.processor) < ($1.access.time, $1.processor) } }
    }
}
