import CoherenceSimulation
import Foundation
internal import Platform

/// A run, as tables and JSON show it.
struct ComparisonRow: Codable {
    var workload: String
    var network: String
    var nodes: Int
    var name: String
    var remoteFaults: UInt64
    var messages: UInt64
    var bytes: UInt64
    var stallNanoseconds: UInt64
    var timeNanoseconds: UInt64
    /// No protocol that moves whole pages has less stall time (``TransferBound``).
    var boundNanoseconds: UInt64

    enum CodingKeys: String, CodingKey {
        case workload, network, nodes, messages, bytes
        case name = "protocol"
        case remoteFaults = "remote_faults"
        case stallNanoseconds = "stall_ns"
        case timeNanoseconds = "time_ns"
        case boundNanoseconds = "stall_bound_ns"
    }

    init(workload: String, network: String, nodes: Int, name: String, bound: UInt64, _ result: SimulationResult) {
        self.workload = workload
        self.network = network
        self.nodes = nodes
        self.name = name
        remoteFaults = result.remoteFaults
        messages = result.messages
        bytes = result.bytes
        stallNanoseconds = result.stall
        timeNanoseconds = result.time
        boundNanoseconds = bound
    }

    static func printTable(_ rows: [ComparisonRow]) {
        StandardOutput.print("workload            nodes  protocol      remote faults   messages       MiB   stall ms    time ms")
        for row in rows {
            let figures = [
                pad(row.workload, 18, left: true), pad("\(row.nodes)", 6), " " + pad(row.name, 13, left: true),
                pad("\(row.remoteFaults)", 13), pad("\(row.messages)", 10), pad(decimal(Double(row.bytes) / 1_048_576), 9),
                pad(decimal(Double(row.stallNanoseconds) / 1e6), 10), pad(decimal(Double(row.timeNanoseconds) / 1e6), 10),
            ]
            StandardOutput.print(figures.joined(separator: " "))
        }
    }

    /// The best published protocol's stall time over the engine's, and that protocol.
    static func ratio(_ runs: [ComparisonRow]) -> (value: Double, best: String, bound: Double)? {
        guard let own = runs.first(where: { $0.name == "vsmp" }),
            let best = runs.filter({ $0.name != "vsmp" }).min(by: { $0.stallNanoseconds < $1.stallNanoseconds }),
            own.stallNanoseconds > 0, best.stallNanoseconds > 0
        else { return nil }
        let stall = Double(best.stallNanoseconds)
        return (stall / Double(own.stallNanoseconds), best.name, stall / Double(own.boundNanoseconds))
    }

    /// The workloads in the order of the rows.
    static func workloads(_ rows: [ComparisonRow]) -> [String] {
        rows.reduce(into: []) { names, row in
            if !names.contains(row.workload) { names.append(row.workload) }
        }
    }

    /// Each workload's ratio, and their geometric mean.
    static func printSummary(_ rows: [ComparisonRow], nodes: Int) {
        var ratios: [Double] = []
        StandardOutput.print("\n\(nodes) nodes: stall time of the best published protocol / the engine's; / the least of any protocol that moves whole pages")
        for workload in workloads(rows) {
            guard let (ratio, best, bound) = ratio(rows.filter({ $0.workload == workload })) else { continue }
            ratios.append(ratio)
            let most = bound.isFinite ? decimal(bound, digits: 2) : "-"
            StandardOutput.print("  \(pad(workload, 18, left: true)) \(pad(decimal(ratio, digits: 2), 8))  \(pad("(\(best))", 14, left: true)) \(pad(most, 8))")
        }
        guard let mean = geometricMean(ratios) else { return }
        StandardOutput.print("  \(pad("geometric mean", 18, left: true)) \(pad(decimal(mean, digits: 2), 8))")
    }
}
