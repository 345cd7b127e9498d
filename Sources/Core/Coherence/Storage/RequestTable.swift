/// One request of this node on its way. Its slot number is also the number of its parking slot.
struct Request: BitwiseCopyable {
    enum Kind: UInt8, BitwiseCopyable {
        case shared = 0
        case exclusive = 1
        case prefetch = 2
    }

    enum Arrival: UInt8, BitwiseCopyable {
        case nothing = 0
        /// The contents wait in the parking slot.
        case parked = 1
        /// No contents are needed.
        case granted = 2
    }

    var page: PageNumber
    var kind: Kind
    /// A processor waits for the page.
    var demanded: Bool
    /// The first that came to wait.
    var processor: UInt16 = 0
    var arrival: Arrival = .nothing
    /// What arrived, or will be granted, is the only copy.
    var exclusive = false
    /// Brings in a page that the cache has to make room for.
    var fills = false
    /// Not sent yet: it waits for room in the cache.
    var unsent = false
    /// Which of this node's requests to the home it is, counted from 1; none when it was not sent as one.
    var sequence: UInt64 = .max
    /// Acknowledgements to wait for; -1 until the home or the owner has said.
    var acksNeeded: Int16 = -1
    var acksReceived: Int16 = 0
    var nextFree: Int32 = -1
}

/// The requests on their way, found by page or by slot.
struct RequestTable: ~Copyable {
    private var slots: Table<Request>
    private var index: PageIndex
    private var firstFree: Int32
    /// Requests that a processor waits for.
    private(set) var demanded = 0
    private(set) var count = 0

    init(capacity: Int) {
        slots = Table(count: capacity, repeating: Request(page: PageNumber(0), kind: .shared, demanded: false))
        index = PageIndex(capacity: capacity)
        for slot in 0..<capacity { slots[slot].nextFree = slot + 1 < capacity ? Int32(slot + 1) : -1 }
        firstFree = 0
    }

    private init(_ slots: consuming Table<Request>, _ index: consuming PageIndex, _ free: Int32, _ demanded: Int, _ count: Int) {
        self.slots = slots
        self.index = index
        firstFree = free
        self.demanded = demanded
        self.count = count
    }

    func copy() -> RequestTable { RequestTable(slots.copy(), index.copy(), firstFree, demanded, count) }

    var byteCount: Int { slots.byteCount + index.byteCount }

    var capacity: Int { slots.count }
    var prefetches: Int { count - demanded }

    @inline(__always)
    func slot(of page: PageNumber) -> Int? { index[page] }

    subscript(slot: Int) -> Request {
        @inline(__always) get { slots[slot] }
        @inline(__always) set { slots[slot] = newValue }
    }

    /// - Precondition: no request for `page` exists; fewer processors wait than the configuration said.
    mutating func add(_ page: PageNumber, _ kind: Request.Kind, demanded isDemanded: Bool, processor: UInt16 = 0) -> Int {
        precondition(firstFree >= 0, "more distinct pages are waited for than the configuration's outstandingFaults")
        let slot = Int(firstFree)
        firstFree = slots[slot].nextFree
        slots[slot] = Request(page: page, kind: kind, demanded: isDemanded, processor: processor)
        index.insert(page, slot)
        count &+= 1
        if isDemanded { demanded &+= 1 }
        return slot
    }

    /// A processor has come to wait for a page that was only being prefetched.
    mutating func demand(_ slot: Int, processor: UInt16) {
        guard !slots[slot].demanded else { return }
        slots[slot].processor = processor
        slots[slot].demanded = true
        demanded &+= 1
    }

    mutating func remove(_ slot: Int) {
        index.remove(slots[slot].page)
        count &-= 1
        if slots[slot].demanded { demanded &-= 1 }
        slots[slot].nextFree = firstFree
        firstFree = Int32(slot)
    }
}
