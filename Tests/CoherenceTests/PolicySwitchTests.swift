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

    /// The policy that kept the page back is off: a processor still comes to the page without a message, or another node takes it.
    @Test(arguments: [false, true]) func aPageKeptBackOutlivesItsPolicy(taken: Bool) throws {
        var pair = try Pair([.readReplication, .contiguousPrefetch, .asynchronousPrefetch, .aggregation])
        for page in 10..<40 { try pair.access(0, page, write: true) }
        for page in 10..<13 { try pair.access(1, page, write: false) }
        let kept = try #require((10..<40).first { pair.world.nodes[1].engine.keptPage(PageNumber(UInt32($0))) != .none })
        pair.world.nodes[1].engine.use(.none)
        if taken { try pair.access(0, kept, write: true) }
        #expect((pair.world.nodes[1].engine.keptPage(PageNumber(UInt32(kept))) == .none) == taken)
        let before = pair.statistics(1).remoteFaults
        try pair.access(1, kept, write: false)
        #expect(pair.statistics(1).remoteFaults - before == (taken ? 1 : 0))
        #expect(pair.statistics(1).keptPagesReached == (taken ? 0 : 1))
        #expect(pair.world.nodes[1].value[kept] == pair.world.latest[kept])
    }

    /// With the policy on again, newer kept pages displace those from before.
    @Test func pagesKeptBackBeforeASwitchMakeRoomForNewOnes() throws {
        let policies: PolicySet = [.readReplication, .contiguousPrefetch, .asynchronousPrefetch, .aggregation]
        var pair = try Pair(policies)
        for page in 10..<590 { try pair.access(0, page, write: true) }
        for round in 0..<24 {
            for page in 0..<3 { try pair.access(1, 10 + 24 * round + page, write: false) }
            pair.world.nodes[1].engine.use(.none)
            pair.world.nodes[1].engine.use(policies)
        }
        let kept = (10..<590).filter { pair.world.nodes[1].engine.keptPage(PageNumber(UInt32($0))) != .none }
        #expect(!kept.isEmpty && kept.count <= 8, "\(kept)")
        for page in 10..<590 { try pair.access(1, page, write: true) }
    }
}
