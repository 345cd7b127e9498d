import Coherence
import CoherenceSimulation
internal import Platform

/// What each policy is worth: every trace with no policies, each alone, all but each, and all.
struct Ablation: Codable {
    /// One set of policies on every workload.
    struct Row: Codable {
        var name: String
        /// Stall time relative to that with all policies, in the order of `workloads`; above 1 the set is slower.
        var ratios: [Double]
        var geometricMean: Double

        enum CodingKeys: String, CodingKey {
            case name, ratios
            case geometricMean = "geometric_mean"
        }
    }

    /// A workload, and the stall time without a policy over that with it.
    struct Place: Codable {
        var workload: String
        var ratio: Double
    }

    struct Verdict: Codable {
        var policy: String
        /// Where leaving the policy out costs most, and where it gains most or costs least.
        var best: Place
        var worst: Place
        /// Where it gains most when no other policy is on.
        var bestAlone: Place

        /// Neither leaving it out nor having it alone shows a gain of 1% anywhere.
        var winsNowhere: Bool { best.ratio < 1.01 && bestAlone.ratio < 1.01 }

        enum CodingKeys: String, CodingKey {
            case policy, best, worst
            case bestAlone = "best_alone"
        }
    }

    var network: String
    var nodes: Int
    /// Percent of the other nodes' pages that a node may hold.
    var cachePercent: Int
    var workloads: [String]
    var rows: [Row]
    var verdicts: [Verdict]

    enum CodingKeys: String, CodingKey {
        case network, nodes, workloads, rows, verdicts
        case cachePercent = "cache_percent"
    }

    /// Traces of fewer processors than nodes, and those that wait for no page, are left out.
    init(_ traces: [NamedTrace], nodes: Int, network: NetworkModel, cachePercent: Int = 100) throws {
        let policies = PolicySet.list.map(\.policy)
        let sets: [(name: String, policies: PolicySet)] =
            [("none", .none)] + policies.map { ("only \($0)", $0) } + policies.map { ("all but \($0)", PolicySet.all.subtracting($0)) }
            + [("all", .all)]
        var workloads: [String] = []
        var columns: [[Double]] = []
        for named in traces where named.trace.processors.count >= nodes {
            let stalls = try sets.map { set in
                Double(try Comparison.run(.engine(set.policies), named.trace, nodes: nodes, network: network, cachePercent: cachePercent).stall)
            }
            guard let whole = stalls.last, whole > 0 else { continue }
            workloads.append(named.name)
            columns.append(stalls.map { $0 / whole })
        }
        self.network = network.name
        self.nodes = nodes
        self.cachePercent = cachePercent
        self.workloads = workloads
        rows = sets.indices.map { index in
            let ratios = columns.map { $0[index] }
            return Row(name: sets[index].name, ratios: ratios, geometricMean: CoherenceCommands.geometricMean(ratios) ?? 1)
        }
        verdicts = []
        for (index, name) in PolicySet.names.enumerated() {
            // The sets are none, each alone, all but each, all.
            let worth = columns.map { $0[1 + policies.count + index] }
            let alone = columns.map { $0[0] / $0[1 + index] }
            func place(_ values: [Double], _ isBetter: (Double, Double) -> Bool) -> Place? {
                values.indices.reduce(nil as Int?) { best, next in best.map { isBetter(values[next], values[$0]) ? next : $0 } ?? next }
                    .map { Place(workload: workloads[$0], ratio: values[$0]) }
            }
            guard let best = place(worth, >), let worst = place(worth, <), let bestAlone = place(alone, >) else { continue }
            verdicts.append(Verdict(policy: name, best: best, worst: worst, bestAlone: bestAlone))
        }
    }

    /// One sentence a policy.
    var sentences: [String] {
        verdicts.map { verdict in
            func times(_ place: Place) -> String { "\(place.workload) (\(decimal(place.ratio, digits: 2)))" }
            var text = "\(verdict.policy): "
            text += verdict.best.ratio >= 1.01 ? "worth most in \(times(verdict.best))" : "worth nothing beside the others"
            text += verdict.worst.ratio <= 0.99 ? ", hurts most in \(times(verdict.worst))" : ", hurts nowhere"
            if verdict.bestAlone.ratio >= 1.01 { text += "; alone worth most in \(times(verdict.bestAlone))" }
            return text
        }
    }

    /// The policies that win nowhere, in words.
    var losers: String { Self.losers([self]) }

    /// Those that win in none of several.
    static func losers(_ ablations: [Ablation]) -> String {
        let names = PolicySet.names.filter { name in
            ablations.allSatisfy { $0.verdicts.contains { $0.policy == name && $0.winsNowhere } }
        }
        return "Policies that win nowhere, neither alone nor beside the others: \(names.isEmpty ? "none" : names.joined(separator: ", "))."
    }

    func printTable() {
        StandardOutput.print("\(nodes) nodes, \(network), cache of \(cachePercent)%: stall time relative to that with all policies; above 1 is slower\n")
        let first = rows.reduce(0) { max($0, $1.name.count) }
        let titles = workloads + ["geometric mean"]
        StandardOutput.print(pad("", first, left: true) + titles.map { "  " + pad($0, 6) }.joined())
        for row in rows {
            let cells = zip(titles, row.ratios + [row.geometricMean]).map { "  " + pad(decimal($1, digits: 2), max(6, $0.count)) }
            StandardOutput.print(pad(row.name, first, left: true) + cells.joined())
        }
        StandardOutput.print("\nStall time without the policy / with it; above 1 it helps:")
        for sentence in sentences { StandardOutput.print("  \(sentence)") }
        StandardOutput.print("\n\(losers)")
    }
}
