import Coherence
import Testing

@testable import CoherenceSimulation

@Suite struct ConfigurationTests {
    @Test func homesAreFoundAndHolesBelongToNobody() throws {
        let map = try HomeMap([
            .init(first: PageNumber(0), count: 10, home: NodeID(0)), .init(first: PageNumber(16), count: 8, home: NodeID(1)),
        ])
        #expect(map.home(of: PageNumber(9)) == NodeID(0))
        #expect(map.home(of: PageNumber(10)) == nil)
        #expect(map.home(of: PageNumber(15)) == nil)
        #expect(map.home(of: PageNumber(16)) == NodeID(1))
        #expect(map.home(of: PageNumber(24)) == nil)
        #expect(map.totalPages == 24)
    }

    @Test func badHomeMapsAreRefused() {
        let first = HomeMap.Range(first: PageNumber(4), count: 4, home: NodeID(0))
        #expect(throws: HomeMap.Invalid.overlapsOrUnsorted(index: 1)) {
            try HomeMap([first, .init(first: PageNumber(7), count: 1, home: NodeID(1))])
        }
        #expect(throws: HomeMap.Invalid.emptyOrTooLong(index: 0)) {
            try HomeMap([.init(first: PageNumber(1), count: 0, home: NodeID(0))])
        }
        #expect(throws: HomeMap.Invalid.emptyOrTooLong(index: 0)) {
            try HomeMap([.init(first: PageNumber(.max), count: 2, home: NodeID(0))])
        }
    }

    @Test func policyNamesReadBack() throws {
        for set in [PolicySet.all, .none, [.readReplication, .aggregation]] {
            #expect(try PolicySet(parsing: set.description) == set)
            #expect(try PolicySet(words: set.memberNames) == set)
        }
        #expect(try PolicySet(parsing: "all,-stride-prefetch") == PolicySet.all.subtracting(.stridePrefetch))
        #expect(throws: PolicySet.UnknownPolicy(name: "magic")) { try PolicySet(parsing: "aggregation,magic") }
    }

    @Test func nodeSetsCountAndPop() {
        var set = NodeSet()
        set.insert(NodeID(63))
        set.insert(NodeID(0))
        #expect(set.count == 2 && set.contains(NodeID(63)))
        #expect(set.popFirst() == NodeID(0))
        #expect(set.popFirst() == NodeID(63))
        #expect(set.popFirst() == nil)
    }
}
