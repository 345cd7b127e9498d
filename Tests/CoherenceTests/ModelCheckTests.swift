import Coherence
import Glibc
import Testing

@testable import CoherenceSimulation

/// Exhaustive exploration of the shipping engine on small machines.
@Suite struct ModelCheckTests {
    static func machine(nodes: Int, pages: UInt32, homes: [UInt32] = [], migratory: Bool = false, policies: PolicySet = .all) throws -> EngineConfiguration {
        var ranges: [HomeMap.Range] = []
        for page in 0..<pages {
            let home = homes.isEmpty ? 0 : homes[Int(page)]
            ranges.append(HomeMap.Range(first: PageNumber(page + 1), count: 1, home: NodeID(UInt8(home))))
        }
        // Their choices are the adversary's, and no part of the state.
        var own = policies.subtracting([.contiguousPrefetch, .stridePrefetch, .minimumDeltaPrefetch, .adaptiveChoice])
        if !migratory { own.remove(.migratoryDetection) }
        return EngineConfiguration(
            node: NodeID(0), nodeCount: nodes, homes: try HomeMap(ranges), cacheLimit: 64, outstandingFaults: Int(pages),
            policies: own)
    }

    /// How many states the larger configurations visit at most: all of them when VSMP_MODEL_STATES is 0. A debug build of the
    /// tests visits about 10 000 transitions a second, an optimised one twenty times as many.
    static var stateLimit: Int? {
        guard let text = unsafe getenv("VSMP_MODEL_STATES"), let limit = unsafe Int(String(cString: text)) else { return 30_000 }
        return limit == 0 ? nil : limit
    }

    func check(_ name: String, _ configuration: EngineConfiguration, _ options: ModelChecker.Options = .init()) throws {
        let result = try ModelChecker(configuration, options).run()
        print(
            "model check, \(name): \(result.states) states, \(result.transitions) transitions, \(result.restStates) at rest, "
                + "longest channel \(result.longestChannel)" + (result.isComplete ? "" : " (bounded)"))
        #expect(result.restStates > 1)
        #expect(result.isComplete || options.stateLimit != nil)
    }

    @Test func twoNodesOnePage() throws {
        try check("2 nodes x 1 page", Self.machine(nodes: 2, pages: 1))
    }

    @Test func threeNodesOnePage() throws {
        try check("3 nodes x 1 page, plain prefetches", Self.machine(nodes: 3, pages: 1), .init(streams: false))
    }

    @Test func twoNodesTwoPages() throws {
        try check(
            "2 nodes x 2 pages", Self.machine(nodes: 2, pages: 2, homes: [0, 1]),
            .init(prefetches: false, stateLimit: Self.stateLimit))
    }

    @Test func threeNodesOnePageMigratory() throws {
        try check(
            "3 nodes x 1 page, migratory advice", Self.machine(nodes: 3, pages: 1, migratory: true),
            .init(migratory: true, stateLimit: Self.stateLimit))
    }

    /// An adversary decides at every step of the home whether reads take the only copy.
    @Test func migratoryAdvice() throws {
        try check(
            "2 nodes x 1 page, migratory advice", Self.machine(nodes: 2, pages: 1, migratory: true), .init(migratory: true))
    }

    /// An adversary decides at every step of the home whether another reader answers.
    @Test func readersAnswerReads() throws {
        try check(
            "3 nodes x 1 page, relays", Self.machine(nodes: 3, pages: 1), .init(prefetches: false, relays: true, stateLimit: Self.stateLimit))
    }

    @Test func policiesOff() throws {
        try check("2 nodes x 1 page, policies off", Self.machine(nodes: 2, pages: 1, policies: .none))
        try check(
            "2 nodes x 1 page, read replication only", Self.machine(nodes: 2, pages: 1, policies: .readReplication))
    }
}
