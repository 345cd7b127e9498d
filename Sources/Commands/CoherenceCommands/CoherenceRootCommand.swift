internal import Contract
package import ArgumentParser
import CommandParsing
import Coherence
import CoherenceSimulation
import Foundation
internal import Platform

/// `vsmp-coherence`: the coherence engine beside published protocols, on traces of what programs do to memory, and its checks.
package struct CoherenceRootCommand: ParsableCommand {
    package static var configuration: CommandConfiguration {
        CommandConfiguration(
            commandName: "vsmp-coherence",
            abstract: "Simulate the coherence engine and published protocols on the same traces, and check the engine.",
            discussion: "docs/coherence-simulation.md, docs/coherence.md",
            version: "vsmp-coherence \(SDKVersion.text)",
            subcommands: [
                SimulateCommand.self, CompareCommand.self, AblationCommand.self, ReportCommand.self, WorkloadCommand.self,
                CheckCommand.self, SoakCommand.self, CalibrateCommand.self,
            ])
    }

    package init() {}
}

/// What to run: a file, or a pattern.
struct TraceOptions: ParsableArguments {
    @Option(help: "A trace file (docs/trace-format.md); one named *.xz is decompressed, - reads standard input.")
    var trace: String?

    @Option(help: "A pattern instead of a file: \(Workload.allCases.map(\.rawValue).joined(separator: ", ")).")
    var workload: Workload?

    @Option(in: 1...Trace.maximumProcessors, help: "Processors of the pattern.")
    var processors = 16

    @Option(in: 0...UInt64.max, help: "Decides what is random in the pattern.")
    var seed: UInt64 = 1

    mutating func validate() throws {
        guard (trace == nil) != (workload == nil) else { throw ValidationError("give either --trace FILE or --workload NAME") }
    }

    func load() throws -> Trace {
        if let workload { return workload.trace(processors: processors, seed: seed) }
        guard let trace else { throw ExitCode(ExitStatus.usage.rawValue) }
        return try TraceFile.read(trace)
    }
}

struct SimulateCommand: ParsableCommand {
    static var configuration: CommandConfiguration {
        CommandConfiguration(commandName: "simulate", abstract: "Run one trace on one protocol.")
    }

    @OptionGroup var input: TraceOptions

    @Option(in: 1...NodeID.limit, help: "Nodes; the trace's processors are dealt out to them in equal, adjacent groups.")
    var nodes = 2

    @Option(help: NetworkChoice.help)
    var network = NetworkChoice.known(.gigabitEthernet)

    @Option(name: .customLong("protocol"), help: "vsmp, ivy-fixed, ivy-dynamic or home-msi.")
    var kind: SimulatedProtocol = .engine(.all)

    @Option(help: "Policies of vsmp: \(PolicySet.help).")
    var policies: String?

    @Option(in: 1...100, unit: "percent", help: "Percent of the other nodes' pages that a node of vsmp may hold.")
    var cachePercent = 100

    @Flag(help: "Print JSON.")
    var json = false

    mutating func validate() throws {
        guard let policies else { return }
        guard case .engine = kind else { throw ValidationError("--policies is for --protocol vsmp") }
        do { kind = .engine(try PolicySet(parsing: policies)) } catch { throw ValidationError("\(error)") }
    }

    func run() throws {
        try reportingErrors {
            let row = try row()
            if json { try printJSON(row) } else { ComparisonRow.printTable([row]) }
        }
    }

    func row() throws -> ComparisonRow {
        let trace = try input.load()
        // More nodes than the trace has processors would leave nodes idle.
        guard nodes <= trace.processors.count else {
            throw CommandError(.badInput, "the trace has \(trace.processors.count) processors: give at most so many --nodes")
        }
        let network = try network.load()
        return ComparisonRow(
            workload: input.workload?.rawValue ?? input.trace ?? "", network: network.name, nodes: nodes, name: kind.name,
            bound: TransferBound.stall(trace, nodes: nodes, network: network),
            try Comparison.run(kind, trace, nodes: nodes, network: network, cachePercent: cachePercent))
    }
}

struct CompareCommand: ParsableCommand {
    static var configuration: CommandConfiguration {
        CommandConfiguration(
            commandName: "compare", abstract: "Run every pattern, and recorded traces, on the engine and every published protocol, in one table.")
    }

    @Option(help: "Nodes, separated by commas.")
    var nodes: String = "2,4,8,16"

    @Option(help: NetworkChoice.help)
    var network = NetworkChoice.known(.gigabitEthernet)

    @OptionGroup var suite: SuiteOptions

    @Option(
        help: ArgumentHelp(
            "End with status 1 when the best published protocol's stall time is less than this times the engine's in any workload.",
            valueName: "ratio"))
    var least: Double?

    @Flag(help: "Print JSON.")
    var json = false

    mutating func validate() throws {
        if let least, !(least > 0 && least.isFinite) { throw ValidationError("--least \(least): give a ratio above 0") }
    }

    func run() throws {
        try reportingErrors {
            let counts = try suite.nodeCounts(nodes)
            let rows = try ComparisonRow.all(try suite.load(), nodes: counts, network: try network.load())
            if json {
                try printJSON(rows)
            } else {
                ComparisonRow.printTable(rows)
                for count in counts { ComparisonRow.printSummary(rows.filter { $0.nodes == count }, nodes: count) }
            }
            if let least { try require(least, rows, counts) }
        }
    }

    private func require(_ least: Double, _ rows: [ComparisonRow], _ counts: [Int]) throws {
        var below: [String] = []
        for count in counts {
            let rows = rows.filter { $0.nodes == count }
            for workload in ComparisonRow.workloads(rows) {
                guard let (ratio, best, _) = ComparisonRow.ratio(rows.filter { $0.workload == workload }), ratio < least else { continue }
                below.append("\(workload) on \(count) nodes has \(decimal(ratio, digits: 2)) of \(best)")
            }
        }
        guard !below.isEmpty else { return }
        let text = "a ratio of \(decimal(least, digits: 2)) is not reached: \(below.joined(separator: "; "))"
        StandardError.print("vsmp-coherence: \(text)")
        throw ExitCode(1)
    }
}

struct WorkloadCommand: ParsableCommand {
    static var configuration: CommandConfiguration {
        CommandConfiguration(commandName: "workload", abstract: "Write the trace of a pattern on standard output.")
    }

    @Argument(help: "\(Workload.allCases.map(\.rawValue).joined(separator: ", ")).")
    var workload: Workload

    @Option(in: 1...Trace.maximumProcessors, help: "Processors.")
    var processors = 16

    @Option(in: 0...UInt64.max, help: "Decides what is random.")
    var seed: UInt64 = 1

    func run() throws {
        StandardOutput.write(Array(workload.trace(processors: processors, seed: seed).text))
    }
}
