/// A bounded map from page to a small number: open addressing with linear probing and backward-shift deletion
/// (Knuth, The Art of Computer Programming, volume 3, section 6.4, algorithm R). O(1) expected.
struct PageIndex: ~Copyable {
    struct Cell: BitwiseCopyable {
        /// Page number + 1; 0 is an empty cell. The last page number has no page: page numbers are below a 32-bit total.
        var key: UInt32
        var value: Int32
    }

    private var cells: Table<Cell>
    private let shift: UInt64
    private(set) var count = 0

    init(capacity: Int) {
        let bits = Self.bits(capacity: capacity)
        cells = Table(count: 1 << Int(bits), repeating: Cell(key: 0, value: 0))
        shift = 64 - bits
    }

    /// Binary logarithm of the number of cells: twice the capacity, rounded up.
    private static func bits(capacity: Int) -> UInt64 {
        var bits: UInt64 = 3
        while (1 << Int(bits)) < capacity * 2 { bits += 1 }
        return bits
    }

    static func byteCount(capacity: Int) -> Int { MemoryLayout<Cell>.stride << Int(bits(capacity: capacity)) }

    private init(cells: consuming Table<Cell>, shift: UInt64, count: Int) {
        self.cells = cells
        self.shift = shift
        self.count = count
    }

    func copy() -> PageIndex { PageIndex(cells: cells.copy(), shift: shift, count: count) }

    var byteCount: Int { cells.byteCount }

    /// Fibonacci hashing: neighbouring pages land far apart.
    @inline(__always)
    private func slot(_ key: UInt32) -> Int {
        Int(truncatingIfNeeded: (UInt64(key) &* 0x9E37_79B9_7F4A_7C15) >> shift)
    }

    @inline(__always)
    subscript(page: PageNumber) -> Int? {
        let key = page.rawValue &+ 1
        var index = slot(key)
        while true {
            let cell = cells[index]
            if cell.key == key { return Int(cell.value) }
            if cell.key == 0 { return nil }
            index = (index &+ 1) & (cells.count &- 1)
        }
    }

    /// - Precondition: `page` is not in the map, and the map is not full.
    mutating func insert(_ page: PageNumber, _ value: Int) {
        precondition(count &* 2 <= cells.count, "a page index holds at most half its cells")
        let key = page.rawValue &+ 1
        var index = slot(key)
        while cells[index].key != 0 { index = (index &+ 1) & (cells.count &- 1) }
        cells[index] = Cell(key: key, value: Int32(truncatingIfNeeded: value))
        count &+= 1
    }

    /// Removes `page`; nothing happens when it is not in the map.
    mutating func remove(_ page: PageNumber) {
        let mask = cells.count &- 1
        let key = page.rawValue &+ 1
        var hole = slot(key)
        while cells[hole].key != key {
            if cells[hole].key == 0 { return }
            hole = (hole &+ 1) & mask
        }
        var index = hole
        while true {
            index = (index &+ 1) & mask
            let cell = cells[index]
            guard cell.key != 0 else { break }
            let home = slot(cell.key)
            if ((index &- home) & mask) >= ((index &- hole) & mask) {
                cells[hole] = cell
                hole = index
            }
        }
        cells[hole] = Cell(key: 0, value: 0)
        count &-= 1
    }
}
