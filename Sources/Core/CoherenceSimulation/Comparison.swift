public import Coherence

/// A protocol the simulator can run.
public enum SimulatedProtocol: Equatable, Sendable {
    /// This project's engine with these policies.
    case engine(PolicySet)
    case ivyFixed
    case ivyDynamic
    case msi

    /// The published protocols that the engine is compared with.
    public static let baselines: [SimulatedProtocol] = [.ivyFixed, .ivyDynamic, .msi]

    public var name: String {
        switch self {
        case .engine(.all): "vsmp"
        case .engine(let policies): "vsmp(\(policies))"
        case .ivyFixed: "ivy-fixed"
        case .ivyDynamic: "ivy-dynamic"
        case .msi: "home-msi"
        }
    }
}

/// Runs of one trace.
public enum Comparison {
    /// Runs `trace` on `nodes` nodes.
    ///
    /// Pages are dealt out to the nodes in equal, adjacent slices: the slice's node is the page's home, and in every protocol it has the
    /// page at the start. A page that the trace reads before anyone writes it has contents from the start; any other is fresh, which
    /// only the engine knows.
    ///
    /// - Parameters:
    ///   - nodes: 1 ... 64, at most the trace's processors.
    ///   - cachePercent: how much of the other nodes' pages a node of the engine may hold.
    /// - Throws: ``Broken`` when a protocol breaks its promise; the others in this module find no such.
    public static func run(
        _ kind: SimulatedProtocol, _ trace: Trace, nodes: Int, network: NetworkModel, cachePercent: Int = 100
    ) throws -> SimulationResult {
        precondition((1...NodeID.limit).contains(nodes) && nodes <= trace.processors.count, "a processor for each node")
        let slice = (trace.pages + nodes - 1) / nodes
        let homes = (0..<trace.pages).map { $0 / slice }
        let hold = network.minimumHold
        switch kind {
        case .engine(let policies):
            var ranges: [HomeMap.Range] = []
            for node in 0..<nodes where node * slice < trace.pages {
                let count = min(slice, trace.pages - node * slice)
                ranges.append(HomeMap.Range(first: PageNumber(UInt32(node * slice)), count: UInt32(count), home: NodeID(UInt8(node))))
            }
            let machine = EngineMachine(
                nodes: nodes, homes: try HomeMap(ranges), loaded: trace.readFirst, cachePages: max(8, (trace.pages - slice) * cachePercent / 100), hold: hold,
                processors: trace.processors.count, policies: policies,
                pageTime: network.occupancy(bytes: PageNumber.size + Message.encodedSize))
            return try run(machine, trace, nodes, network)
        case .ivyFixed: return try run(IVY(.fixed, nodes: nodes, homes: homes, hold: hold), trace, nodes, network)
        case .ivyDynamic: return try run(IVY(.dynamic, nodes: nodes, homes: homes, hold: hold), trace, nodes, network)
        case .msi: return try run(HomeMSI(nodes: nodes, homes: homes, hold: hold), trace, nodes, network)
        }
    }

    private static func run(
        _ machine: some PageProtocol, _ trace: Trace, _ nodes: Int, _ network: NetworkModel
    ) throws -> SimulationResult {
        var simulation = Simulation(machine, nodes: nodes, trace: trace, network: network)
        return try simulation.run()
    }
}
