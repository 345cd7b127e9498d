import Contract
import Platform
import Coherence
import Glibc
import KVM
import Synchronization
import TestSupport

@testable import Interconnect
@testable import Node

/// What a test wants of a loop, whatever its link.
protocol RunningLoop: AnyObject, Sendable {
    func run()
    func snapshot() -> CoherenceSnapshot?
    func drain()
    func quit()
}

extension CoherenceLoop: RunningLoop where Link: ~Copyable {}

/// Nodes without guests, joined in this process: ordinary threads stand for their processors and touch the nodes' memory as a guest
/// would.
// SAFETY: unchecked because everything is set before the loops start; memory is shared on purpose.
final class SharedMemory: @unchecked Sendable {
    enum Transport {
        /// The product's connections, over socket pairs.
        case sockets
        /// Links of so many buffers a direction.
        case buffers(Int)
    }

    static let pageSize = PageNumber.size
    let nodes: Int
    let pages: Int
    private let memories: [GuestMemory]
    private let loops: [any RunningLoop]
    private var threads: [SystemThread] = []
    let log = Log()

    /// - Parameters:
    ///   - pages: of the machine; each node is home of an equal share.
    ///   - cachePages: that a node may hold of the others' pages.
    init(
        nodes: Int, pages: Int, cachePages: Int, minimumHold: UInt64, policies: PolicySet = .all, pageTime: UInt64 = 0,
        over transport: Transport = .sockets
    ) throws {
        self.nodes = nodes
        self.pages = pages
        let log = log
        let share = UInt32(pages / nodes)
        let homes = try HomeMap(
            (0..<nodes).map { HomeMap.Range(first: PageNumber(UInt32($0) * share), count: share, home: NodeID(UInt8($0))) })
        let configurations = (0..<nodes).map { node in
            var configuration = EngineConfiguration(
                node: NodeID(UInt8(node)), nodeCount: nodes, homes: homes, cacheLimit: cachePages, minimumHold: minimumHold,
                policies: policies)
            configuration.pageTime = pageTime
            return configuration
        }
        memories = try (0..<nodes).map { _ in try GuestMemory(size: UInt64(pages * Self.pageSize)) }
        switch transport {
        case .sockets:
            let channels = try Self.channels(nodes) { one, other in
                let pair = socketPair()
                return (try Self.channel(pair.0, peer: other, nodes), try Self.channel(pair.1, peer: one, nodes))
            }
            loops = try Self.loops(configurations, memories, channels, log)
        case .buffers(let credits):
            let channels = try Self.channels(nodes) { one, other in
                let wire = try MemoryWire(credits: credits)
                return (
                    PageChannel(wire.end(0, peer: NodeIndex(other)), nodes: nodes), PageChannel(wire.end(1, peer: NodeIndex(one)), nodes: nodes)
                )
            }
            loops = try Self.loops(configurations, memories, channels, log)
        }
        threads = loops.map { loop in SystemThread("coherence") { loop.run() } }
    }

    private static func channel(_ descriptor: Int32, peer: Int, _ nodes: Int) throws -> PageChannel<Connection> {
        PageChannel(try Connection(adopting: Socket(adopting: descriptor), peer: NodeIndex(peer), role: .coherence), nodes: nodes)
    }

    /// - Parameter join: both ends of the link between two nodes.
    private static func channels<Link: PageLink & ~Copyable>(
        _ nodes: Int, _ join: (_ one: Int, _ other: Int) throws -> (PageChannel<Link>, PageChannel<Link>)
    ) throws -> [[PageChannel<Link>?]] {
        var channels = [[PageChannel<Link>?]](repeating: [PageChannel<Link>?](repeating: nil, count: nodes), count: nodes)
        for one in 0..<nodes {
            for other in one + 1..<nodes { (channels[one][other], channels[other][one]) = try join(one, other) }
        }
        return channels
    }

    private static func loops<Link: PageLink & ~Copyable>(
        _ configurations: [EngineConfiguration], _ memories: [GuestMemory], _ channels: [[PageChannel<Link>?]], _ log: Log
    ) throws -> [CoherenceLoop<Link>] {
        try configurations.indices.map { node in
            try CoherenceLoop(
                configuration: configurations[node], memory: memories[node], forgetter: nil, channels: channels[node], processors: [],
                onLoss: { peer, why in if "\(why)" != "connection closed by the peer" { log("node \(node), peer \(peer): \(why)") } },
                onFailure: { log("node \(node): \($0)") },
                log: { log("node \(node): \($0)") })
        }
    }

    /// The address at which `node` sees the byte at `offset`.
    func address(_ offset: Int, on node: Int) -> UnsafeMutableRawPointer {
        unsafe UnsafeMutableRawPointer(mutating: memories[node].contents(PageNumber(containing: UInt64(offset)))) + offset % Self.pageSize
    }

    /// The word at `offset` as `node` sees it; another node may change it meanwhile.
    func word(_ offset: Int, on node: Int) -> UnsafeMutablePointer<Atomic<UInt64>> {
        unsafe address(offset, on: node).assumingMemoryBound(to: Atomic<UInt64>.self)
    }

    /// Memory as a thread behind one of the node's devices sees it.
    func access(on node: Int, life: MachineLife) -> GuestMemoryAccess {
        GuestMemoryAccess(memory: memories[node], ram: [0..<UInt64(pages * PageNumber.size)], life: life)
    }

    func snapshot(of node: Int) -> CoherenceSnapshot? { loops[node].snapshot() }

    /// Ends the loops. Threads that still wait for a page get zeros.
    func stop() {
        for loop in loops { loop.drain() }
        for loop in loops { loop.quit() }
        for thread in threads { thread.join() }
    }
}
