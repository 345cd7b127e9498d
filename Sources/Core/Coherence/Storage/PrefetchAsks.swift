/// The advance requests on their way, in the order sent, so that an answer tells which of their pages were refused.
struct PrefetchAsks: ~Copyable {
    struct Ask: BitwiseCopyable {
        var page: PageNumber
        var mask: UInt64
        /// What is refused is asked for by requests.
        var insists: Bool
    }

    private var items: Table<Ask>
    private(set) var count = 0

    init(capacity: Int) { items = Table(count: capacity, repeating: Ask(page: PageNumber(0), mask: 0, insists: false)) }

    private init(_ items: consuming Table<Ask>, _ count: Int) {
        self.items = items
        self.count = count
    }

    func copy() -> PrefetchAsks { PrefetchAsks(items.copy(), count) }

    var byteCount: Int { items.byteCount }

    subscript(position: Int) -> Ask { items[position] }

    mutating func add(_ ask: Ask) {
        items[count] = ask
        count &+= 1
    }

    /// Removes the oldest ask that starts at `page`. A home answers in the order it is asked.
    mutating func take(_ page: PageNumber) -> Ask? {
        for position in 0..<count where items[position].page == page {
            let ask = items[position]
            count &-= 1
            for later in position..<count { items[later] = items[later &+ 1] }
            return ask
        }
        return nil
    }
}
