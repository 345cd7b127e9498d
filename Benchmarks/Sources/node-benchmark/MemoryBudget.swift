import Coherence

/// What a node needs beside the pages of its slice and its cache, in bytes, when all of them are there: the engine's state, KVM's records
/// and the page tables. docs/coherence.md has the figures.
struct MemoryBudget: Sendable {
    /// What the node's kernel takes for a page.
    struct KernelBytes: Equatable, Sendable {
        /// Memory slots that cover the machine: two where a `ShadowForgetter` has one of its own.
        var slots: Int
        /// Of a slot, for each page that it covers, touched or not.
        var slot: Double
        /// Page tables of the process, for each page that is there and has its neighbours.
        var hostTables: Double
        /// KVM's page tables and its records in them, for each page that is there and has its neighbours.
        var guestTables: Double

        init(slots: Int, slot: Double, hostTables: Double, guestTables: Double) {
            self.slots = slots
            self.slot = slot
            self.hostTables = hostTables
            self.guestTables = guestTables
        }

        /// AMD with `npt=0`: measured by node-benchmark memory on a KVM that shadows, the guest mapping each page by 4 KiB for a program
        /// and by 2 MiB for itself, as Linux does.
        static let shadowPaging = KernelBytes(slots: 2, slot: 10.05, hostTables: 8.02, guestTables: 173)
        /// Intel with EPT: one entry of 8 bytes a page, and a slot's record of each 2 MiB (Linux 6.1, arch/x86/kvm/x86.c,
        /// kvm_alloc_memslot_metadata; without shadow roots it has no reverse maps). Not measured.
        static let extendedPaging = KernelBytes(slots: 1, slot: 0.01, hostTables: 8.02, guestTables: 8.02)
    }

    let engine: StateBytes
    let slots: Int
    let hostTables: Int
    let guestTables: Int
    /// Slice and cache.
    let lent: Int

    var total: Int { engine.total + slots + hostTables + guestTables }
    /// Of the slice and the cache together.
    var share: Double { Double(total) / Double(lent) }

    /// - Parameters:
    ///   - slicePages: a node's; the machine has `nodes` times as many.
    ///   - cachePages: most pages of other homes that a node holds.
    init(nodes: Int, slicePages: Int, cachePages: Int, kernel: KernelBytes) {
        let home = HomeMap.Range(first: PageNumber(0), count: 512, home: NodeID(0))
        guard let homes = try? HomeMap([home]) else { preconditionFailure("one range is a map") }
        let small = Engine(
            configuration: EngineConfiguration(node: NodeID(0), nodeCount: nodes, homes: homes, cacheLimit: 128))
        let (machine, there) = (nodes * slicePages, slicePages + cachePages)
        engine = StateBytes(machinePages: machine, slicePages: slicePages, cachePages: cachePages, like: small)
        slots = Int(Double(machine * kernel.slots) * kernel.slot)
        hostTables = Int(Double(there) * kernel.hostTables)
        guestTables = Int(Double(there) * kernel.guestTables)
        lent = there * PageNumber.size
    }
}
