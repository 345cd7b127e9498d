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

/// The deferred requests, unordered, with the earliest deadline at hand. For each page some reads and at most one write behind them, because
/// the home sends a node nothing behind a write before the node has asked for the page again. Few at a time: only pages in their hold or
/// on their way.
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

    var byteCount: Int { items.byteCount }

    subscript(position: Int) -> Deferral { items[position] }

    /// Nothing more can wait. No correct node brings it so far: each has one request for a page, and so many in all.
    var isFull: Bool { count == items.count }

    /// Whether a request of `requester` for `page` waits. O(deferrals).
    func contains(_ page: PageNumber, _ requester: NodeID) -> Bool {
        for position in 0..<count where items[position].page == page && items[position].requester == requester { return true }
        return false
    }

    /// - Precondition: the table is not full.
    mutating func add(_ deferral: Deferral) {
        items[count] = deferral
        count &+= 1
        if deferral.isBehindRequest { return }
        if let earliest, earliest < deferral.deadline { return }
        earliest = deferral.deadline
    }

    /// What is to be answered next of what waits for `page`: a read if there is one. O(deferrals).
    func next(of page: PageNumber) -> Deferral? {
        var found: Deferral?
        for position in 0..<count where items[position].page == page {
            if items[position].kind == .forwardShared { return items[position] }
            found = items[position]
        }
        return found
    }

    /// What is to be answered last. O(deferrals).
    func last(of page: PageNumber) -> Deferral? {
        var found: Deferral?
        for position in 0..<count where items[position].page == page {
            if items[position].kind != .forwardShared { return items[position] }
            found = items[position]
        }
        return found
    }

    /// Marks every deferral of `page` as waiting only for its deadline. O(deferrals).
    mutating func setDeadline(_ page: PageNumber, _ deadline: Instant) {
        for position in 0..<count where items[position].page == page {
            items[position].isBehindRequest = false
            items[position].deadline = deadline
        }
        findEarliest()
    }

    /// O(deferrals).
    mutating func remove(_ deferral: Deferral) {
        for position in 0..<count where items[position].page == deferral.page && items[position].requester == deferral.requester {
            count &-= 1
            items[position] = items[count]
            findEarliest()
            return
        }
    }

    /// A page for which something waits whose deadline has come. O(deferrals).
    func duePage(now: Instant) -> PageNumber? {
        guard let earliest, !(now < earliest) else { return nil }
        for position in 0..<count where !items[position].isBehindRequest && !(now < items[position].deadline) {
            return items[position].page
        }
        return nil
    }

    private mutating func findEarliest() {
        earliest = nil
        for position in 0..<count where !items[position].isBehindRequest {
            let deadline = items[position].deadline
            if let current = earliest, !(deadline < current) { continue }
            earliest = deadline
        }
    }
}
