/// One node's side of the page protocol: holder of copies, requester, and home of its own slice. A pure state machine:
/// entry points take what happened and the time, and append what has to be done to an `EffectBuffer`.
///
/// Every call appends to the buffer; the driver executes the effects in order and empties it before the next call. No
/// entry point but `use` allocates. See docs/coherence.md for the protocol.
public struct Engine: ~Copyable {
    /// Most effects one call appends.
    public static var maximumEffects: Int { 2048 }
    /// `expire` starts nothing new once it has appended so many effects: one step may append some hundreds.
    static var effectsPerExpiry: Int { 1024 }

    let node: NodeID
    let nodeCount: Int
    let totalPages: UInt32
    let cacheLimit: Int
    /// Most pages of other homes held or on their way: the limit and what may be outstanding when it is reached.
    let cacheCapacity: Int
    let minimumHold: UInt64
    let maximumHold: UInt64
    let outstandingFaults: Int
    let prefetchSlots: Int

    /// What policies are made from, those in effect among it; `use` switches to others.
    var policyContext: PolicyContext
    var policy: Policies

    var ranges: HomeRanges
    /// One byte for each page of the machine.
    var states: Table<PageFlags>
    /// One entry for each page of this node's slice.
    var directory: Table<DirectoryEntry>
    /// Pages of this home touched in each 2 MiB block.
    var touchedInBlock: Table<UInt16>

    var requests: RequestTable
    var queues: RequestQueues
    /// Most requests that wait at this home before another node's is refused, which no correct node causes: this node's own find room still.
    let queueLimit: Int
    var holds: HoldTable
    var deferrals: DeferralTable
    var cache: RemotePageCache
    var asks: PrefetchAsks
    var waiting: WaitingFaults
    /// Page number + 1 of each processor's latest fault. It still waits if the page is still requested.
    var latestFault: Table<UInt32>
    /// The fault being handled is for the same page as its processor's one before.
    var isSameFault = false
    /// How many faults each processor has had.
    var faultCounts: Table<UInt32>
    /// Requests for pages sent to each home, and received from each node: they tell an invalidation for a copy that is on its way
    /// from one for a copy dropped before the page was asked for again.
    var sentRequests: Table<UInt64>
    var receivedRequests: Table<UInt64>
    var contention: ContentionTable
    var hot: HotPageTable

    /// Requests on their way that will each bring in a page of another home.
    var fills = 0
    /// Pages written back and to be dropped when the home has acknowledged.
    var leaving = 0
    /// The time of the present call.
    var clock = Instant(nanoseconds: 0)
    /// When to look again whether a waiting fault has room.
    var retryAt: Instant?

    public internal(set) var statistics = Statistics()

    /// - Precondition: 1 ... 64 nodes, the node among them; at least one outstanding fault; every home is a node.
    public init(configuration: EngineConfiguration) {
        let outstanding = configuration.outstandingFaults
        precondition(
            (1...NodeID.limit).contains(configuration.nodeCount) && Int(configuration.node.rawValue) < configuration.nodeCount,
            "1 to 64 nodes, this one among them")
        precondition(outstanding > 0 && configuration.cacheLimit > 0, "room for a fault and for a page")
        precondition(
            configuration.homes.ranges.allSatisfy { Int($0.home.rawValue) < configuration.nodeCount },
            "every home is a node of the machine")
        precondition(configuration.homes.totalPages <= configuration.totalPages, "every homed page is below totalPages")
        node = configuration.node
        nodeCount = configuration.nodeCount
        totalPages = configuration.totalPages
        cacheLimit = configuration.cacheLimit
        minimumHold = configuration.minimumHold
        maximumHold = max(configuration.maximumHold, configuration.minimumHold)
        outstandingFaults = outstanding
        prefetchSlots = min(64, outstanding)
        cacheCapacity = configuration.cacheLimit + outstanding + prefetchSlots

        policyContext = PolicyContext(
            policies: configuration.policies, processors: outstanding, cacheLimit: configuration.cacheLimit,
            pageTime: configuration.pageTime)
        policy = Policies(policyContext)

        ranges = HomeRanges(configuration.homes, node: configuration.node)
        states = Table(count: Int(configuration.totalPages), repeating: PageFlags(bits: 0))
        directory = Table(count: ranges.ownPages, repeating: DirectoryEntry(owner: configuration.node))
        touchedInBlock = Table(count: Int(configuration.totalPages) / Engine.pagesPerBlock + 1, repeating: 0)

        let tableBits: UInt64 = outstanding < 64 ? 1 : 6
        requests = RequestTable(capacity: outstanding + prefetchSlots)
        queueLimit = configuration.nodeCount * (outstanding + prefetchSlots)
        queues = RequestQueues(capacity: queueLimit + outstanding + prefetchSlots)
        holds = HoldTable(capacity: outstanding * 8)
        deferrals = DeferralTable(capacity: configuration.nodeCount * (outstanding + prefetchSlots))
        sentRequests = Table(count: configuration.nodeCount, repeating: 0)
        receivedRequests = Table(count: configuration.nodeCount, repeating: 0)
        cache = RemotePageCache(capacity: cacheCapacity)
        asks = PrefetchAsks(capacity: prefetchSlots)
        waiting = WaitingFaults(capacity: outstanding)
        latestFault = Table(count: outstanding, repeating: 0)
        faultCounts = Table(count: outstanding, repeating: 0)
        contention = ContentionTable(bits: tableBits)
        hot = HotPageTable(bits: tableBits)
    }

    /// The policies in effect.
    public var policies: PolicySet { policyContext.policies }

    /// Slots that `park` effects use: 0 ..< this.
    public var parkingSlots: Int { requests.capacity }

    /// Pages of other homes that this node holds: at most `cacheLimit` and a small reserve for faults on their way.
    public var heldPageCount: Int { cache.count }

    @inline(__always)
    func isHome(_ range: HomeRange) -> Bool { range.home == node }

    /// Index of the page's directory entry, at its home.
    @inline(__always)
    func directoryIndex(_ page: PageNumber, _ range: HomeRange) -> Int {
        range.directoryBase &+ Int(page.rawValue &- range.first)
    }

    /// The message to send instead of `message`, whose contents the driver has found to be zeros; nil when they have to be sent.
    public mutating func withoutZeros(_ message: Message) -> Message? {
        guard policy.zeroContents.isOn, message.kind == .data else { return nil }
        statistics.zeroContentsElided &+= 1
        statistics.bytesSent &-= UInt64(PageNumber.size)
        var result = message
        result.zero = true
        return result
    }

    /// Whether the driver should look for zeros in the contents of `message`.
    public func looksForZeros(_ message: Message) -> Bool { policy.zeroContents.isOn && message.kind == .data }

    /// Appends a `send` and counts it.
    @inline(__always)
    mutating func send(
        _ message: Message, to destination: NodeID, _ contents: Effect.Outgoing = .none, _ effects: inout EffectBuffer
    ) {
        statistics.sent.counts[Int(message.kind.rawValue)] &+= 1
        if message.pagesFollowing > 0 { policy.relays.sent(pages: message.pagesFollowing, now: clock) }
        statistics.bytesSent &+= UInt64(Message.encodedSize &+ message.pagesFollowing &* PageNumber.size)
        effects.append(.send(message, to: destination, contents: contents))
    }
}
