/// How often instructions that need several pages have lost them while they waited for others: strikes, page by page. Sets of eight, more
/// than the pages one instruction can need: in a full set the page with the fewest strikes goes first, then the one lost longest ago, so
/// that the pages that an instruction keeps losing keep their strikes.
struct ContentionTable: ~Copyable {
    struct Entry: BitwiseCopyable {
        /// Page number + 1, 0 when empty.
        var key: UInt64 = 0
        var lost = Instant(nanoseconds: 0)
        /// The processor's count of faults when it lost the page.
        var count: UInt32 = 0
        /// The processor that waited for another page when it lost this one, -1 when none did.
        var processor: Int16 = -1
        var strikes: UInt8 = 0
    }

    /// Most pages that one instruction can need, those of the page tables that lead to them included.
    private static let pagesOfInstruction: UInt32 = 16
    private static let ways = 8
    private var entries: Table<Entry>
    private let shift: UInt64

    /// - Parameter bits: 2 to this power sets.
    init(bits: UInt64) {
        entries = Table(count: Self.ways << Int(bits), repeating: Entry())
        shift = 64 - bits
    }

    private init(_ entries: consuming Table<Entry>, shift: UInt64) {
        self.entries = entries
        self.shift = shift
    }

    func copy() -> ContentionTable { ContentionTable(entries.copy(), shift: shift) }

    var byteCount: Int { entries.byteCount }

    /// Where the page's entry is, or -1 - the place to put it.
    @inline(__always)
    private func position(_ key: UInt64) -> Int {
        let set = Int(truncatingIfNeeded: (key &* 0x9E37_79B9_7F4A_7C15) >> shift) &* Self.ways
        var least = set
        for index in set..<(set &+ Self.ways) {
            let entry = entries[index]
            if entry.key == key { return index }
            let worst = entries[least]
            if entry.strikes < worst.strikes || (entry.strikes == worst.strikes && entry.lost < worst.lost) { least = index }
        }
        return -1 &- least
    }

    /// Another node took the page; `processor`, if any, had brought it and waited for another page then, its `count`th fault.
    mutating func lost(_ page: PageNumber, by processor: Int?, count: UInt32, now: Instant) {
        let key = UInt64(page.rawValue) &+ 1
        var index = position(key)
        if index < 0 {
            index = -1 &- index
            entries[index] = Entry(key: key)
        }
        entries[index].lost = now
        entries[index].count = count
        entries[index].processor = Int16(truncatingIfNeeded: processor ?? -1)
        if processor == nil { entries[index].strikes /= 2 }
    }

    /// A processor's `count`th fault is for this page. If it is the one that lost it, it waits with the same instruction still, unless it
    /// has had more faults since than an instruction can: then it has made progress.
    mutating func wanted(_ page: PageNumber, by processor: Int, count: UInt32) {
        let index = position(UInt64(page.rawValue) &+ 1)
        guard index >= 0, entries[index].processor == Int16(truncatingIfNeeded: processor) else { return }
        let isSame = count &- entries[index].count <= Self.pagesOfInstruction
        entries[index].strikes = isSame ? min(entries[index].strikes &+ 1, 32) : 0
        entries[index].processor = -1
    }

    /// Whether the page was lost not long ago.
    func knows(_ page: PageNumber) -> Bool { position(UInt64(page.rawValue) &+ 1) >= 0 }

    /// The page is back; its strikes. A return later than `within` nanoseconds clears the past.
    mutating func regained(_ page: PageNumber, within: UInt64, now: Instant) -> UInt8 {
        let index = position(UInt64(page.rawValue) &+ 1)
        guard index >= 0 else { return 0 }
        if entries[index].lost.advanced(byNanoseconds: within) < now {
            entries[index] = Entry()
            return 0
        }
        return entries[index].strikes
    }
}
