/// The pages of other homes that are held here, oldest first: first-in first-out with rotation of those in use, since no
/// access bits are to be had for pages that are mapped (Belady et al., "An anomaly in space-time characteristics of
/// certain programs running in a paging machine", CACM 12(6), 1969, gives the order's known weakness).
struct RemotePageCache: ~Copyable {
    struct Node: BitwiseCopyable {
        var page: PageNumber
        var previous: Int32
        var next: Int32
    }

    private var nodes: Table<Node>
    private var index: PageIndex
    private var oldest: Int32 = -1
    private var newest: Int32 = -1
    private var firstFree: Int32 = 0
    private(set) var count = 0

    init(capacity: Int) {
        nodes = Table(count: capacity, repeating: Node(page: PageNumber(0), previous: -1, next: -1))
        index = PageIndex(capacity: capacity)
        for slot in 0..<capacity { nodes[slot].next = slot + 1 < capacity ? Int32(slot + 1) : -1 }
    }

    static func byteCount(capacity: Int) -> Int {
        capacity * MemoryLayout<Node>.stride + PageIndex.byteCount(capacity: capacity)
    }

    private init(copying other: borrowing RemotePageCache) {
        nodes = other.nodes.copy()
        index = other.index.copy()
        oldest = other.oldest
        newest = other.newest
        firstFree = other.firstFree
        count = other.count
    }

    func copy() -> RemotePageCache { RemotePageCache(copying: self) }

    var byteCount: Int { nodes.byteCount + index.byteCount }

    /// - Precondition: `page` is not in the cache.
    mutating func insert(_ page: PageNumber) {
        precondition(firstFree >= 0, "more remote pages are held than the cache limit and the outstanding faults allow")
        let slot = firstFree
        firstFree = nodes[Int(slot)].next
        nodes[Int(slot)].page = page
        index.insert(page, Int(slot))
        count &+= 1
        append(slot)
    }

    mutating func remove(_ page: PageNumber) {
        guard let slot = index[page] else { return }
        index.remove(page)
        unlink(Int32(slot))
        nodes[slot].next = firstFree
        firstFree = Int32(slot)
        count &-= 1
    }

    /// The page that came first; it becomes the newest.
    mutating func rotate() -> PageNumber? {
        guard oldest >= 0 else { return nil }
        let slot = oldest
        unlink(slot)
        append(slot)
        return nodes[Int(slot)].page
    }

    private mutating func append(_ slot: Int32) {
        nodes[Int(slot)].previous = newest
        nodes[Int(slot)].next = -1
        if newest >= 0 { nodes[Int(newest)].next = slot } else { oldest = slot }
        newest = slot
    }

    private mutating func unlink(_ slot: Int32) {
        let node = nodes[Int(slot)]
        if node.previous >= 0 { nodes[Int(node.previous)].next = node.next } else { oldest = node.next }
        if node.next >= 0 { nodes[Int(node.next)].previous = node.previous } else { newest = node.previous }
    }
}
