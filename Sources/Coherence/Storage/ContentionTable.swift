/// How often recent pages were lost and came back. Sets of eight, more than the pages one instruction can need: in a full
/// set the page with the fewest strikes goes first, then the one lost longest ago, so that the pages that an instruction
/// keeps losing keep their strikes.
struct ContentionTable: ~Copyable {
    struct Entry: BitwiseCopyable {
        /// Page number + 1, 0 when empty.
        var key: UInt64 = 0
        /// Losses in a row while the page's processor waited for another page.
        var strikes: UInt8 = 0
        /// Quick returns in a row.
        var bounces: UInt8 = 0
        var lost = Instant(nanoseconds: 0)
    }

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

    /// The page was given up to another node.
    mutating func lose(_ page: PageNumber, whileWaiting: Bool, now: Instant) {
        let key = UInt64(page.rawValue) &+ 1
        var index = position(key)
        if index < 0 {
            index = -1 &- index
            entries[index] = Entry(key: key)
        }
        let strikes = entries[index].strikes
        entries[index].strikes = whileWaiting ? min(strikes &+ 1, 32) : strikes / 2
        entries[index].lost = now
    }

    /// Whether the page was given up not long ago.
    func knows(_ page: PageNumber) -> Bool { position(UInt64(page.rawValue) &+ 1) >= 0 }

    /// The processor that asks for the page again has run for `time` nanoseconds since a page came to it: it has made progress if that is
    /// much longer than the pages of one instruction are held, which after some strikes may be longer than a busy machine keeps a
    /// processor from running.
    mutating func forgive(_ page: PageNumber, ranFor time: UInt64, minimumHold: UInt64) {
        let index = position(UInt64(page.rawValue) &+ 1)
        guard index >= 0, entries[index].strikes > 0 else { return }
        if time >> UInt64(entries[index].strikes) > 4 &* minimumHold { entries[index].strikes = 0 }
    }

    /// The page is back; says what its past was. A return later than `quick` nanoseconds clears the past; one to write it
    /// within `bounce` nanoseconds is a quick return.
    mutating func regain(_ page: PageNumber, quick: UInt64, bounce: UInt64?, now: Instant) -> Entry? {
        let index = position(UInt64(page.rawValue) &+ 1)
        guard index >= 0 else { return nil }
        if entries[index].lost.advanced(byNanoseconds: quick) < now {
            entries[index] = Entry()
            return nil
        }
        if let bounce {
            let isQuick = !(entries[index].lost.advanced(byNanoseconds: bounce) < now)
            entries[index].bounces = isQuick ? min(entries[index].bounces &+ 1, 32) : entries[index].bounces / 2
        }
        return entries[index]
    }
}
