/// A few plain values that are looked at one after the other. A new one takes the place of the one set longest ago.
struct RecentTable<Element: BitwiseCopyable>: ~Copyable {
    private var elements: Table<Element>
    /// Value of `clock` when each was set; 0 when never.
    private var times: Table<UInt64>
    private var clock: UInt64 = 0

    init(count: Int, repeating element: Element) {
        elements = Table(count: count, repeating: element)
        times = Table(count: count, repeating: 0)
    }

    private init(_ elements: consuming Table<Element>, _ times: consuming Table<UInt64>, _ clock: UInt64) {
        self.elements = elements
        self.times = times
        self.clock = clock
    }

    func copy() -> RecentTable { RecentTable(elements.copy(), times.copy(), clock) }

    var byteCount: Int { elements.byteCount + times.byteCount }

    var count: Int { elements.count }

    subscript(index: Int) -> Element {
        get { elements[index] }
        set {
            clock &+= 1
            times[index] = clock
            elements[index] = newValue
        }
    }

    /// Changes one without making it recent.
    mutating func update(_ index: Int, _ element: Element) { elements[index] = element }

    mutating func replaceOldest(with element: Element) {
        var oldest = 0
        for index in 0..<count where times[index] < times[oldest] { oldest = index }
        self[oldest] = element
    }
}
