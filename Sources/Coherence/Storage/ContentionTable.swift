/// How often recent pages were lost and came back: direct-mapped, the newer page displaces the older.
struct ContentionTable: ~Copyable {
    struct Entry: BitwiseCopyable {
        /// Page number + 1, 0 when empty.
        var key: UInt64 = 0
        /// Losses in a row while a processor here waited for another page.
        var strikes: UInt8 = 0
        /// Quick returns in a row.
        var bounces: UInt8 = 0
        var lost = Instant(nanoseconds: 0)
    }

    private var entries: Table<Entry>
    private let shift: UInt64

    /// - Parameter bits: 2 to this power entries.
    init(bits: UInt64) {
        entries = Table(count: 1 << Int(bits), repeating: Entry())
        shift = 64 - bits
    }

    private init(_ entries: consuming Table<Entry>, shift: UInt64) {
        self.entries = entries
        self.shift = shift
    }

    func copy() -> ContentionTable { ContentionTable(entries.copy(), shift: shift) }

    @inline(__always)
    private func slot(_ key: UInt64) -> Int { Int(truncatingIfNeeded: (key &* 0x9E37_79B9_7F4A_7C15) >> shift) }

    /// The page was given up to another node.
    mutating func lose(_ page: PageNumber, whileWaiting: Bool, now: Instant) {
        let key = UInt64(page.rawValue) &+ 1
        let index = slot(key)
        var entry = entries[index]
        if entry.key != key { entry = Entry(key: key) }
        entry.strikes = whileWaiting ? min(entry.strikes &+ 1, 32) : entry.strikes / 2
        entry.lost = now
        entries[index] = entry
    }

    /// The page is back; says what its past was. A return later than `quick` nanoseconds clears the past.
    mutating func regain(_ page: PageNumber, quick: UInt64, now: Instant) -> Entry? {
        let key = UInt64(page.rawValue) &+ 1
        let index = slot(key)
        guard entries[index].key == key else { return nil }
        if entries[index].lost.advanced(byNanoseconds: quick) < now {
            entries[index] = Entry()
            return nil
        }
        entries[index].bounces = min(entries[index].bounces &+ 1, 32)
        return entries[index]
    }
}
