import Coherence

/// How long the contents of pages are on the wire when only the lines travel that changed since the same page went over the same
/// direction of the same connection last: what the driver does (`TransferHistory` of the Node module), counted without contents.
struct TransferModel {
    private static let lineSize = 64
    private static let linesPerPage = PageNumber.size / lineSize
    /// Pages that all of a node's directions remember together.
    private static let remembered = 8192

    private let nodes: Int
    private let slots: Int
    /// Lines changed in each page so far, each change counted, so that a difference of two values is an upper bound.
    private var changes: [UInt64]
    private var histories: [[(page: Int, changes: UInt64)?]]

    init(nodes: Int, pages: Int) {
        self.nodes = nodes
        let share = Self.remembered / (2 * max(1, nodes - 1))
        slots = 1 << (Int.bitWidth - 1 - share.leadingZeroBitCount)
        changes = Array(repeating: 0, count: pages)
        histories = Array(repeating: Array(repeating: nil, count: slots), count: nodes * nodes)
    }

    mutating func changed(_ page: Int, bytes: Int) {
        changes[page] += UInt64(min((bytes + Self.lineSize - 1) / Self.lineSize, Self.linesPerPage))
    }

    /// Bytes of `page` on the wire from one node to the other, now.
    mutating func send(_ page: Int, from: Int, to: Int) -> Int {
        let slot = Int(truncatingIfNeeded: UInt64(page) &* 0x9E37_79B9_7F4A_7C15 >> 32) & (slots - 1)
        let known = histories[from * nodes + to][slot]
        histories[from * nodes + to][slot] = (page, changes[page])
        guard let known, known.page == page else { return PageNumber.size }
        let lines = min(changes[page] - known.changes, UInt64(Self.linesPerPage))
        let difference = 8 + Int(lines) * Self.lineSize
        return difference <= PageNumber.size / 4 * 3 ? difference : PageNumber.size
    }
}
