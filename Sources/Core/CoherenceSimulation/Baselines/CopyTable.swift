import Coherence

/// Which node has which copy of each page, for the published protocols, with the checks that every protocol has to pass: one
/// writer or many readers, and every copy that can be read is the last write's.
struct CopyTable {
    let nodes: Int
    let pages: Int
    private var accesses: [PageAccess]
    private var values: [UInt64]
    private var latest: [UInt64]
    private var readers: [Int]
    private var writers: [Int]
    /// Until when a copy that a processor waited for stays at its node.
    private var holds: [UInt64]

    /// - Parameter home: has the only copy of a page at the start, writable.
    init(nodes: Int, pages: Int, home: (Int) -> Int) {
        self.nodes = nodes
        self.pages = pages
        accesses = Array(repeating: .none, count: nodes * pages)
        values = Array(repeating: 0, count: nodes * pages)
        latest = Array(repeating: 0, count: pages)
        readers = Array(repeating: 0, count: pages)
        writers = Array(repeating: 1, count: pages)
        holds = Array(repeating: 0, count: nodes * pages)
        for page in 0..<pages { accesses[home(page) * pages + page] = .write }
    }

    func access(_ page: Int, at node: Int) -> PageAccess { accesses[node * pages + page] }

    func value(_ page: Int, at node: Int) throws -> UInt64 {
        guard access(page, at: node) != .none else { throw Broken("node \(node) sends page \(page), which it does not have") }
        return values[node * pages + page]
    }

    /// Changes a node's access; `value` comes with contents.
    mutating func set(_ page: Int, at node: Int, _ access: PageAccess, value: UInt64? = nil) throws {
        let index = node * pages + page
        count(page, accesses[index], -1)
        if accesses[index] == .none, access != .none {
            guard let value else { throw Broken("node \(node) gets page \(page) without contents") }
            values[index] = value
        }
        accesses[index] = access
        count(page, access, 1)
        guard writers[page] == 0 || (writers[page] == 1 && readers[page] == 0) else {
            throw Broken("page \(page) has \(writers[page]) writers and \(readers[page]) readers")
        }
        guard access == .none || values[index] == latest[page] else {
            throw Broken("node \(node) can read \(values[index]) from page \(page); the last write was \(latest[page])")
        }
    }

    private mutating func count(_ page: Int, _ access: PageAccess, _ change: Int) {
        switch access {
        case .none: break
        case .read: readers[page] += change
        case .write: writers[page] += change
        }
    }

    mutating func perform(_ page: Int, isWrite: Bool, at node: Int) throws {
        let index = node * pages + page
        guard accesses[index] == .write || (!isWrite && accesses[index] == .read), values[index] == latest[page] else {
            throw Broken("node \(node) uses page \(page) without the right, or an old copy of it")
        }
        guard isWrite else { return }
        latest[page] += 1
        values[index] = latest[page]
    }

    mutating func hold(_ page: Int, at node: Int, until time: UInt64) { holds[node * pages + page] = time }
    func hold(_ page: Int, at node: Int) -> UInt64 { holds[node * pages + page] }
}

/// Packets that wait at their receiver: for a page's hold to end, or for the node's own fault on the page.
struct Postponed<Packet> {
    private var timed: [[(until: UInt64, from: Int, packet: Packet)]]
    private var behind: [Int: [(from: Int, packet: Packet)]] = [:]
    private let pages: Int

    init(nodes: Int, pages: Int) {
        timed = Array(repeating: [], count: nodes)
        self.pages = pages
    }

    var isEmpty: Bool { behind.isEmpty && timed.allSatisfy(\.isEmpty) }

    mutating func wait(_ packet: Packet, from: Int, at node: Int, until time: UInt64) {
        timed[node].append((time, from, packet))
    }

    /// Until when the last packet waits that is one of these.
    func lastDeadline(at node: Int, where isMeant: (Packet) -> Bool) -> UInt64? { timed[node].last { isMeant($0.packet) }?.until }

    func deadline(at node: Int) -> UInt64? { timed[node].lazy.map(\.until).min() }

    mutating func takeDue(at node: Int, now: UInt64) -> [(from: Int, packet: Packet)] {
        let due = timed[node].filter { $0.until <= now }
        if !due.isEmpty { timed[node].removeAll { $0.until <= now } }
        return due.map { ($0.from, $0.packet) }
    }

    mutating func queue(_ packet: Packet, from: Int, behindFaultOn page: Int, at node: Int) {
        behind[node * pages + page, default: []].append((from, packet))
    }

    mutating func takeBehind(_ page: Int, at node: Int) -> [(from: Int, packet: Packet)] {
        behind.removeValue(forKey: node * pages + page) ?? []
    }
}
