import Contract
import ArgumentParser
import CommandParsing
import Coherence
import CoherenceSimulation

struct AblationCommand: ParsableCommand {
    static var configuration: CommandConfiguration {
        CommandConfiguration(
            commandName: "ablation", abstract: "Run every pattern with each policy alone and with all but each: what a policy is worth.",
            discussion: """
                The table has the stall time relative to that with all policies. Below it each policy's best and worst workload, and \
                the policies that win nowhere.
                """)
    }

    @Option(in: 2...NodeID.limit, help: "Nodes.")
    var nodes = 8

    @Option(help: NetworkChoice.help)
    var network = NetworkChoice.known(.gigabitEthernet)

    @Option(in: 1...100, unit: "percent", help: "Percent of the other nodes' pages that a node may hold.")
    var cachePercent = 100

    @OptionGroup var suite: SuiteOptions

    @Flag(help: "Print JSON.")
    var json = false

    func run() throws {
        try reportingErrors {
            let most = min(suite.processors, NodeID.limit)
            guard nodes <= most else { throw CommandError(.usage, "--nodes \(nodes): give 2 to \(most)") }
            let ablation = try Ablation(try suite.load(), nodes: nodes, network: try network.load(), cachePercent: cachePercent)
            if json { return try printJSON(ablation) }
            ablation.printTable()
        }
    }
}
