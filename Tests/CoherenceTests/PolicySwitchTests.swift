import Coherence
import Testing

@testable import CoherenceSimulation

/// Policies switched between two calls of a running engine.
@Suite struct PolicySwitchTests {
    private typealias Pair = PolicyTests.Pair

    private func requests(_ pair: borrowing Pair, _ kind: Message.Kind) -> UInt64 {
        pair.statistics(1).sent[kind]
    }

    @Test func aReadAsksForWhatThePolicyInEffectSays() throws {
        var pair = try Pair(.readReplication)
        #expect(pair.world.nodes[1].engine.policies == .readReplication)
        for page in 7..<10 { try pair.access(0, page, write: true) }
        try pair.access(1, 7, write: false)
        #expect(pair.world.nodes[0].mapping[7] == .read && pair.world.nodes[1].mapping[7] == .read)
        pair.world.nodes[1].engine.use(.none)
        #expect(pair.world.nodes[1].engine.policies == .none)
        try pair.access(1, 8, write: false)
        #expect(pair.world.nodes[0].mapping[8] == .absent && pair.world.nodes[1].mapping[8] == .write)
        pair.world.nodes[1].engine.use([.readReplication, .aggregation])
        try pair.access(1, 9, write: false)
        #expect(pair.world.nodes[0].mapping[9] == .read && pair.world.nodes[1].mapping[9] == .read)
        #expect(requests(pair, .getShared) == 2 && requests(pair, .getExclusive) == 1)
    }

    @Test func aStreamIsPrefetchedWhileThePolicyIsOn() throws {
        var pair = try Pair(.readReplication)
        for page in 10..<310 { try pair.access(0, page, write: true) }
        var arrived: [UInt64] = []
        for (index, policies) in [PolicySet.readReplication, .all, .readReplication].enumerated() {
            for node in 0..<2 { pair.world.nodes[node].engine.use(policies) }
            let before = pair.statistics(1).prefetchesArrived
            for page in 0..<100 { try pair.access(1, 10 + 100 * index + page, write: false) }
            arrived.append(pair.statistics(1).prefetchesArrived - before)
        }
        // The last pages asked for in advance lie in the part that follows.
        #expect(arrived[0] == 0 && arrived[1] > 50 && arrived[2] == 0, "\(arrived)")
        #expect(pair.statistics(1).remoteFaults > 150)
    }
}
