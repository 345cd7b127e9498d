package import Contract

/// Which processors and which memory the one machine has, and which node lends what. Every node computes the same
/// layout from the same list; tables, page homes, APIC ids and CPUID leaves are all derived from it.
package struct MachineLayout: Sendable, Equatable {
    /// What one node lends.
    package struct NodeDescription: Sendable, Equatable {
        package var sockets: Int
        package var coresPerSocket: Int
        package var threadsPerCore: Int
        /// Memory lent to the machine, in MiB; even, because slices are aligned to 2 MiB.
        package var sliceMiB: Int

        package init(sockets: Int, coresPerSocket: Int, threadsPerCore: Int, sliceMiB: Int) {
            self.sockets = sockets
            self.coresPerSocket = coresPerSocket
            self.threadsPerCore = threadsPerCore
            self.sliceMiB = sliceMiB
        }
    }

    package struct Processor: Sendable, Equatable {
        /// Position in the machine, 0 is the bootstrap processor.
        package let index: Int
        package let apicID: APICID
        package let node: NodeIndex
        /// Package number, unique over the machine.
        package let socket: Int
        package let core: Int
        package let thread: Int
        /// Position among its node's processors.
        package let indexInNode: Int
    }

    /// A piece of RAM with one home.
    package struct MemoryRange: Sendable, Equatable {
        package let node: NodeIndex
        package let start: GuestAddress
        /// Bytes.
        package let size: UInt64
        package var end: GuestAddress { GuestAddress(start.rawValue + size) }
    }

    package let nodes: [NodeDescription]
    /// By index; node by node, socket by socket, core by core.
    package let processors: [Processor]
    /// Ascending. A slice that meets the hole below 4 GiB is two ranges.
    package let memory: [MemoryRange]
    /// Bits of an APIC id below the core number, and below the package number; the same on every node.
    package let threadBits: Int
    package let packageShift: Int
    /// SLIT distances, 10 on the diagonal.
    package let distances: [[UInt8]]

    /// RAM stops here and goes on at 4 GiB; between them are devices, the I/O APIC and the local APICs.
    package static let holeStart: UInt64 = 3 << 30
    package static let holeEnd: UInt64 = 4 << 30
    package static let ioAPICBase = GuestAddress(0xFEC0_0000)
    package static let localAPICBase = GuestAddress(0xFEE0_0000)
    /// Distance of two boards. Above 30 (RECLAIM_DISTANCE) Linux reclaims local memory before it takes remote memory
    /// and does not move a waking or new process to another node; periodic balancing still fills idle nodes.
    package static let defaultRemoteDistance: UInt8 = 40
    /// KVM_MAX_VCPU_IDS of Debian's 6.1 kernel (4 x 1024).
    package static let processorLimit = 4096

    /// - Parameter remoteDistance: SLIT distance between any two different nodes, 11...254.
    package init(
        nodes: [NodeDescription], remoteDistance: UInt8 = MachineLayout.defaultRemoteDistance
    ) throws(MachineLayoutError) {
        guard Limits.nodes.contains(nodes.count) else { throw .nodeCount(nodes.count) }
        guard (11...254).contains(remoteDistance) else { throw .distance(remoteDistance) }
        for (i, node) in nodes.enumerated() {
            guard (1...64).contains(node.sockets), (1...1024).contains(node.coresPerSocket),
                (1...16).contains(node.threadsPerCore)
            else { throw .processors(node: NodeIndex(i), node) }
            let least = i == 0 ? Limits.sliceMiB.lowerBound : 2
            guard node.sliceMiB >= least, node.sliceMiB % 2 == 0, node.sliceMiB <= Limits.sliceMiB.upperBound else {
                throw .slice(node: NodeIndex(i), mib: node.sliceMiB, least: least)
            }
        }
        threadBits = Self.bits(for: nodes.map(\.threadsPerCore).max() ?? 1)
        packageShift = threadBits + Self.bits(for: nodes.map(\.coresPerSocket).max() ?? 1)
        let sockets = nodes.reduce(0) { $0 + $1.sockets }
        guard sockets << packageShift <= Self.processorLimit else { throw .tooManyProcessors(sockets << packageShift) }

        self.nodes = nodes
        processors = Self.enumerate(nodes, threadBits: threadBits, packageShift: packageShift)
        memory = Self.map(nodes)
        distances = nodes.indices.map { a in nodes.indices.map { b in a == b ? 10 : remoteDistance } }
    }

    private static func bits(for count: Int) -> Int { count <= 1 ? 0 : Int.bitWidth - (count - 1).leadingZeroBitCount }

    private static func enumerate(_ nodes: [NodeDescription], threadBits: Int, packageShift: Int) -> [Processor] {
        var result: [Processor] = []
        var socket = 0
        for (n, node) in nodes.enumerated() {
            let first = result.count
            for _ in 0..<node.sockets {
                for core in 0..<node.coresPerSocket {
                    for thread in 0..<node.threadsPerCore {
                        let id = UInt32(socket << packageShift | core << threadBits | thread)
                        result.append(
                            Processor(
                                index: result.count, apicID: APICID(id), node: NodeIndex(n), socket: socket, core: core,
                                thread: thread, indexInNode: result.count - first))
                    }
                }
                socket += 1
            }
        }
        return result
    }

    private static func map(_ nodes: [NodeDescription]) -> [MemoryRange] {
        var result: [MemoryRange] = []
        var next: UInt64 = 0
        for (n, node) in nodes.enumerated() {
            var left = UInt64(node.sliceMiB) << 20
            if next < holeStart {
                let here = min(left, holeStart - next)
                result.append(MemoryRange(node: NodeIndex(n), start: GuestAddress(next), size: here))
                next += here
                left -= here
                if next == holeStart { next = holeEnd }
            }
            if left > 0 {
                result.append(MemoryRange(node: NodeIndex(n), start: GuestAddress(next), size: left))
                next += left
            }
        }
        return result
    }
}

extension MachineLayout {
    package func processors(ofNode node: NodeIndex) -> ArraySlice<Processor> {
        guard let first = processors.firstIndex(where: { $0.node == node }) else { return [] }
        let rest = processors[first...]
        return rest.prefix { $0.node == node }
    }

    package func processor(_ id: APICID) -> Processor? { processors.first { $0.apicID == id } }

    /// First address past all RAM.
    package var memoryEnd: GuestAddress { memory.last?.end ?? GuestAddress(0) }

    /// End of node 0's memory below the hole: where initrd and, on large machines, the ACPI tables go.
    package var lowMemoryEndOfFirstNode: GuestAddress { memory[0].end }

    /// Bits of a physical address that the machine needs; CPUID offers at least this many.
    package var physicalAddressBits: Int { max(36, 64 - (memoryEnd.rawValue - 1).leadingZeroBitCount) }

    /// Whether processors have to start in x2APIC mode because some ids do not fit an xAPIC.
    package var needsX2APICAtStart: Bool { processors.contains { $0.apicID.rawValue >= 255 } }
}

/// Why a list of nodes cannot become a machine.
package enum MachineLayoutError: Error, Equatable, CustomStringConvertible {
    case nodeCount(Int)
    case processors(node: NodeIndex, MachineLayout.NodeDescription)
    case slice(node: NodeIndex, mib: Int, least: Int)
    case tooManyProcessors(Int)
    case distance(UInt8)

    /// The node that it is about.
    package var node: NodeIndex? {
        switch self {
        case .processors(let node, _), .slice(let node, _, _): node
        case .nodeCount, .tooManyProcessors, .distance: nil
        }
    }

    package var description: String {
        switch self {
        case .nodeCount(let n): "a machine of \(n) nodes: 1 to \(Limits.nodes.upperBound) are supported"
        case .processors(let node, let d):
            "node \(node) lends \(d.sockets) x \(d.coresPerSocket) x \(d.threadsPerCore) processors: "
                + "1...64 sockets, 1...1024 cores and 1...16 threads are supported"
        case .slice(let node, let mib, let least):
            "node \(node) lends \(mib) MiB: give an even number of MiB, \(least) or more"
        case .tooManyProcessors(let n):
            "the machine needs APIC ids up to \(n), the kernel's KVM allows \(MachineLayout.processorLimit): use fewer nodes"
        case .distance(let d): "node distance \(d): use 11...254"
        }
    }
}
