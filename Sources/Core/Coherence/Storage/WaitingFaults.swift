/// Request slots that wait for room in the cache, first come first served.
struct WaitingFaults: ~Copyable {
    private var ring: Table<Int32>
    private var head = 0
    private(set) var count = 0

    init(capacity: Int) { ring = Table(count: capacity, repeating: 0) }

    private init(_ ring: consuming Table<Int32>, _ head: Int, _ count: Int) {
        self.ring = ring
        self.head = head
        self.count = count
    }

    func copy() -> WaitingFaults { WaitingFaults(ring.copy(), head, count) }

    var byteCount: Int { ring.byteCount }

    mutating func append(_ slot: Int) {
        ring[(head &+ count) % ring.count] = Int32(truncatingIfNeeded: slot)
        count &+= 1
    }

    mutating func popFirst() -> Int? {
        guard count > 0 else { return nil }
        let slot = Int(ring[head])
        head = (head &+ 1) % ring.count
        count &-= 1
        return slot
    }
}
