import Contract
import ArgumentParser
import Coherence
import CoherenceSimulation
import Foundation
import Testing

@testable import CoherenceCommands

/// The traces of real programs in Benchmarks/traces.
@Suite struct RecordedTraceTests {
    /// How much of each trace runs: an optimised build runs all of it.
    #if DEBUG
    private static let accesses = 3_000
    #else
    private static let accesses = Int.max
    #endif
    static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appendingPathComponent("Benchmarks/traces").path

    @Test func everyTraceIsReadAndRunsOnEveryProtocol() throws {
        let text = try String(contentsOfFile: Self.folder + "/README.md", encoding: .utf8)
        let traces = try TraceFile.readAll(in: Self.folder)
        #expect(traces.map(\.name) == ["heat", "pigz", "sort", "sqlite"])
        for named in traces {
            // The README's table is about these files.
            let row = try #require(text.split(separator: "\n").first { $0.hasPrefix("| \(named.name) |") }, "\(named.name) is missing")
            let cells = row.split(separator: "|").map { $0.filter { $0 != " " } }
            #expect(
                cells[3...5] == ["\(named.trace.processors.count)", "\(named.trace.count)", "\(named.trace.pages)"],
                "\(named.name)")
            let trace = Self.beginning(of: named.trace)
            for kind in [.engine(.all), .engine(.none)] + SimulatedProtocol.baselines {
                for nodes in Set([2, min(8, trace.processors.count)]) {
                    let result = try Comparison.run(kind, trace, nodes: nodes, network: .gigabitEthernet)
                    #expect(result.accesses == UInt64(trace.count) && result.remoteFaults > 0, "\(named.name), \(kind), \(nodes) nodes")
                }
            }
        }
    }

    @Test func compareTakesAFolderOfTraces() throws {
        let folder = NSTemporaryDirectory() + "/vsmp-traces-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: false)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        #expect(throws: CommandError.self) { try TraceFile.readAll(in: folder) }
        try "# vsmp-trace 1\n0 0 w 7\n9 1 r 7\n".write(toFile: folder + "/two.trace", atomically: false, encoding: .utf8)
        let parsed = try CoherenceRootCommand.parseAsRoot(["compare", "--processors", "4", "--traces", folder])
        let traces = try #require(parsed as? CompareCommand).suite.load()
        #expect(traces.map(\.name) == Workload.allCases.map(\.rawValue) + ["two"])
        // A trace of two processors does not run on four nodes.
        let rows = try ComparisonRow.all(traces.suffix(1), nodes: [2, 4], network: .gigabitEthernet)
        #expect(rows.map(\.nodes) == [2, 2, 2, 2] && rows.allSatisfy { $0.workload == "two" })
    }

    @Test func aDamagedCompressedFileIsNamed() throws {
        let file = NSTemporaryDirectory() + "/vsmp-" + UUID().uuidString + ".trace.xz"
        defer { try? FileManager.default.removeItem(atPath: file) }
        try "not compressed".write(toFile: file, atomically: false, encoding: .utf8)
        do {
            _ = try TraceFile.read(file)
            Issue.record("it was decompressed")
        } catch let error as CommandError {
            #expect(error.status == .badInput && error.text.contains(file))
        }
    }

    /// The first accesses, in equal numbers for each processor that has so many.
    private static func beginning(of trace: Trace) -> Trace {
        let each = accesses / trace.processors.count
        return Trace(processors: trace.processors.map { Array($0.prefix(each)) }).renumbered()
    }
}
