/// A request that waits at the home until the page's transaction is over.
struct QueuedRequest: BitwiseCopyable {
    var requester: NodeID
    var exclusive: Bool
    var next: Int32
}

/// The waiting requests of all pages of one home: circular lists in one pool, each kept by its tail. First come, first
/// served. Bounded because a node has at most one request for a page on its way, and so many requests in all.
struct RequestQueues: ~Copyable {
    private var pool: Table<QueuedRequest>
    private var firstFree: Int32
    private(set) var count = 0

    init(capacity: Int) {
        pool = Table(count: capacity, repeating: QueuedRequest(requester: NodeID(0), exclusive: false, next: -1))
        for index in 0..<capacity { pool[index].next = index + 1 < capacity ? Int32(index + 1) : -1 }
        firstFree = capacity > 0 ? 0 : -1
    }

    private init(_ pool: consuming Table<QueuedRequest>, _ free: Int32, _ count: Int) {
        self.pool = pool
        firstFree = free
        self.count = count
    }

    func copy() -> RequestQueues { RequestQueues(pool.copy(), firstFree, count) }

    var byteCount: Int { pool.byteCount }

    /// Adds a request behind `tail`; returns false when the pool is full, which no correct peer can cause.
    mutating func append(_ requester: NodeID, exclusive: Bool, tail: inout Int32) -> Bool {
        guard firstFree >= 0 else { return false }
        let new = firstFree
        firstFree = pool[Int(new)].next
        if tail < 0 {
            pool[Int(new)] = QueuedRequest(requester: requester, exclusive: exclusive, next: new)
        } else {
            pool[Int(new)] = QueuedRequest(requester: requester, exclusive: exclusive, next: pool[Int(tail)].next)
            pool[Int(tail)].next = new
        }
        tail = new
        count &+= 1
        return true
    }

    mutating func popFirst(tail: inout Int32) -> QueuedRequest? {
        guard tail >= 0 else { return nil }
        let first = pool[Int(tail)].next
        let request = pool[Int(first)]
        if first == tail { tail = -1 } else { pool[Int(tail)].next = request.next }
        pool[Int(first)].next = firstFree
        firstFree = first
        count &-= 1
        return request
    }

    /// Whether `requester` waits in this queue. O(queue).
    func contains(_ requester: NodeID, tail: Int32) -> Bool {
        guard tail >= 0 else { return false }
        var index = tail
        repeat {
            if pool[Int(index)].requester == requester { return true }
            index = pool[Int(index)].next
        } while index != tail
        return false
    }

    /// The requests of this queue, first to last.
    func contents(tail: Int32) -> [QueuedRequest] {
        guard tail >= 0 else { return [] }
        var list: [QueuedRequest] = []
        var index = pool[Int(tail)].next
        while true {
            list.append(pool[Int(index)])
            if index == tail { return list }
            index = pool[Int(index)].next
        }
    }
}
