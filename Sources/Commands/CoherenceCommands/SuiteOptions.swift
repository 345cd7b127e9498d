import Contract
import ArgumentParser
import CommandParsing
import Coherence
import CoherenceSimulation

/// What is run on several protocols or policies: every pattern, and recorded traces.
struct SuiteOptions: ParsableArguments {
    @Option(in: 1...Trace.maximumProcessors, help: "Processors of each pattern.")
    var processors = 16

    @Option(help: ArgumentHelp(
        "Also every trace in this folder, NAME.trace or NAME.trace.xz; on more nodes than it has processors a trace is left out.",
        valueName: "folder"))
    var traces: String?

    func load() throws -> [NamedTrace] {
        let patterns = Workload.allCases.map { NamedTrace(name: $0.rawValue, trace: $0.trace(processors: processors)) }
        return patterns + (try traces.map(TraceFile.readAll) ?? [])
    }

    /// Node counts separated by commas.
    func nodeCounts(_ text: String) throws -> [Int] {
        let counts = text.split(separator: ",").map { Int($0) ?? 0 }
        let most = min(processors, NodeID.limit)
        guard !counts.isEmpty, counts.allSatisfy({ (1...most).contains($0) }) else {
            throw CommandError(.usage, "--nodes \(text): give numbers from 1 to \(most), separated by commas")
        }
        return counts
    }
}

extension ComparisonRow {
    /// Every trace on the engine and every published protocol, on as many nodes as it has processors for.
    static func all(_ traces: [NamedTrace], nodes: [Int], network: NetworkModel) throws -> [ComparisonRow] {
        try traces.flatMap { named in
            try nodes.filter { $0 <= named.trace.processors.count }.flatMap { count in
                let bound = TransferBound.stall(named.trace, nodes: count, network: network)
                return try ([.engine(.all)] + SimulatedProtocol.baselines).map { kind in
                    ComparisonRow(
                        workload: named.name, network: network.name, nodes: count, name: kind.name, bound: bound,
                        try Comparison.run(kind, named.trace, nodes: count, network: network))
                }
            }
        }
    }
}
