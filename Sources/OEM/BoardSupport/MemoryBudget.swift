public import Coherence

/// What a node's memory goes into, in bytes, when everything that it promises is in use: its slice and cache, and what these need beside
/// themselves. docs/coherence.md, "Memory for each page", says which figures were measured and which were computed.
public struct MemoryBudget: Sendable {
    /// What the node's kernel takes for a page of the guest.
    public struct KernelBytes: Equatable, Sendable {
        /// Memory slots that cover the machine: two where a helper processor has one of its own.
        public var slots: Int
        /// Of a slot, for each page that it covers, touched or not.
        public var slot: Double
        /// Page tables of the process, for each page that is there and has its neighbours.
        public var hostTables: Double
        /// KVM's page tables and its records in them, for each page that is there and has its neighbours.
        public var guestTables: Double

        public init(slots: Int, slot: Double, hostTables: Double, guestTables: Double) {
            self.slots = slots
            self.slot = slot
            self.hostTables = hostTables
            self.guestTables = guestTables
        }

        /// AMD with `npt=0`: measured by node-benchmark memory on a KVM that shadows, the guest mapping each page by 4 KiB for a program
        /// and by 2 MiB for itself, as Linux does.
        public static let shadowPaging = KernelBytes(slots: 2, slot: 10.05, hostTables: 8.02, guestTables: 173)
        /// Intel with EPT: one entry of 8 bytes a page, and a slot's record of each 2 MiB (Linux 6.1, arch/x86/kvm/x86.c,
        /// kvm_alloc_memslot_metadata; without shadow roots it has no reverse maps). Not measured.
        public static let extendedPaging = KernelBytes(slots: 1, slot: 0.01, hostTables: 8.02, guestTables: 8.02)
    }

    /// What a node has for each other node, in bytes. A test holds these against the rooms that allocate them.
    public enum Links {
        /// Send ring of the coherence connection; all other rings.
        public static let coherenceSendRing = 4 << 20
        public static let ring = 1 << 20
        /// A connection's ring of sealed records, and what its send ring keeps beyond its size until it is acknowledged.
        public static let sealed = 256 << 10
        public static let acknowledgedAt = 64 << 10
        /// Buffers for differences of pages, out and in.
        public static let differences = 2 * 16 * 4104
        /// The kernel's buffers of both sockets. Linux lets them grow to 4 and 6 MiB; a page protocol with its few messages under way does not.
        public static let sockets = 1 << 20
        public static let peer = coherenceSendRing + 3 * ring + 2 * (sealed + acknowledgedAt) + differences + sockets
        /// Histories of the pages that travelled, of all links together.
        public static let histories = 32 << 20
    }

    /// One use of the memory.
    public struct Part: Equatable, Sendable, Codable {
        public var what: String
        public var bytes: Int

        /// Rounded up.
        public var mebibytes: Int { (bytes + (1 << 20) - 1) >> 20 }
    }

    /// The engine's tables.
    public let engine: StateBytes
    public let slots: Int
    /// Page tables of the process and of KVM, for pages that have their neighbours.
    public let hostTables: Int
    public let guestTables: Int
    /// Page tables that the pages of the cache take beside that, when each lies in another 2 MiB.
    public let scatteredTables: Int
    /// Rings, buffers and histories, and pages that have come and wait for acknowledgements.
    public let links: Int
    /// Slice and cache.
    public let lent: Int

    public var total: Int { engine.total + slots + hostTables + guestTables + scatteredTables + links }
    /// Of the slice and the cache together.
    public var share: Double { Double(total) / Double(lent) }

    /// - Parameters:
    ///   - slicePages: this node's.
    ///   - cachePages: most pages of other homes that a node holds.
    ///   - machinePages: of all slices; nil for nodes that are all alike.
    public init(nodes: Int, slicePages: Int, cachePages: Int, machinePages: Int? = nil, kernel: KernelBytes) {
        self.init(slicePages: slicePages, cachePages: cachePages, machinePages: machinePages, kernel: kernel, like: SmallEngine(nodes: nodes))
    }

    /// - Parameter small: an engine of as many nodes.
    init(slicePages: Int, cachePages: Int, machinePages: Int?, kernel: KernelBytes, like small: SmallEngine) {
        let nodes = small.nodes
        let (machine, there) = (machinePages ?? nodes * slicePages, slicePages + cachePages)
        engine = StateBytes(machinePages: machine, slicePages: slicePages, cachePages: cachePages, like: small.engine)
        slots = Int(Double(machine * (nodes > 1 ? kernel.slots : 1)) * kernel.slot)
        hostTables = Int(Double(there) * kernel.hostTables)
        guestTables = Int(Double(there) * kernel.guestTables)
        let others = max(0, machine - slicePages)
        scatteredTables = min(cachePages, others / 512) * 2 * PageNumber.size
        links = nodes > 1 ? (nodes - 1) * Links.peer + Links.histories + small.engine.parkingSlots * PageNumber.size : 0
        lent = there * PageNumber.size
    }

    /// What it sums up, each with its name.
    public var parts: [Part] {
        [
            Part(what: "page states, directory and cache", bytes: engine.total),
            Part(what: "KVM's memory slots", bytes: slots),
            Part(what: "page tables", bytes: hostTables + guestTables + scatteredTables),
            Part(what: "links to the other nodes", bytes: links),
        ]
    }
}

/// Tells what an engine takes that does not grow with its pages.
final class SmallEngine {
    let nodes: Int
    let engine: Engine

    init(nodes: Int) {
        let home = HomeMap.Range(first: PageNumber(0), count: 512, home: NodeID(0))
        guard let homes = try? HomeMap([home]) else { preconditionFailure("one range is a map") }
        self.nodes = nodes
        engine = Engine(configuration: EngineConfiguration(node: NodeID(0), nodeCount: nodes, homes: homes, cacheLimit: 128))
    }
}
