package import Coherence

/// A plain directory protocol with the states modified, shared and invalid: every request and every answer goes through the home
/// (L. Censier and P. Feautrier, "A New Solution to Coherence Problems in Multicache Systems", IEEE Transactions on
/// Computers C-27(12), 1978, with the home's memory as the place that recalls write to).
///
/// The home serves one request for a page after the other. It recalls a modified copy before it answers, invalidates shared copies all
/// at once, collects the acknowledgements itself and sends no contents to a node whose copy is current.
package struct HomeMSI: PageProtocol {
    package enum Packet: Sendable {
        case request(page: Int, isWrite: Bool)
        /// The home wants the contents; `isWrite`: the copy has to go.
        case recall(page: Int, isWrite: Bool)
        case contents(page: Int, UInt64)
        case invalidate(page: Int)
        case acknowledge(page: Int)
        case answer(page: Int, isWrite: Bool, contents: UInt64?)
    }

    private enum Pending: UInt8 { case nothing, read, write }

    private struct Entry {
        /// The node with the modified copy; nil when the home's memory is current.
        var owner: Int?
        var sharers: Set<Int> = []
        var requester: Int?
        var isWrite = false
        var missing = 0
        var memory: UInt64 = 0
        var queue: [(node: Int, isWrite: Bool)] = []
    }

    private static let messageSize = Message.encodedSize

    private let homes: [Int]
    private let hold: UInt64
    private var copies: CopyTable
    private var postponed: Postponed<Packet>
    private var pending: [Pending]
    private var directory: [Entry]

    /// - Parameters:
    ///   - homes: for each page its home, which has it writable at the start.
    ///   - hold: nanoseconds for which a page that a processor waited for stays at least.
    package init(nodes: Int, homes: [Int], hold: UInt64) {
        self.homes = homes
        self.hold = hold
        copies = CopyTable(nodes: nodes, pages: homes.count) { homes[$0] }
        postponed = Postponed(nodes: nodes, pages: homes.count)
        pending = Array(repeating: .nothing, count: nodes * homes.count)
        directory = homes.map { Entry(owner: $0) }
    }

    package func access(_ page: Int, at node: Int) -> PageAccess { copies.access(page, at: node) }

    package mutating func perform(_ page: Int, isWrite: Bool, at node: Int) throws {
        try copies.perform(page, isWrite: isWrite, at: node)
    }

    package mutating func fault(
        _ page: Int, isWrite: Bool, processor: Int, at node: Int, now: UInt64, _ outbox: inout Outbox<Packet>
    ) throws {
        let access = copies.access(page, at: node)
        if access == .write || (access == .read && !isWrite) {
            outbox.woken.append(page)
            return
        }
        let index = node * copies.pages + page
        guard pending[index] == .nothing else { return }
        pending[index] = isWrite ? .write : .read
        try pass(.request(page: page, isWrite: isWrite), from: node, to: homes[page], now, &outbox)
    }

    /// A home talks to itself without a message.
    private mutating func pass(
        _ packet: Packet, from node: Int, to other: Int, _ now: UInt64, _ outbox: inout Outbox<Packet>, contents: Bool = false
    ) throws {
        if node == other {
            try receive(packet, from: node, at: node, now: now, &outbox)
        } else {
            outbox.send(packet, to: other, bytes: Self.messageSize + (contents ? PageNumber.size : 0))
        }
    }

    package mutating func receive(
        _ packet: Packet, from: Int, at node: Int, now: UInt64, _ outbox: inout Outbox<Packet>
    ) throws {
        switch packet {
        case .request(let page, let isWrite):
            directory[page].queue.append((from, isWrite))
            try serveNext(page, now, &outbox)
        case .recall(let page, let isWrite):
            guard isFree(packet, page, from: from, at: node, now) else { return }
            let contents = try copies.value(page, at: node)
            try copies.set(page, at: node, isWrite ? .none : .read)
            outbox.pageOperations += 1
            try pass(.contents(page: page, contents), from: node, to: from, now, &outbox, contents: true)
        case .contents(let page, let contents):
            let owner = directory[page].owner
            directory[page].memory = contents
            directory[page].owner = nil
            if !directory[page].isWrite, let owner { directory[page].sharers.insert(owner) }
            try collect(page, now, &outbox)
        case .invalidate(let page):
            if pending[node * copies.pages + page] != .write {
                guard isFree(packet, page, from: from, at: node, now) else { return }
            }
            try copies.set(page, at: node, .none)
            outbox.pageOperations += 1
            try pass(.acknowledge(page: page), from: node, to: from, now, &outbox)
        case .acknowledge(let page): try collect(page, now, &outbox)
        case .answer(let page, let isWrite, let contents):
            try copies.set(page, at: node, isWrite ? .write : .read, value: contents)
            outbox.pageOperations += 1
            outbox.woken.append(page)
            copies.hold(page, at: node, until: now + hold)
            pending[node * copies.pages + page] = .nothing
        }
    }

    /// Whether the page's hold is over; else the packet waits for that.
    private mutating func isFree(_ packet: Packet, _ page: Int, from: Int, at node: Int, _ now: UInt64) -> Bool {
        let until = copies.hold(page, at: node)
        guard until > now else { return true }
        postponed.wait(packet, from: from, at: node, until: until)
        return false
    }

    // MARK: The home

    private mutating func serveNext(_ page: Int, _ now: UInt64, _ outbox: inout Outbox<Packet>) throws {
        guard directory[page].requester == nil, !directory[page].queue.isEmpty else { return }
        let (requester, isWrite) = directory[page].queue.removeFirst()
        directory[page].requester = requester
        directory[page].isWrite = isWrite
        let others = isWrite ? directory[page].sharers.subtracting([requester]).sorted() : []
        // One more, so that answers that come at once do not end it early.
        directory[page].missing = 1 + (directory[page].owner == nil ? 0 : 1) + others.count
        if let owner = directory[page].owner {
            try pass(.recall(page: page, isWrite: isWrite), from: homes[page], to: owner, now, &outbox)
        }
        for other in others {
            directory[page].sharers.remove(other)
            try pass(.invalidate(page: page), from: homes[page], to: other, now, &outbox)
        }
        try collect(page, now, &outbox)
    }

    private mutating func collect(_ page: Int, _ now: UInt64, _ outbox: inout Outbox<Packet>) throws {
        directory[page].missing -= 1
        guard directory[page].missing == 0, let requester = directory[page].requester else { return }
        let isWrite = directory[page].isWrite
        let isCurrent = directory[page].sharers.contains(requester)
        let contents = isCurrent ? nil : directory[page].memory
        directory[page].requester = nil
        if isWrite {
            directory[page].owner = requester
            directory[page].sharers = []
        } else {
            directory[page].sharers.insert(requester)
        }
        try pass(
            .answer(page: page, isWrite: isWrite, contents: contents), from: homes[page], to: requester, now, &outbox,
            contents: contents != nil)
        try serveNext(page, now, &outbox)
    }

    // MARK: Time

    package func deadline(at node: Int) -> UInt64? { postponed.deadline(at: node) }

    package mutating func expire(at node: Int, now: UInt64, _ outbox: inout Outbox<Packet>) throws {
        for (from, packet) in postponed.takeDue(at: node, now: now) {
            try receive(packet, from: from, at: node, now: now, &outbox)
        }
    }

    package func checkAtRest() throws {
        guard postponed.isEmpty, pending.allSatisfy({ $0 == .nothing }) else { throw Broken("a request of MSI is left") }
        for (page, entry) in directory.enumerated() {
            let holders = Set((0..<copies.nodes).filter { copies.access(page, at: $0) != .none })
            let known = entry.sharers.union(entry.owner.map { [$0] } ?? [])
            guard entry.requester == nil, entry.queue.isEmpty, holders == known else {
                throw Broken("page \(page): directory \(known.sorted()), holders \(holders.sorted())")
            }
        }
    }
}
