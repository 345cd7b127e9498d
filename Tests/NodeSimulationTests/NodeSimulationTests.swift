import Testing

@testable import NodeSimulation

/// Whole nodes in virtual time, each run from one seed, which a failure names.
struct NodeSimulationTests {
    @Test(arguments: [UInt64(1), 11, UInt64.random(in: 1_000_000 ... 1 << 60)]) func noPromiseIsBroken(first: UInt64) {
        for seed in first..<first + 10 {
            if let finding = NodeSimulation.run(seed: seed) { Issue.record("\(finding.promise.rawValue): \(finding.what)\n\(finding.story)") }
        }
    }

    @Test func oneSeedIsAlwaysTheSameRun() {
        func run(_ seed: UInt64) -> [String] {
            var lines: [String] = []
            _ = NodeSimulation.run(seed: seed) { lines.append($0) }
            return lines
        }
        for seed in UInt64(20)..<24 {
            let lines = run(seed)
            #expect(lines.count > 20 && lines == run(seed), "seed \(seed)")
        }
        #expect(run(20) != run(21))
    }

    @Test func everyFaultAndEverySizeIsDrawn() {
        var kinds: Set<String> = [], sizes: Set<Int> = []
        var (narrow, odd, guessed, mixed) = (0, 0, 0, 0)
        for seed in UInt64(1)...2000 {
            let scenario = Scenario(seed: seed)
            sizes.insert(scenario.nodes)
            for fault in scenario.faults { kinds.insert("\("\(fault)".prefix { $0 != "(" })") }
            if scenario.mtu > scenario.carries { narrow += 1 }
            if scenario.hasOddCounter { odd += 1 }
            if scenario.boards.contains(where: { $0.kernelKilohertz != 2_500_000 }) { guessed += 1 }
            if scenario.boards.contains(where: { $0.firmware == 0 }) { mixed += 1 }
        }
        #expect(kinds == ["powerCut", "kill", "cut", "filter", "cable", "flaps", "switchOff", "stop", "rival", "replay"])
        #expect(sizes == Set(2...16))
        #expect(min(narrow, odd, guessed, mixed) > 50)
    }

    /// A quiet machine of so many nodes.
    private func quiet(_ nodes: Int) -> Scenario {
        var scenario = Scenario(seed: 1)
        scenario.nodes = nodes
        scenario.outageSeconds = 2
        scenario.boards = Array(repeating: BoardPlan(boot: 100 * .millisecond), count: nodes)
        (scenario.mtu, scenario.carries, scenario.loss, scenario.faults, scenario.quiet, scenario.resets) = (0, 9000, 0, [], 8 * .second, false)
        return scenario
    }

    @Test(arguments: [2, 3, 16]) func aQuietMachineRunsToItsEnd(nodes: Int) {
        var lines: [String] = []
        let finding = World(quiet(nodes), trace: { lines.append($0) }).run()
        #expect(finding == nil)
        #expect(lines.count { $0.contains("vsmpd ends") && $0.contains("poweredOff") } == nodes)
        #expect(!lines.contains { $0.contains("LOST") })
    }

    /// What was done in a run, kept from its judge.
    private func finding(of faults: [Fault], nodes: Int = 3, hidden: Bool) -> Finding? {
        var scenario = quiet(nodes)
        scenario.quiet = 20 * .second
        let innocent = scenario
        scenario.faults = faults
        let world = World(scenario)
        if hidden { world.judge = Judge(innocent) }
        return world.run()
    }

    @Test func theJudgeSeesWhoIsBlamedWithoutReason() {
        let long: Range<Time> = 6 * .second..<16 * .second
        for fault in [Fault.cable(board: 1, long), .cut(from: 0, to: 2, isPair: true, long), .stop(board: 2, [long], isFrozen: true)] {
            #expect(finding(of: [fault], hidden: true)?.promise == .blame, "\(fault)")
            #expect(finding(of: [fault], hidden: false) == nil, "\(fault)")
        }
    }

    @Test func theJudgeSeesWhoWaits() {
        // A board that never comes back, and the judge believes that all are whole.
        #expect(finding(of: [.powerCut(board: 1, at: 50 * .millisecond, off: nil)], hidden: true)?.promise == .word)
    }

    @Test func outagesWithinTheBudgetEndNothing() {
        let short: Range<Time> = 6 * .second..<7200 * .millisecond
        for fault in [Fault.cable(board: 0, short), .cut(from: 2, to: 0, isPair: false, short), .switchOff(short), .stop(board: 1, [short], isFrozen: false)] {
            #expect(finding(of: [fault], hidden: true) == nil, "\(fault)")
        }
    }
}
