/// What an engine is told when it starts.
public struct EngineConfiguration: Sendable {
    /// This node.
    public var node: NodeID
    /// Nodes in the machine: 1 ... 64.
    public var nodeCount: Int
    /// Whose page is whose.
    public var homes: HomeMap
    /// Pages of guest-physical memory, holes included; page numbers are below this.
    public var totalPages: UInt32
    /// Most pages of other homes to hold at once; the cache may pass it by the faults outstanding when all else is in use. With fewer
    /// than eight for each processor, instructions of six pages may put out each other's for ever.
    public var cacheLimit: Int
    /// How long a page brought in by a fault is kept, in nanoseconds: longer than the time from installing it
    /// to the guest running with it.
    public var minimumHold: UInt64
    /// Longest that a hold may grow to, in nanoseconds: more than the time of six remote faults and their holds.
    public var maximumHold: UInt64
    /// Most distinct pages that processors and devices of one node can wait for at once; the same on every node.
    public var outstandingFaults: Int
    public var policies: PolicySet
    /// Nanoseconds that a page's contents keep this node's port busy; 0 when nobody knows.
    public var pageTime: UInt64 = 0

    /// - Parameter minimumHold: nanoseconds; 50 us on the machines this was built on, 300 us in an emulated board.
    public init(
        node: NodeID, nodeCount: Int, homes: HomeMap, totalPages: UInt32? = nil, cacheLimit: Int,
        minimumHold: UInt64 = 50_000, maximumHold: UInt64? = nil, outstandingFaults: Int = 512, policies: PolicySet = .all
    ) {
        self.node = node
        self.nodeCount = nodeCount
        self.homes = homes
        self.totalPages = totalPages ?? homes.totalPages
        self.cacheLimit = cacheLimit
        self.minimumHold = minimumHold
        self.maximumHold = maximumHold ?? minimumHold * 256
        self.outstandingFaults = outstandingFaults
        self.policies = policies
    }
}
