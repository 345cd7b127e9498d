import ArgumentParser
import BoardSupport
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

    @Option(help: "Nodes.")
    var nodes = 8

    @Option(help: NetworkChoice.help)
    var network = NetworkChoice.known(.gigabitEthernet)

    @OptionGroup var suite: SuiteOptions

    @Flag(help: "Print JSON.")
    var json = false

    func run() throws {
        try reportingErrors {
            let most = min(suite.processors, NodeID.limit)
            guard nodes >= 2, nodes <= most else { throw CommandError(.usage, "--nodes \(nodes): give 2 to \(most)") }
            let ablation = try Ablation(try suite.load(), nodes: nodes, network: try network.load())
            if json { return try printJSON(ablation) }
            ablation.printTable()
        }
    }
}
