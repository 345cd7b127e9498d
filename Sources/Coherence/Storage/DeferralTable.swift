/// Another node's request that waits here until the page's hold is over.
struct Deferral: BitwiseCopyable {
    var page: PageNumber
    /// `forwardShared`, `forwardExclusive` or `invalidate`.
    var kind: Message.Kind
    var requester: NodeID
    var acks: UInt8
    var deadline: Instant
}

/// The deferred requests, unordered, with the earliest deadline at hand. At most one per page, because the home starts no
/// second transaction for a page before the first is over. Few at a time: only pages in their hold.
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
        if let earliest, earliest < deferral.deadline { return }
        earliest = deferral.deadline
    }

    /// Removes the deferral of `page`. O(deferrals).
    mutating func remove(_ page: PageNumber) -> Deferral? {
        for position in 0..<count where items[position].page == page { return remove(at: position) }
        return nil
    }

    /// Removes one whose deadline has come, or returns nil. O(deferrals).
    mutating func popDue(now: Instant) -> Deferral? {
        guard let earliest, !(now < earliest) else { return nil }
        for position in 0..<count where !(now < items[position].deadline) { return remove(at: position) }
        return nil
    }

    private mutating func remove(at position: Int) -> Deferral {
        let deferral = items[position]
        count &-= 1
        items[position] = items[count]
        earliest = nil
        for other in 0..<count {
            let deadline = items[other].deadline
            if let current = earliest, !(deadline < current) { continue }
            earliest = deadline
        }
        return deferral
    }
}
