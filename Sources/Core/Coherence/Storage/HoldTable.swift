/// Until when a page brought in by a fault is kept, and for which processor.
struct Hold: BitwiseCopyable {
    var page: PageNumber
    var processor: UInt16
    /// Against every node.
    var firmUntil: Instant
    /// Against nodes of higher number.
    var until: Instant
    /// Until when the holding processor is remembered.
    var rememberedUntil: Instant
}

/// The most recent holds, also for a while after they are over: a ring in order of installation, found by page. When the ring is full the oldest hold ends
/// early; a ring of eight per outstanding fault holds more than the pages any set of waiting instructions needs.
struct HoldTable: ~Copyable {
    private var ring: Table<Hold>
    private var index: PageIndex
    private var head = 0
    private(set) var count = 0

    init(capacity: Int) {
        let never = Instant(nanoseconds: 0)
        ring = Table(count: capacity, repeating: Hold(page: PageNumber(0), processor: 0, firmUntil: never, until: never, rememberedUntil: never))
        index = PageIndex(capacity: capacity)
    }

    private init(_ ring: consuming Table<Hold>, _ index: consuming PageIndex, _ head: Int, _ count: Int) {
        self.ring = ring
        self.index = index
        self.head = head
        self.count = count
    }

    func copy() -> HoldTable { HoldTable(ring.copy(), index.copy(), head, count) }

    var byteCount: Int { ring.byteCount + index.byteCount }

    @inline(__always)
    func hold(of page: PageNumber) -> Hold? {
        guard count > 0, let position = index[page] else { return nil }
        return ring[position]
    }

    mutating func start(_ hold: Hold, now: Instant) {
        if let position = index[hold.page] {
            ring[position] = hold
            return
        }
        expire(now: now, limit: 4)
        if count == ring.count { removeOldest() }
        var position = head &+ count
        if position >= ring.count { position &-= ring.count }
        ring[position] = hold
        index.insert(hold.page, position)
        count &+= 1
    }

    /// Forgets at most `limit` holds, oldest first.
    mutating func expire(now: Instant, limit: Int) {
        var left = limit
        while left > 0, count > 0, !(now < ring[head].rememberedUntil) {
            removeOldest()
            left &-= 1
        }
    }

    private mutating func removeOldest() {
        index.remove(ring[head].page)
        head = head &+ 1 == ring.count ? 0 : head &+ 1
        count &-= 1
    }
}
