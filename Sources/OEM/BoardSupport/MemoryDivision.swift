internal import Contract

/// How a node divides its board's memory: what stays with the firmware, the slice that it lends, and the cache for other nodes' pages.
public struct MemoryDivision: Equatable, Sendable, Codable {
    /// What a board has and is asked for.
    public struct Demand: Equatable, Sendable {
        /// The board's memory, as Linux counts System RAM.
        public var physicalMiB: Int
        /// For the firmware's kernel, its drivers and programs: the board's `firmware-reserve-mib`.
        public var reserveMiB: Int
        /// Boards of the machine.
        public var nodes: Int
        /// What the stick says; nil leaves it to the node.
        public var sliceMiB: Int?
        public var cacheMiB: Int?
        /// All slices together, where that is known; nil takes the others for as large as this node's, and for twice that where the node chooses it.
        public var machineMiB: Int?
        public var kernel: MemoryBudget.KernelBytes

        public init(
            physicalMiB: Int, reserveMiB: Int, nodes: Int, sliceMiB: Int? = nil, cacheMiB: Int? = nil, machineMiB: Int? = nil,
            kernel: MemoryBudget.KernelBytes
        ) {
            self.physicalMiB = physicalMiB
            self.reserveMiB = reserveMiB
            self.nodes = nodes
            self.sliceMiB = sliceMiB
            self.cacheMiB = cacheMiB
            self.machineMiB = machineMiB
            self.kernel = kernel
        }

        /// What lacks for the least slice and cache; nil when nothing does.
        var leastShortage: MemoryShortage? {
            let least = MemoryDivision(self, sliceMiB: Limits.sliceMiB.lowerBound, cacheMiB: MemoryDivision.leastCacheMiB)
            return least.holds ? nil : MemoryShortage(asked: least, nodes: nodes, largestSliceMiB: nil)
        }

        /// The kernel's 64 bytes for each page of the board (struct page).
        var kernelPages: MemoryBudget.Part { .init(what: "the kernel's record of each page of the board", bytes: physicalMiB << 14) }
    }

    /// The least cache that a node takes by itself.
    static let leastCacheMiB = 32

    public let physicalMiB: Int
    public let sliceMiB: Int
    public let cacheMiB: Int
    /// What the firmware keeps, and what for.
    public let parts: [MemoryBudget.Part]

    /// What the firmware needs.
    public var neededMiB: Int { parts.reduce(0) { $0 + $1.mebibytes } }
    public var firmwareMiB: Int { physicalMiB - sliceMiB - cacheMiB }
    public var holds: Bool { sliceMiB + cacheMiB + neededMiB <= physicalMiB }

    /// What the firmware's part is for.
    package var text: String {
        "memory: \(physicalMiB) MiB = firmware \(firmwareMiB) + slice \(sliceMiB) + cache \(cacheMiB); the firmware's part needs \(neededMiB): "
            + parts.map { "\($0.what) \($0.mebibytes)" }.joined(separator: ", ")
    }

    /// A slice and a cache as they are, whether they hold or not.
    public init(_ demand: Demand, sliceMiB: Int, cacheMiB: Int) {
        self.init(demand, sliceMiB: sliceMiB, cacheMiB: cacheMiB, like: SmallEngine(nodes: demand.nodes))
    }

    private init(_ demand: Demand, sliceMiB: Int, cacheMiB: Int, like engine: SmallEngine) {
        physicalMiB = demand.physicalMiB
        self.sliceMiB = sliceMiB
        self.cacheMiB = cacheMiB
        // Boards need not be alike: one that chooses its slice leaves room for others that lend more.
        let machine = demand.machineMiB.map { max($0, sliceMiB) } ?? (demand.sliceMiB == nil ? sliceMiB * (2 * demand.nodes - 1) : nil)
        let budget = MemoryBudget(
            slicePages: sliceMiB << 8, cachePages: cacheMiB << 8, machinePages: machine.map { $0 << 8 }, kernel: demand.kernel, like: engine)
        parts = [.init(what: "kernel, drivers and programs (firmware-reserve-mib)", bytes: demand.reserveMiB << 20), demand.kernelPages] + budget.parts
    }

    /// Gives the slice what is left; the cache is an eighth of both where nobody says otherwise.
    ///
    /// - Throws: where the board does not hold what it is asked for, or not the least slice.
    public init(_ demand: Demand) throws(MemoryShortage) {
        let engine = SmallEngine(nodes: demand.nodes)
        func division(lending lent: Int) -> MemoryDivision {
            let cache = demand.cacheMiB ?? max(Self.leastCacheMiB, lent / 8)
            return MemoryDivision(demand, sliceMiB: demand.sliceMiB.map { $0 & ~1 } ?? max(0, (lent - cache) & ~1), cacheMiB: cache, like: engine)
        }
        let least = Limits.sliceMiB.lowerBound
        // The most that holds: what is needed beside grows with what is lent.
        func most(_ division: (Int) -> MemoryDivision) -> MemoryDivision {
            var (holds, tooMuch) = (0, max(1, demand.physicalMiB) + 1)
            while tooMuch - holds > 1 {
                let middle = (holds + tooMuch) / 2
                if division(middle).holds { holds = middle } else { tooMuch = middle }
            }
            return division(holds)
        }
        let chosen = most(division(lending:))
        guard chosen.holds, chosen.sliceMiB >= least else {
            let cache = demand.cacheMiB ?? (demand.sliceMiB == nil ? Self.leastCacheMiB : chosen.cacheMiB)
            // As it would be judged if the stick said it.
            let largest = most { slice in
                var named = demand
                named.sliceMiB = slice & ~1
                return MemoryDivision(named, sliceMiB: slice & ~1, cacheMiB: cache, like: engine)
            }
            let asked = MemoryDivision(demand, sliceMiB: demand.sliceMiB ?? least, cacheMiB: chosen.cacheMiB)
            throw MemoryShortage(asked: asked, nodes: demand.nodes, largestSliceMiB: largest.holds && largest.sliceMiB >= least ? largest.sliceMiB : nil)
        }
        self = chosen
    }
}

/// A board's memory does not hold what its node is to lend.
public struct MemoryShortage: Error, Equatable, Sendable, CustomStringConvertible {
    public let asked: MemoryDivision
    public let nodes: Int
    /// What would hold with this cache; nil when not even the least slice does.
    public let largestSliceMiB: Int?

    public init(asked: MemoryDivision, nodes: Int, largestSliceMiB: Int?) {
        self.asked = asked
        self.nodes = nodes
        self.largestSliceMiB = largestSliceMiB
    }

    public var description: String {
        let needs = asked.parts.map { "\($0.what) \($0.mebibytes)" }.joined(separator: ", ")
        let remedy = largestSliceMiB.map { "set slice-mib to at most \($0) with cache-mib \(asked.cacheMiB), or add memory" }
            ?? "that leaves less than the least slice of \(Limits.sliceMiB.lowerBound) MiB: set a smaller cache-mib, take fewer boards, or add memory"
        return "\(asked.physicalMiB) MiB do not hold a slice of \(asked.sliceMiB) MiB, a cache of \(asked.cacheMiB) MiB and the \(asked.neededMiB) MiB that these need "
            + "beside them in a machine of \(nodes) boards (\(needs)): \(remedy)"
    }
}
