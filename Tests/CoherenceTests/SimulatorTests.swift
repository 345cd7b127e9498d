import Coherence
import Testing

@testable import CoherenceSimulation

/// Machines of 2 to 64 nodes in virtual time; a failing seed replays exactly.
@Suite struct SimulatorTests {
    static func run(_ parameters: Simulator.Parameters) throws -> Simulator.Outcome {
        do {
            return try Simulator(parameters).run()
        } catch {
            throw Broken("seed \(parameters.seed), \(parameters.nodes) nodes, \(parameters.policies): \(error)")
        }
    }

    @Test(arguments: [(2, 1), (3, 2), (4, 3), (8, 4), (16, 5)] as [(Int, UInt64)])
    func fixedSeed(nodes: Int, seed: UInt64) throws {
        let outcome = try Self.run(.init(nodes: nodes, instructions: 2400 / nodes, seed: seed))
        #expect(outcome.instructions == nodes * 2 * (2400 / nodes))
    }

    @Test(arguments: [(2, 11), (4, 12), (8, 13)] as [(Int, UInt64)])
    func cachePressure(nodes: Int, seed: UInt64) throws {
        var parameters = Simulator.Parameters(nodes: nodes, instructions: 2400 / nodes, cachePercent: 5, seed: seed)
        parameters.pagesPerNode = 512
        let outcome = try Self.run(parameters)
        let limit = max(8, 512 * (nodes - 1) * 5 / 100)
        #expect(outcome.sum(\.evictions) > 100)
        #expect(outcome.sum(\.writeBacks) > 10)
        #expect(outcome.peakHeld <= limit + 32)
    }

    @Test func freshSeed() throws {
        let seed = UInt64.random(in: 1 ... .max)
        print("simulator: fresh seed \(seed)")
        let parameters = Simulator.Parameters(nodes: 2 + Int(seed % 6), cachePercent: seed % 2 == 0 ? 5 : 100, seed: seed)
        _ = try Self.run(parameters)
    }

    @Test func eachPolicyAlone() throws {
        for name in PolicySet.names + ["none"] {
            let parameters = Simulator.Parameters(
                nodes: 3, instructions: 200, cachePercent: 10, policies: try PolicySet(parsing: name), seed: 21)
            _ = try Self.run(parameters)
        }
    }

    /// Every node runs an instruction that writes the same six pages: the worst case for progress.
    /// Once with a fast network, once as slow as between emulated boards (milliseconds).
    @Test(arguments: [2, 3, 4, 8], [1, 100] as [UInt64])
    func sixPageInstructionsProgress(nodes: Int, slowness: UInt64) throws {
        var parameters = Simulator.Parameters(nodes: nodes, processorsPerNode: 2, instructions: 10, seed: 31)
        parameters.latency *= slowness
        if slowness > 1 { parameters.minimumHold *= 6 }
        parameters.workload = { processor, random in
            let start = random.below(6)
            return (0..<6).map { Simulator.Access(page: (start + $0) % 6, isWrite: true) }
        }
        let outcome = try Self.run(parameters)
        print("simulator: \(nodes * 20) six-page instructions on \(nodes) nodes in \(outcome.time / 1_000_000) ms, longest \(outcome.longestInstruction / 1_000_000) ms")
        #expect(outcome.instructions == nodes * 20)
    }

    /// Loss, duplication and reordering below the reliable channels, slow nodes and small caches.
    @Test(arguments: [(2, 41), (5, 42), (12, 43)] as [(Int, UInt64)])
    func badNetwork(nodes: Int, seed: UInt64) throws {
        var parameters = Simulator.Parameters(nodes: nodes, instructions: 1200 / nodes, cachePercent: 20, seed: seed)
        parameters.loss = 50
        parameters.duplication = 50
        parameters.slowPhases = 3
        let outcome = try Self.run(parameters)
        #expect(outcome.instructions == nodes * 2 * (1200 / nodes))
        #expect(outcome.lost > 100 && outcome.duplicated > 100 && outcome.retransmitted > 100)
    }

    @Test func sixtyFourNodes() throws {
        var parameters = Simulator.Parameters(nodes: 64, processorsPerNode: 1, pagesPerNode: 32, instructions: 12, seed: 51)
        parameters.loss = 10
        parameters.outstandingFaults = 64
        #expect(try Self.run(parameters).instructions == 64 * 12)
    }

    /// A node dies: the others keep every promise, notice in time, and no processor waits any more.
    @Test(arguments: [(2, 61, 0), (3, 62, 40), (8, 63, 700)] as [(Int, UInt64, Int)])
    func deathOfANode(nodes: Int, seed: UInt64, moment: Int) throws {
        var parameters = Simulator.Parameters(nodes: nodes, instructions: 800 / nodes, seed: seed)
        parameters.loss = 20
        parameters.deathAfter = moment
        let outcome = try Self.run(parameters)
        let detection = try #require(outcome.detection)
        #expect(detection > 1_000_000_000 && detection <= 2_000_000_000)
        #expect(outcome.released > 0)
    }

    @Test func theSameSeedGivesTheSameOutcome() throws {
        var parameters = Simulator.Parameters(nodes: 4, instructions: 100, cachePercent: 10, seed: 71)
        parameters.loss = 20
        parameters.duplication = 20
        parameters.slowPhases = 2
        parameters.deathAfter = 300
        let first = try Self.run(parameters)
        #expect(try Self.run(parameters) == first)
        parameters.seed = 72
        #expect(try Self.run(parameters) != first)
    }

    /// Without the reliable channels the engine can not keep its promises, and the checks say so.
    @Test(arguments: [(20, 0), (0, 20)])
    func anUnreliableNetworkIsNoticed(loss: Int, duplication: Int) throws {
        var parameters = Simulator.Parameters(nodes: 3, seed: 81)
        parameters.isReliable = false
        parameters.loss = loss
        parameters.duplication = duplication
        #expect(throws: (any Error).self) { try Self.run(parameters) }
    }

    /// Nodes go over to other policies in the middle of what is under way, each when it likes.
    @Test(arguments: [(2, 91, 10), (3, 92, 100), (8, 93, 10), (8, 94, 1000)] as [(Int, UInt64, Int)])
    func policiesSwitchedUnderLoad(nodes: Int, seed: UInt64, interval: Int) throws {
        var parameters = Simulator.Parameters(nodes: nodes, instructions: 2400 / nodes, cachePercent: 35 / (nodes - 1), seed: seed)
        parameters.pagesPerNode = 512
        parameters.loss = 20
        parameters.duplication = 20
        parameters.outstandingFaults = 64
        parameters.switchInterval = interval
        let outcome = try Self.run(parameters)
        #expect(outcome.instructions == nodes * 2 * (2400 / nodes))
        #expect(outcome.switches > 10)
        #expect(outcome.sum(\.prefetchesArrived) > 0 && outcome.sum(\.evictions) > 0)
    }

    /// Switched at every other event, instructions of six pages still progress.
    @Test func sixPageInstructionsProgressWhilePoliciesSwitch() throws {
        var parameters = Simulator.Parameters(nodes: 4, processorsPerNode: 2, instructions: 10, seed: 95)
        parameters.switchInterval = 2
        parameters.workload = { _, random in
            let start = random.below(6)
            return (0..<6).map { Simulator.Access(page: (start + $0) % 6, isWrite: true) }
        }
        let outcome = try Self.run(parameters)
        #expect(outcome.instructions == 4 * 20)
        #expect(outcome.switches > 100)
    }

    /// Two machines as `vsmp-coherence soak` draws them, with at most eight nodes; the second one's policies are switched.
    @Test func freshScenarios() throws {
        for switches in [false, true] {
            let seed = UInt64.random(in: 1...UInt64(UInt32.max))
            let scenario = SoakScenario(seed: seed, nodes: 2 + Int(seed % 7), instructions: 600, switchesPolicies: switches)
            let option = switches ? " --switch-policies" : ""
            print("simulator: soak seed \(seed) --nodes \(2 + Int(seed % 7)) --instructions 600\(option): \(scenario)")
            do { _ = try scenario.run() } catch { throw Broken("soak seed \(seed): \(error)") }
        }
    }
}

extension Simulator.Outcome {
    fileprivate func sum(_ path: KeyPath<Statistics, UInt64>) -> UInt64 { statistics.reduce(0) { $0 + $1[keyPath: path] } }
}
