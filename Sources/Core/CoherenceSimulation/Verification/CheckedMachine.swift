package import Coherence

/// A machine small enough to visit its states, and what the adversary may do to it.
package struct CheckedMachine: Sendable {
    /// Nodes and pages that the state's encoding has room for.
    package static let nodeRange = 2...8
    package static let pageRange = 1...6

    package var nodes: Int
    /// Page p's home is node p modulo the nodes.
    package var pages: Int
    package var options: ModelChecker.Options

    package init(nodes: Int, pages: Int, options: ModelChecker.Options = .init()) {
        self.nodes = nodes
        self.pages = pages
        self.options = options
    }

    /// What `vsmp-coherence check` runs by itself.
    package static let standard = [
        CheckedMachine(nodes: 2, pages: 1, options: .init(migratory: true)),
        CheckedMachine(nodes: 3, pages: 1, options: .init(streams: false, migratory: true, relays: true)),
        CheckedMachine(nodes: 3, pages: 1, options: .init(relays: true)),
        CheckedMachine(nodes: 4, pages: 1, options: .init(evictions: false, prefetches: false, relays: true)),
        CheckedMachine(nodes: 2, pages: 2, options: .init(streams: false)),
        CheckedMachine(nodes: 3, pages: 2, options: .init(prefetches: false, stateLimit: 500_000, isBreadthFirst: true)),
    ]

    package var name: String { "\(nodes) nodes x \(pages) page\(pages == 1 ? "" : "s")" }

    /// What the adversary may do besides faults, writes and the order of messages.
    package var adversary: String {
        let parts = [
            options.evictions ? "evictions" : nil,
            options.prefetches ? (options.streams ? "prefetches of all kinds" : "prefetches") : nil,
            options.migratory ? "migratory" : nil, options.relays ? "relays" : nil,
        ].compactMap { $0 }
        return parts.isEmpty ? "none" : parts.joined(separator: ", ")
    }

    /// The policies whose choices the adversary makes are off, apart from those it acts through.
    package func configuration() throws(HomeMap.Invalid) -> EngineConfiguration {
        let ranges = (0..<pages).map {
            HomeMap.Range(first: PageNumber(UInt32($0 + 1)), count: 1, home: NodeID(UInt8($0 % nodes)))
        }
        var policies = PolicySet.all.subtracting([.contiguousPrefetch, .stridePrefetch, .minimumDeltaPrefetch, .adaptiveChoice])
        if !options.migratory { policies.remove(.migratoryDetection) }
        return EngineConfiguration(
            node: NodeID(0), nodeCount: nodes, homes: try HomeMap(ranges), cacheLimit: 64, outstandingFaults: pages, policies: policies)
    }
}
