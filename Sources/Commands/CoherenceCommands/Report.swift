import Coherence
import CoherenceSimulation

/// The document of results and its plots: what `docs/coherence-results.md` is made of. Equal input gives equal bytes.
struct Report {
    struct File: Equatable {
        var name: String
        var text: String
    }

    /// How a figure of a run is called and shown.
    private static let figures: [(title: String, what: String, show: @Sendable (ComparisonRow) -> String)] = [
        ("Stall time", "Milliseconds that processors waited for pages, all processors together.", { decimal(Double($0.stallNanoseconds) / 1e6) }),
        ("Remote faults", "Accesses that had to wait for another node.", { "\($0.remoteFaults)" }),
        ("Messages", "Of any kind, between nodes.", { "\($0.messages)" }),
        ("Bytes", "MiB of messages and contents, without frame and transport headers.", { decimal(Double($0.bytes) / 1_048_576) }),
    ]

    static let plottedNodes = 8
    /// Tables of single runs, and the ablation, are of this network.
    static let network = NetworkModel.gigabitEthernet

    private let nodes: [Int]
    private let protocols: [String]
    /// By network, in the order of `NetworkModel.all`.
    private let rows: [(network: String, rows: [ComparisonRow])]
    private let ablation: Ablation
    /// The same where pages have to be put out.
    private let tightAblation: Ablation

    init(_ traces: [NamedTrace], nodes: [Int]) throws {
        self.nodes = nodes
        protocols = ([.engine(.all)] + SimulatedProtocol.baselines).map(\.name)
        rows = try NetworkModel.all.map { ($0.name, try ComparisonRow.all(traces, nodes: nodes, network: $0)) }
        let most = min(Self.plottedNodes, nodes.max() ?? 2)
        ablation = try Ablation(traces, nodes: most, network: Self.network)
        tightAblation = try Ablation(traces, nodes: most, network: Self.network, cachePercent: 30)
    }

    /// The document, and a plot for each network.
    ///
    /// - Parameter command: what makes the document anew, as the document says.
    func files(command: String) -> [File] {
        [File(name: "coherence-results.md", text: document(command: command))]
            + rows.map { File(name: Self.plotName($0.network), text: plot($0.network, $0.rows)) }
    }

    private static func plotName(_ network: String) -> String { "coherence-stall-\(network).svg" }

    // MARK: The document

    private func document(command: String) -> String {
        var parts = [
            """
            # Results of the coherence simulation

            Made by

                \(command)

            and not by hand: what is simulated, on which networks and beside which protocols says \
            [coherence-simulation.md](coherence-simulation.md). The same source gives the same figures. A trace that was recorded runs \
            on as many nodes as it has processors for ([Benchmarks/traces](../Benchmarks/traces/README.md)).

            """
        ]
        parts.append("## Summary\n\nStall time of the best published protocol divided by the engine's, the geometric mean of all workloads; "
            + "above 1 the engine is better. In brackets the lowest.\n")
        parts.append(table(["network"] + nodes.map { "\($0) nodes" }, rows.map { network, rows in
            [network] + nodes.map { count in summary(ratios(rows, nodes: count).map(\.value)) }
        }))
        parts.append("## Ratios\n\nThe same for each workload over \(Self.network.name).\n")
        let main = rows.first { $0.network == Self.network.name }?.rows ?? []
        let workloads = ComparisonRow.workloads(main)
        let byNodes = nodes.map { count in
            Dictionary(ratios(main, nodes: count).map { ($0.workload, "\(decimal($0.value, digits: 2)) (\($0.best))") }, uniquingKeysWith: { first, _ in first })
        }
        parts.append(table(["workload"] + nodes.map { "\($0) nodes" }, workloads.map { name in [name] + byNodes.map { $0[name] ?? "" } }))
        parts.append("## Plots\n\nStall time at \(Self.plottedNodes) nodes, logarithmic; the number below the bars is the ratio above.\n")
        parts += rows.map { "![stall time by protocol over \($0.network)](\(Self.plotName($0.network)))\n" }
        for figure in Self.figures {
            parts.append("## \(figure.title)\n\n\(figure.what) Over \(Self.network.name).\n")
            parts.append(table(["workload", "nodes"] + protocols, runs(main, workloads).map { runs in
                [runs[0].workload, "\(runs[0].nodes)"] + protocols.map { name in runs.first { $0.name == name }.map(figure.show) ?? "" }
            }))
        }
        parts.append(ablationSection)
        return parts.joined(separator: "\n") + "\n"
    }

    private var ablationSection: String {
        var text = "## Ablation\n\n\(ablation.nodes) nodes over \(ablation.network): stall time relative to that with all policies; above 1 is slower.\n\n"
        text += table(["policies"] + ablation.workloads + ["geometric mean"], ablation.rows.map { row in
            [row.name] + (row.ratios + [row.geometricMean]).map { decimal($0, digits: 2) }
        })
        text += "\nStall time without the policy divided by that with it; above 1 it helps:\n\n"
        text += ablation.sentences.map { "- \($0)\n" }.joined()
        text += "\nThe same where a node may hold \(tightAblation.cachePercent)% of the other nodes' pages:\n\n"
        text += tightAblation.sentences.map { "- \($0)\n" }.joined()
        return text + "\n" + Ablation.losers([ablation, tightAblation])
    }

    /// The protocols' runs of each workload on each number of nodes.
    private func runs(_ rows: [ComparisonRow], _ workloads: [String]) -> [[ComparisonRow]] {
        workloads.flatMap { name in nodes.map { count in rows.filter { $0.workload == name && $0.nodes == count } } }.filter { !$0.isEmpty }
    }

    private func ratios(_ rows: [ComparisonRow], nodes: Int) -> [(workload: String, value: Double, best: String)] {
        ComparisonRow.workloads(rows).compactMap { name in
            ComparisonRow.ratio(rows.filter { $0.workload == name && $0.nodes == nodes }).map { (name, $0.value, $0.best) }
        }
    }

    private func summary(_ ratios: [Double]) -> String {
        guard let mean = geometricMean(ratios), let least = ratios.min() else { return "" }
        return "\(decimal(mean, digits: 2)) (\(decimal(least, digits: 2)))"
    }

    private func table(_ titles: [String], _ rows: [[String]]) -> String {
        ([titles, titles.map { _ in "---" }] + rows).map { "| \($0.joined(separator: " | ")) |\n" }.joined()
    }

    // MARK: Plots

    private func plot(_ network: String, _ rows: [ComparisonRow]) -> String {
        let rows = rows.filter { $0.nodes == Self.plottedNodes }
        return BarChart(
            title: "Time that processors wait for pages: \(Self.plottedNodes) nodes, \(network)",
            subtitle: "lower is better; bold: best published protocol / vsmp, above 1 vsmp is better",
            valueAxis: "stall time, ms (logarithmic)", groupAxis: "workload", series: protocols,
            groups: ComparisonRow.workloads(rows).map { name in
                let runs = rows.filter { $0.workload == name }
                return BarChart.Group(
                    name: name, note: ComparisonRow.ratio(runs).map { decimal($0.value, digits: 2) } ?? "",
                    values: protocols.map { name in runs.first { $0.name == name }.map { Double($0.stallNanoseconds) / 1e6 } })
            }
        ).svg
    }
}
