/// Another node's request that waits here until the page's hold is over.
struct Deferral: BitwiseCopyable {
    var page: PageNumber
    /// `forwardShared`, `forwardExclusive` or `invalidate`.
    var kind: Message.Kind
    var requester: NodeID
    var acks: UInt8
    var deadline: Instant
    /// It waits for this node's own request to be complete, and only then for the hold.
    var isBehindRequest = false
}

/// The deferred requests, unordered, with the earliest deadline at hand. At most one write or some reads per page, because the home sends a
/// node nothing behind a write before the node has asked for the page again. Few at a time: only pages in their hold or on their way.
struct DeferralTable: ~Copyable {
    private var items: Table<Deferral>
    private(set) var count = 0
    private(set) var earliest: Instant?

    init(capacity: Int) {
        items = Table(
            count: capacity,
            repeating: Deferral(
                page: PageNumber(0), kind: .invalidate, requester: NodeID(0), acks: 0, deadline: Instant(nanoseconds: 0)))
    }

    private init(_ items: consuming Table<Deferral>, _ count: Int, _ earliest: Instant?) {
        self.items = items
        self.count = count
        self.earliest = earliest
    }

    func copy() -> DeferralTable { DeferralTable(items.copy(), count, earliest) }

    var isFull: Bool { count == items.count }

    subscript(position: Int) -> Deferral { items[position] }

    mutating func add(_ deferral: Deferral) {
        items[count] = deferral
        count &+= 1
        if deferral.isBehindRequest { return }
        if let earliest, earliest < deferral.deadline { return }
        earliest = deferral.deadline
    }

    /// One of `page`. O(deferrals).
    func deferral(of page: PageNumber) -> Deferral? {
        for position in 0..<count where items[position].page == page { return items[position] }
        return nil
    }

    /// Those of `page` wait for time now, and for nothing else. O(deferrals).
    mutating func takeUp(_ page: PageNumber, until deadline: Instant) {
        for position in 0..<count where items[position].page == page {
            items[position].isBehindRequest = false
            items[position].deadline = deadline
        }
        if let earliest, earliest < deadline { return }
        earliest = deadline
    }

    /// Removes a deferral of `page`. O(deferrals).
    mutating func remove(_ page: PageNumber) -> Deferral? {
        for position in 0..<count where items[position].page == page { return remove(at: position) }
        return nil
    }

    /// Removes one whose deadline has come, or returns nil. O(deferrals).
    mutating func popDue(now: Instant) -> Deferral? {
        guard let earliest, !(now < earliest) else { return nil }
        for position in 0..<count where !items[position].isBehindRequest && !(now < items[position].deadline) {
            return remove(at: position)
        }
        return nil
    }

    private mutating func remove(at position: Int) -> Deferral {
        let deferral = items[position]
        count &-= 1
        items[position] = items[count]
        earliest = nil
        for other in 0..<count where !items[other].isBehindRequest {
            let deadline = items[other].deadline
            if let current = earliest, !(deadline < current) { continue }
            earliest = deadline
        }
        return deferral
    }
}
