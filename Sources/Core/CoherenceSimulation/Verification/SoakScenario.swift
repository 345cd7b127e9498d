import Coherence

/// A random machine, its network, its load and what goes wrong, all drawn from one seed.
package struct SoakScenario: Sendable {
    package let seed: UInt64
    private let parameters: Simulator.Parameters

    /// - Parameters:
    ///   - nodes: 2 to 64; nil lets the seed decide.
    ///   - instructions: of all processors together, about; nil lets the seed decide.
    ///   - isContended: more than 16 nodes too run instructions that need six pages at once.
    ///   - switchesPolicies: nodes go over to other policies at random moments.
    package init(
        seed: UInt64, nodes fixed: Int? = nil, instructions: Int? = nil, isContended: Bool = false, switchesPolicies: Bool = false
    ) {
        var random = SplitMix64(state: seed)
        let drawn = [2 + random.below(7), 2 + random.below(23), 2 + random.below(63)][random.below(3)]
        let nodes = fixed ?? drawn
        var own = Simulator.Parameters(nodes: nodes, seed: seed)
        own.processorsPerNode = 1 + random.below(4)
        own.pagesPerNode = max(16, (256 << random.below(6)) / nodes)
        let drawnInstructions = 5_000 + random.below(20_000)
        own.instructions = max(20, (instructions ?? drawnInstructions) / (nodes * own.processorsPerNode))
        own.outstandingFaults = 64
        own.hotPages = 1 + random.below(16)
        own.cachePercent = [100, 50, 20, 5][random.below(4)]
        let subset = PolicySet(rawValue: UInt32(truncatingIfNeeded: random.next())).intersection(.all)
        if random.below(2) == 0 { own.policies = subset }
        own.latency = [5_000, 20_000, 20_000, 100_000][random.below(4)]
        own.minimumHold = own.latency > 50_000 ? 300_000 : 50_000
        // Instructions of several pages that more nodes contend for make too little progress (docs/coherence.md, Progress).
        if nodes > 16, !isContended { own.largestInstruction = 1 }
        own.loss = [0, 1, 10, 100][random.below(4)]
        own.duplication = [0, 1, 10, 50][random.below(4)]
        own.slowPhases = random.below(4)
        let total = own.instructions * nodes * own.processorsPerNode
        let moment = random.below(total)
        if random.below(3) == 0 { own.deathAfter = moment }
        let interval = [2, 10, 100, 1_000][random.below(4)]
        if switchesPolicies { own.switchInterval = interval }
        own.pageTime = [0, 3_000, 33_000, 1_000_000][random.below(4)]
        parameters = own
        self.seed = seed
    }

    /// Runs it; equal scenarios give equal text.
    /// - Throws: a `Broken` promise, or an engine's `ProtocolViolation`.
    package func run() throws -> String {
        let outcome = try Simulator(parameters).run()
        var text = "\(outcome.instructions) instructions in \(outcome.time / 1_000_000) ms, \(outcome.packets) packets"
        if let detection = outcome.detection {
            text += ", noticed after \(detection / 1_000_000) ms, \(outcome.released) processors released"
        }
        return text
    }
}

extension SoakScenario: CustomStringConvertible {
    package var description: String {
        let own = parameters
        var text = "\(own.nodes) nodes x \(own.processorsPerNode) processors, \(own.pagesPerNode * own.nodes) pages, cache \(own.cachePercent)%"
        text += ", loss \(own.loss) and duplication \(own.duplication) in 1000"
        if own.slowPhases > 0 { text += ", \(own.slowPhases) slow" }
        if own.pageTime > 0 { text += ", \(own.pageTime / 1000) us a page" }
        if let moment = own.deathAfter { text += ", death after \(moment)" }
        text += ", policies " + (own.policies == .all ? "all" : "\(own.policies)")
        if let interval = own.switchInterval { text += ", switched every \(interval) events" }
        return text
    }
}
