import Coherence
import Testing

/// Machines of 2 to 16 nodes in virtual time; a failing seed replays exactly.
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
}
