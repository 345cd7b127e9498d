/// Remote faults by page, in fixed space: Space-Saving (Metwally, Agrawal and El Abbadi, "Efficient Computation of Frequent
/// and Top-k Elements in Data Streams", ICDT 2005) within sets of eight, so that a count costs one set. A count
/// may be too high by what the page it displaced had, never too low.
struct HotPageTable: ~Copyable {
    struct Entry: BitwiseCopyable {
        var page: UInt32
        var count: UInt32
    }

    private static let ways = 8
    private var entries: Table<Entry>
    private let shift: UInt64

    /// - Parameter bits: 2 to this power sets.
    init(bits: UInt64) {
        entries = Table(count: Self.ways << Int(bits), repeating: Entry(page: 0, count: 0))
        shift = 64 - bits
    }

    private init(_ entries: consuming Table<Entry>, shift: UInt64) {
        self.entries = entries
        self.shift = shift
    }

    func copy() -> HotPageTable { HotPageTable(entries.copy(), shift: shift) }

    var byteCount: Int { entries.byteCount }

    mutating func count(_ page: PageNumber) {
        let set = Int(truncatingIfNeeded: (UInt64(page.rawValue) &* 0x9E37_79B9_7F4A_7C15) >> shift) &* Self.ways
        var least = set
        for index in set..<(set &+ Self.ways) {
            if entries[index].count > 0, entries[index].page == page.rawValue {
                entries[index].count &+= entries[index].count == .max ? 0 : 1
                return
            }
            if entries[index].count < entries[least].count { least = index }
        }
        let count = entries[least].count
        entries[least] = Entry(page: page.rawValue, count: count == .max ? count : count &+ 1)
    }

    func hottest(_ limit: Int) -> [HotPage] {
        var list: [HotPage] = []
        for index in 0..<entries.count where entries[index].count > 0 {
            list.append(HotPage(page: PageNumber(entries[index].page), remoteFaults: UInt64(entries[index].count)))
        }
        list.sort { $0.remoteFaults != $1.remoteFaults ? $0.remoteFaults > $1.remoteFaults : $0.page < $1.page }
        return Array(list.prefix(limit))
    }
}
