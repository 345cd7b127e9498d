/// One range of the home map with where its directory entries start, when this node is the home.
struct HomeRange: BitwiseCopyable {
    var first: UInt32
    var end: UInt32
    var home: NodeID
    var directoryBase: Int
}

/// The home map as a plain table. O(log ranges) to look up.
struct HomeRanges: ~Copyable {
    private var ranges: Table<HomeRange>
    /// Pages that this node is home of.
    let ownPages: Int

    init(_ map: HomeMap, node: NodeID) {
        let none = HomeRange(first: 0, end: 0, home: NodeID(0), directoryBase: 0)
        ranges = Table(count: map.ranges.count, repeating: none)
        var base = 0
        for (index, range) in map.ranges.enumerated() {
            ranges[index] = HomeRange(first: range.first.rawValue, end: range.end, home: range.home, directoryBase: base)
            if range.home == node { base += Int(range.count) }
        }
        ownPages = base
    }

    private init(_ ranges: consuming Table<HomeRange>, _ ownPages: Int) {
        self.ranges = ranges
        self.ownPages = ownPages
    }

    func copy() -> HomeRanges { HomeRanges(ranges.copy(), ownPages) }

    var byteCount: Int { ranges.byteCount }

    @inline(__always)
    subscript(page: PageNumber) -> HomeRange? {
        var low = 0
        var high = ranges.count
        while low < high {
            let middle = (low &+ high) / 2
            if ranges[middle].end <= page.rawValue { low = middle &+ 1 } else { high = middle }
        }
        guard low < ranges.count else { return nil }
        let range = ranges[low]
        return range.first <= page.rawValue ? range : nil
    }
}
