import Platform
import Coherence
import Glibc
import KVM
import Synchronization
import TestSupport

@testable import Interconnect
@testable import Node

/// Nodes without guests, joined by socket pairs in this process: ordinary threads stand for their processors and touch
/// the nodes' memory as a guest would.
// SAFETY: unchecked because everything is set before the loops start; memory is shared on purpose.
final class SharedMemory: @unchecked Sendable {
    static let pageSize = 4096
    let nodes: Int
    let pages: Int
    private let memories: [GuestMemory]
    private let loops: [CoherenceLoop]
    private var threads: [SystemThread] = []
    let log = Log()

    /// - Parameters:
    ///   - pages: of the machine; each node is home of an equal share.
    ///   - cachePages: that a node may hold of the others' pages.
    init(nodes: Int, pages: Int, cachePages: Int, minimumHold: UInt64, policies: PolicySet = .all, pageTime: UInt64 = 0) throws {
        self.nodes = nodes
        self.pages = pages
        let log = log
        let share = UInt32(pages / nodes)
        let homes = try HomeMap(
            (0..<nodes).map { HomeMap.Range(first: PageNumber(UInt32($0) * share), count: share, home: NodeID(UInt8($0))) })
        var links = [[CoherenceLink?]](repeating: [CoherenceLink?](repeating: nil, count: nodes), count: nodes)
        for one in 0..<nodes {
            for other in one + 1..<nodes {
                let pair = socketPair()
                links[one][other] = try Self.link(pair.0, peer: other, nodes)
                links[other][one] = try Self.link(pair.1, peer: one, nodes)
            }
        }
        memories = try (0..<nodes).map { _ in try GuestMemory(size: UInt64(pages * Self.pageSize)) }
        loops = try zip(memories, links).enumerated().map { node, parts in
            var configuration = EngineConfiguration(
                node: NodeID(UInt8(node)), nodeCount: nodes, homes: homes, cacheLimit: cachePages, minimumHold: minimumHold,
                policies: policies)
            configuration.pageTime = pageTime
            return try CoherenceLoop(
                configuration: configuration, memory: parts.0, forgetter: nil, links: parts.1, processors: [],
                onLoss: { peer, why in if why != "connection closed by the peer" { log("node \(node), peer \(peer): \(why)") } },
                log: { log("node \(node): \($0)") })
        }
        threads = loops.map { loop in SystemThread("coherence") { loop.run() } }
    }

    private static func link(_ descriptor: Int32, peer: Int, _ nodes: Int) throws -> CoherenceLink {
        let connection = try Connection(adopting: Socket(adopting: descriptor), peer: UInt8(peer), role: .coherence)
        return CoherenceLink(connection, peer: NodeID(UInt8(peer)), nodes: nodes)
    }

    /// The address at which `node` sees the byte at `offset`.
    func address(_ offset: Int, on node: Int) -> UnsafeMutableRawPointer {
        unsafe UnsafeMutableRawPointer(mutating: memories[node].contents(UInt64(offset / Self.pageSize))) + offset % Self.pageSize
    }

    /// The word at `offset` as `node` sees it; another node may change it meanwhile.
    func word(_ offset: Int, on node: Int) -> UnsafeMutablePointer<Atomic<UInt64>> {
        unsafe address(offset, on: node).assumingMemoryBound(to: Atomic<UInt64>.self)
    }

    func snapshot(of node: Int) -> CoherenceLoop.Snapshot? { loops[node].snapshot() }

    /// Ends the loops. Threads that still wait for a page get zeros.
    func stop() {
        for loop in loops { loop.drain() }
        for loop in loops { loop.quit() }
        for thread in threads { thread.join() }
    }
}
