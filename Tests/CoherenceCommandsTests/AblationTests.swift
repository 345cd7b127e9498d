import ArgumentParser
import Coherence
import CoherenceSimulation
import Foundation
import Testing

@testable import CoherenceCommands

@Suite struct AblationTests {
    /// Node 1 reads the pages that node 0 has written, in order.
    private static let scan = NamedTrace(
        name: "scan",
        trace: Trace(processors: [
            (0..<400).map { Access(time: UInt64($0) * 100, page: UInt32($0), kind: .write) },
            (0..<200).map { Access(time: 20_000_000 + UInt64($0) * 100, page: UInt32($0), kind: .read) },
        ]))
    private static let own = NamedTrace(
        name: "own", trace: Trace(processors: [[Access(time: 0, page: 0, kind: .read)], [Access(time: 0, page: 1, kind: .read)]]))

    @Test func everyPolicyIsTakenOutAndTriedAlone() throws {
        let ablation = try Ablation([Self.scan, Self.own], nodes: 2, network: .gigabitEthernet)
        let names = PolicySet.names
        #expect(ablation.rows.map(\.name) == ["none"] + names.map { "only \($0)" } + names.map { "all but \($0)" } + ["all"])
        // What waits for no page has no ratio.
        #expect(ablation.workloads == ["scan"])
        #expect(ablation.rows.allSatisfy { $0.ratios.count == 1 && abs($0.geometricMean - $0.ratios[0]) < 1e-9 })
        #expect(ablation.rows.last?.ratios == [1])
    }

    @Test func eachPolicyIsJudged() throws {
        let ablation = try Ablation([Self.scan], nodes: 2, network: .gigabitEthernet)
        #expect(ablation.verdicts.map(\.policy) == PolicySet.names && ablation.sentences.count == PolicySet.names.count)
        let prefetch = try #require(ablation.verdicts.first { $0.policy == "contiguous-prefetch" })
        #expect(prefetch.best.workload == "scan" && prefetch.best.ratio > 1.1 && !prefetch.winsNowhere, "\(prefetch)")
        // Nobody writes what another has read.
        let migratory = try #require(ablation.verdicts.first { $0.policy == "migratory-detection" })
        #expect(migratory.winsNowhere && ablation.losers.contains("migratory-detection"))
        #expect(!ablation.losers.contains("contiguous-prefetch"))
        // What wins in one of several is no loser.
        var other = ablation
        other.verdicts = ablation.verdicts.map { verdict in
            var changed = verdict
            if verdict.policy == "migratory-detection" { changed.best.ratio = 2 }
            return changed
        }
        #expect(!Ablation.losers([ablation, other]).contains("migratory-detection"))
        #expect(Ablation.losers([ablation, ablation]) == ablation.losers)
    }

    @Test func tracesOfFewerProcessorsThanNodesAreLeftOut() throws {
        let ablation = try Ablation([Self.scan], nodes: 3, network: .gigabitEthernet)
        #expect(ablation.workloads.isEmpty && ablation.verdicts.isEmpty)
    }

    @Test func wrongNodesAreRefused() throws {
        for nodes in ["1", "17", "x"] {
            #expect(throws: (any Error).self) {
                var command = try CoherenceRootCommand.parseAsRoot(["ablation", "--nodes", nodes])
                try command.run()
            }
        }
    }
}
