import Contract
import TestSupport
import Testing

@testable import Node

/// 2 to 16 memberships against each other, each run from one seed, which a failure names.
@Suite struct MembershipSimulationTests {
    private typealias Simulator = MembershipSimulator

    private static let seeds = (UInt64(1)...400).map { $0 } + [UInt64.random(in: 1000 ... .max)]

    private func live(_ simulator: Simulator) -> [Int] { simulator.members.indices.filter { !simulator.dead.contains($0) } }

    /// What holds for every run, whatever happened in it.
    private func check(_ simulator: Simulator, seed: UInt64, hasEnded: Bool) {
        let live = live(simulator)
        let ends = live.map { simulator.members[$0].end }
        func story() -> String {
            live.map { "node \($0) \(simulator.members[$0].phase), \(ends[live.firstIndex(of: $0)!].map { "\($0)" } ?? "no end"): \(simulator.consoles[$0].suffix(4))" }.joined(separator: "\n")
        }
        guard hasEnded else {
            Issue.record("seed \(seed): somebody waits after \(simulator.now / Simulator.second) s\n\(story())")
            return
        }
        #expect(Set(ends.map { $0?.rank }).count == 1, "seed \(seed): survivors end differently\n\(story())")
        for node in live {
            let losses = simulator.consoles[node].filter { $0.hasPrefix("LOST") }
            if case .lost(let gone, _)? = simulator.members[node].end {
                #expect(losses.count == 1 && losses[0].hasPrefix("LOST node \(gone) ("), "seed \(seed), node \(node): \(losses)")
                #expect(simulator.dead.contains(gone.position), "seed \(seed): node \(gone) lives and counts as lost")
            } else {
                #expect(losses.isEmpty, "seed \(seed), node \(node): \(losses)")
            }
            #expect(simulator.stops[node] == 1, "seed \(seed), node \(node) stopped \(simulator.stops[node]) times")
            #expect(simulator.done[node].last == "leave" && simulator.done[node].filter { $0 == "collect" }.count == 1, "seed \(seed): \(simulator.done[node])")
            #expect(!simulator.consoles[node].contains { $0.hasPrefix("UNREADABLE") })
        }
    }

    private func plan(_ random: inout SeededGenerator) -> Simulator.Plan {
        let nodes = Int.random(in: 2...16, using: &random)
        return Simulator.Plan(nodes: nodes, deaths: Array(repeating: nil, count: nodes))
    }

    private func run(_ plan: Simulator.Plan, _ seed: UInt64, seconds: UInt64 = 200) -> Simulator {
        var simulator = Simulator(plan, seed: seed)
        let hasEnded = simulator.run(seconds: seconds)
        check(simulator, seed: seed, hasEnded: hasEnded)
        return simulator
    }

    /// Nobody dies: all run, the guest's end is everybody's, and whoever leaves first is not lost.
    @Test func everyNodeRunsAndEndsAsTheGuestDoes() {
        for seed in Self.seeds.prefix(150) {
            var random = SeededGenerator(seed: seed)
            var plan = plan(&random)
            let isReset = Bool.random(using: &random)
            plan.incidents = [(0, 60 * Simulator.second, isReset ? .guestReset : .guestPoweredOff)]
            let simulator = run(plan, seed)
            for node in simulator.members.indices {
                #expect(simulator.members[node].end == (isReset ? .reboot : .poweredOff), "seed \(seed)")
                #expect(simulator.done[node].contains("celebrate"), "seed \(seed): node \(node) did not run: \(simulator.done[node])")
                #expect(simulator.done[node].contains("tell") == (node == 0), "seed \(seed)")
                if node != 0 { #expect(simulator.consoles[node].contains(ConsoleWords.guestRuns), "seed \(seed)") }
            }
        }
    }

    /// Whichever node resets, whichever node saw user space: node 0's count decides for all.
    @Test func theThirdResetBeforeUserSpaceEndsTheMachineOnEveryNode() {
        for seed in Self.seeds.prefix(150) {
            var random = SeededGenerator(seed: seed)
            var plan = plan(&random)
            plan.earlyResets = Int.random(in: 0...4, using: &random)
            plan.incidents = [(Int.random(in: 0..<plan.nodes, using: &random), 60 * Simulator.second, .guestReset)]
            let reachesUserSpace = Bool.random(using: &random)
            if reachesUserSpace { plan.incidents.append((Int.random(in: 0..<plan.nodes, using: &random), 59 * Simulator.second, .userSpaceReached)) }
            let simulator = run(plan, seed)
            let isFailed = !reachesUserSpace && plan.earlyResets >= 2
            for node in simulator.members.indices {
                #expect(simulator.members[node].end == (isFailed ? .guestFailed(resets: plan.earlyResets + 1) : .reboot), "seed \(seed)")
                let words = simulator.consoles[node].filter { $0.contains("reset \(plan.earlyResets + 1) times in a row") }
                #expect(words.count == (isFailed ? 1 : 0), "seed \(seed): \(simulator.consoles[node])")
            }
            #expect(simulator.members[0].earlyResets == (isFailed || reachesUserSpace ? 0 : plan.earlyResets + 1), "seed \(seed)")
        }
    }

    /// Counters of another speed are a refusal with the same words everywhere: no loss, and no fault of this SDK.
    @Test func aCounterOfAnotherSpeedIsRefusedInTheSameWordsOnEveryConsole() {
        for seed in Self.seeds.prefix(100) {
            var random = SeededGenerator(seed: seed)
            var plan = plan(&random)
            plan.fast = Int.random(in: 0..<plan.nodes, using: &random)
            let simulator = run(plan, seed)
            // Whoever differs from node 0 is named, also where node 0 is the odd one: both figures are there.
            let (odd, speeds) = plan.fast == 0 ? (1, (2_000_000, 4_000_000)) : (plan.fast ?? 0, (4_000_000, 2_000_000))
            let words = ConsoleWords.clash(of: NodeIndex(odd), kilohertz: UInt32(speeds.0), with: UInt32(speeds.1))
            for node in simulator.members.indices {
                #expect(simulator.members[node].end == .unsuitable(node: NodeIndex(odd), .clock, why: words), "seed \(seed)")
                #expect(simulator.members[node].end?.exitStatus == .clocksDiffer && !simulator.done[node].contains("build"), "seed \(seed)")
                #expect(simulator.consoles[node].filter { $0 == words }.count == 1, "seed \(seed): \(simulator.consoles[node])")
            }
        }
    }

    /// What node 0 cannot plan is said in one sentence everywhere: no node is lost for it, and nobody joins again only to hear it again.
    @Test(arguments: [true, false]) func boardsThatMakeNoMachineAreRefusedInTheSameWordsOnEveryConsole(isSlice: Bool) {
        for seed in Self.seeds.prefix(100) {
            var random = SeededGenerator(seed: seed)
            var plan = plan(&random)
            let odd = Int.random(in: 1..<plan.nodes, using: &random)
            if isSlice { plan.uneven = odd } else { plan.foreign = odd }
            let simulator = run(plan, seed)
            for node in simulator.members.indices {
                guard case .unsuitable(NodeIndex(odd), .board, let why)? = simulator.members[node].end else {
                    Issue.record("seed \(seed): node \(node): \(String(describing: simulator.members[node].end))")
                    return
                }
                #expect(why.contains(isSlice ? "node \(odd) lends" : "nodes 0 and \(odd): processors of"), "\(why)")
                #expect(simulator.members[node].end?.exitStatus == .hardwareMismatch && !simulator.done[node].contains("build"), "seed \(seed)")
                #expect(simulator.consoles[node].filter { $0 == why }.count == 1, "seed \(seed): \(simulator.consoles[node])")
            }
        }
    }

    /// Eight boards, of which one's kernel took 2596 MHz for 233, are a machine.
    @Test func aKernelThatIsWrongIsNamedAndStopsNothing() {
        for seed in Self.seeds.prefix(100) {
            var random = SeededGenerator(seed: seed)
            var plan = plan(&random)
            plan.nodes = max(plan.nodes, 3)
            plan.deaths = Array(repeating: nil, count: plan.nodes)
            let wrong = Int.random(in: 0..<plan.nodes, using: &random)
            plan.miscalibrated = wrong
            plan.incidents = [(0, 60 * Simulator.second, .guestPoweredOff)]
            let simulator = run(plan, seed)
            for node in simulator.members.indices {
                #expect(simulator.members[node].end == .poweredOff && simulator.done[node].contains("celebrate"), "seed \(seed)")
                #expect(simulator.members[node].plan?.resources.allSatisfy { $0.timestampKilohertz == 2_000_000 } == true, "seed \(seed)")
                let named = simulator.consoles[node].contains(ConsoleWords.miscalibrated(NodeIndex(wrong), believed: 4_000_000, measured: 2_000_000))
                #expect(named == (node == 0 || node == wrong), "seed \(seed), node \(node): \(simulator.consoles[node])")
            }
        }
    }

    /// A node without memory ends the machine, and every console says which and what it lent.
    @Test func aNodeWithoutMemoryIsNamedOnEveryConsole() {
        for seed in Self.seeds.prefix(100) {
            var random = SeededGenerator(seed: seed)
            var plan = plan(&random)
            let poor = Int.random(in: 0..<plan.nodes, using: &random)
            plan.incidents = [(poor, 60 * Simulator.second, .outOfMemory(why: "UFFDIO_COPY: Cannot allocate memory"))]
            let simulator = run(plan, seed)
            let consoles = Set(simulator.consoles.map { console in console.filter { $0.contains("has no memory left") } })
            #expect(consoles.count == 1 && consoles.first?.count == 1, "seed \(seed): \(consoles)")
            #expect(consoles.first?.first?.hasPrefix("node \(poor) has no memory left (UFFDIO_COPY: Cannot allocate memory): guest stopped; it lends a slice of") == true)
            for node in simulator.members.indices { #expect(simulator.members[node].end?.exitStatus == .notEnoughMemory, "seed \(seed)") }
        }
    }

    /// Some refuse, at whatever speed the others are: all refuse, nobody builds, every reason is said on every console.
    @Test func refusalsReachEverybody() {
        for seed in Self.seeds.prefix(150) {
            var random = SeededGenerator(seed: seed)
            var plan = plan(&random)
            for _ in 0..<Int.random(in: 1...3, using: &random) { plan.refuses.insert(Int.random(in: 0..<plan.nodes, using: &random)) }
            let simulator = run(plan, seed)
            for node in simulator.members.indices {
                #expect(simulator.members[node].end == .refused, "seed \(seed)")
                #expect(!simulator.done[node].contains("build") && !simulator.done[node].contains("remember"), "seed \(seed): \(simulator.done[node])")
                #expect(simulator.members[node].violations.isEmpty == !plan.refuses.contains(node), "seed \(seed)")
                for refusing in plan.refuses {
                    #expect(simulator.consoles[node].contains { $0.contains("node \(refusing); need another") }, "seed \(seed), node \(node): \(simulator.consoles[node])")
                }
            }
        }
    }

    /// One node dies at any time, from before it has joined until after the end.
    @Test func theLossOfOneNodeIsTheSameForAllOthers() {
        for seed in Self.seeds {
            var random = SeededGenerator(seed: seed)
            var plan = plan(&random)
            let victim = Int.random(in: 0..<plan.nodes, using: &random)
            plan.deaths[victim] = UInt64.random(in: 0..<8 * Simulator.second, using: &random)
            let simulator = run(plan, seed)
            for node in live(simulator) {
                guard case .lost(NodeIndex(victim), _)? = simulator.members[node].end else {
                    Issue.record("seed \(seed): node \(node) ends with \(String(describing: simulator.members[node].end)), node \(victim) died")
                    continue
                }
            }
        }
    }

    /// Everything at once: several die, the guest ends, a hypervisor fails, some refuse, a clock does not fit, messages are slow.
    @Test func whateverHappensSurvivorsAgree() {
        for seed in Self.seeds {
            var random = SeededGenerator(seed: seed)
            var plan = plan(&random)
            let span = [2, 4, 8, 12].randomElement(using: &random)! * Simulator.second
            func time() -> UInt64 { UInt64.random(in: 0..<span, using: &random) }
            func node() -> Int { Int.random(in: 0..<plan.nodes, using: &random) }
            func happens(_ percent: Int) -> Bool { Int.random(in: 0..<100, using: &random) < percent }
            for _ in 0..<Int.random(in: 0..<plan.nodes, using: &random) where happens(40) { plan.deaths[node()] = time() }
            if happens(20) { plan.refuses.insert(node()) }
            if happens(50) { plan.incidents.append((0, time(), happens(50) ? .guestPoweredOff : .guestReset)) }
            if happens(30) { plan.incidents.append((node(), time(), .failed(why: "KVM"))) }
            if happens(10) { plan.fast = node() }
            plan.slowestMessage = [1, 20, 300].randomElement(using: &random)! * 1_000_000
            plan.slowestTask = [1, 500, 3000].randomElement(using: &random)! * 1_000_000
            // Every run ends.
            plan.incidents.append((0, 100 * Simulator.second, .guestPoweredOff))
            if plan.deaths[0] != nil { plan.incidents.append((plan.nodes - 1, 101 * Simulator.second, .failed(why: "the end"))) }
            _ = run(plan, seed, seconds: 300)
        }
    }
}
