package import Coherence

/// IVY, the shared virtual memory of K. Li and P. Hudak, "Memory Coherence in Shared Virtual Memory Systems", ACM TOCS 7(4),
/// 1989, in the two forms that are still built.
///
/// The owner keeps the set of copies and serves one request for a page after the other; a writer gets the page with its set of
/// copies and invalidates them. Where the paper says nothing, the choice here is the one that costs less: an owner upgrades its own
/// copy without asking anyone, and a page stays for a minimum time with the processor that waited for it.
package struct IVY: PageProtocol {
    package enum Manager: Sendable {
        /// Section 3.2, "A Fixed Distributed Manager Algorithm", with the improved manager of 3.1, which keeps no lock and needs no
        /// confirmation. Readers leave the ownership where it is. Invalidations go out together.
        case fixed
        /// Section 3.4, "Dynamic Distributed Manager", as GiantVM runs it (J. Zhang et al., "GiantVM: A Type-II Hypervisor
        /// Implementing Many-to-One Virtualization", VEE 2020): the ownership moves on a read, too; copies are invalidated one after the
        /// other; the contents are left out when the requester's copy is current.
        case dynamic
    }

    package enum Packet: Sendable {
        case request(page: Int, isWrite: Bool, from: Int)
        case page(Int, isOwner: Bool, isWrite: Bool, copies: [Int], contents: UInt64?)
        case invalidate(page: Int, owner: Int)
        case acknowledge(page: Int)
    }

    private enum Pending: UInt8 { case nothing, read, write }

    static let messageSize = Message.encodedSize

    private let manager: Manager
    private let hold: UInt64
    private let managerOf: [Int]
    private var copies: CopyTable
    private var postponed: Postponed<Packet>
    private var pending: [Pending]
    /// At the owner: the other nodes with a copy.
    private var copySets: [Set<Int>]
    private var isOwner: [Bool]
    /// Fixed: at the manager, the owner. Dynamic: at every node, whom it takes for the owner.
    private var probableOwner: [Int]
    /// At a writer: copies that have not been invalidated yet, and acknowledgements under way.
    private var toInvalidate: [Int: [Int]] = [:]
    private var acknowledgements: [Int: Int] = [:]

    /// - Parameters:
    ///   - homes: for each page the node that owns it at the start, and that manages it when managers are fixed.
    ///   - hold: nanoseconds for which a page that a processor waited for stays at least.
    package init(_ manager: Manager, nodes: Int, homes: [Int], hold: UInt64) {
        self.manager = manager
        self.hold = hold
        managerOf = homes
        copies = CopyTable(nodes: nodes, pages: homes.count) { homes[$0] }
        postponed = Postponed(nodes: nodes, pages: homes.count)
        pending = Array(repeating: .nothing, count: nodes * homes.count)
        copySets = Array(repeating: [], count: nodes * homes.count)
        isOwner = Array(repeating: false, count: nodes * homes.count)
        probableOwner = []
        for _ in 0..<nodes { probableOwner += homes }
        for (page, home) in homes.enumerated() { isOwner[home * homes.count + page] = true }
    }

    private func at(_ node: Int, _ page: Int) -> Int { node * copies.pages + page }

    package func access(_ page: Int, at node: Int) -> PageAccess { copies.access(page, at: node) }

    package mutating func perform(_ page: Int, isWrite: Bool, at node: Int) throws {
        try copies.perform(page, isWrite: isWrite, at: node)
    }

    // MARK: Faults

    package mutating func fault(
        _ page: Int, isWrite: Bool, processor: Int, at node: Int, now: UInt64, _ outbox: inout Outbox<Packet>
    ) throws {
        let index = at(node, page)
        let access = copies.access(page, at: node)
        if access == .write || (access == .read && !isWrite) {
            outbox.woken.append(page)
            return
        }
        guard pending[index] == .nothing else { return }
        pending[index] = isWrite ? .write : .read
        if isOwner[index] {
            // Only a write can fault at the owner.
            try invalidateCopies(page, Array(copySets[index]).sorted(), at: node, now, &outbox)
            return
        }
        let request = Packet.request(page: page, isWrite: isWrite, from: node)
        switch manager {
        case .fixed where managerOf[page] == node:
            let owner = probableOwner[index]
            if isWrite { probableOwner[index] = node }
            outbox.send(request, to: owner, bytes: Self.messageSize)
        case .fixed: outbox.send(request, to: managerOf[page], bytes: Self.messageSize)
        case .dynamic:
            outbox.send(request, to: probableOwner[index], bytes: Self.messageSize)
        }
    }

    // MARK: Packets

    package mutating func receive(
        _ packet: Packet, from: Int, at node: Int, now: UInt64, _ outbox: inout Outbox<Packet>
    ) throws {
        switch packet {
        case .request(let page, let isWrite, let requester):
            try takeRequest(packet, page, isWrite, requester, from: from, at: node, now, &outbox)
        case .page(let page, let movesOwnership, let isWrite, let set, let contents):
            try takePage(page, movesOwnership, isWrite, set, contents, at: node, now, &outbox)
        case .invalidate(let page, let owner):
            try takeInvalidation(packet, page, owner, from: from, at: node, now, &outbox)
        case .acknowledge(let page):
            acknowledgements[at(node, page), default: 0] -= 1
            try continueInvalidation(page, at: node, now, &outbox)
        }
    }

    private mutating func takeRequest(
        _ packet: Packet, _ page: Int, _ isWrite: Bool, _ requester: Int, from: Int, at node: Int, _ now: UInt64,
        _ outbox: inout Outbox<Packet>
    ) throws {
        let index = at(node, page)
        if !isOwner[index] {
            if manager == .fixed, managerOf[page] == node, probableOwner[index] != node {
                let owner = probableOwner[index]
                if isWrite { probableOwner[index] = requester }
                outbox.send(packet, to: owner, bytes: Self.messageSize)
            } else if pending[index] != .nothing {
                // This node will be the owner.
                postponed.queue(packet, from: from, behindFaultOn: page, at: node)
            } else {
                guard manager == .dynamic else { throw Broken("node \(node) is asked for page \(page) and does not own it") }
                let next = probableOwner[index]
                probableOwner[index] = requester
                outbox.send(packet, to: next, bytes: Self.messageSize)
            }
            return
        }
        guard pending[index] == .nothing else {
            postponed.queue(packet, from: from, behindFaultOn: page, at: node)
            return
        }
        // Not before what waits already, even if the hold is over: behind a write this node is the owner no more.
        if let time = postponed.lastDeadline(at: node, where: { if case .request(page, _, _) = $0 { true } else { false } }) {
            postponed.wait(packet, from: from, at: node, until: time)
            return
        }
        let losesAccess = isWrite || copies.access(page, at: node) == .write
        if losesAccess, copies.hold(page, at: node) > now {
            postponed.wait(packet, from: from, at: node, until: copies.hold(page, at: node))
            return
        }
        try serve(page, isWrite, requester, at: node, &outbox)
    }

    /// The owner gives a copy, or everything.
    private mutating func serve(
        _ page: Int, _ isWrite: Bool, _ requester: Int, at node: Int, _ outbox: inout Outbox<Packet>
    ) throws {
        let index = at(node, page)
        let movesOwnership = isWrite || manager == .dynamic
        var set = copySets[index]
        let isCurrent = manager == .dynamic && set.contains(requester)
        let contents = isCurrent ? nil : try copies.value(page, at: node)
        set.remove(requester)
        if isWrite {
            try copies.set(page, at: node, .none)
            outbox.pageOperations += 1
        } else {
            if copies.access(page, at: node) == .write {
                try copies.set(page, at: node, .read)
                outbox.pageOperations += 1
            }
            if movesOwnership { set.insert(node) }
        }
        if movesOwnership {
            isOwner[index] = false
            copySets[index] = []
            probableOwner[index] = requester
        } else {
            copySets[index].insert(requester)
        }
        // A set of copies is a word of bits.
        outbox.send(
            .page(page, isOwner: movesOwnership, isWrite: isWrite, copies: movesOwnership ? set.sorted() : [], contents: contents),
            to: requester, bytes: Self.messageSize + (contents == nil ? 0 : PageNumber.size))
    }

    private mutating func takePage(
        _ page: Int, _ movesOwnership: Bool, _ isWrite: Bool, _ set: [Int], _ contents: UInt64?, at node: Int, _ now: UInt64,
        _ outbox: inout Outbox<Packet>
    ) throws {
        let index = at(node, page)
        if movesOwnership {
            isOwner[index] = true
            probableOwner[index] = node
            copySets[index] = Set(set)
        }
        if isWrite {
            parked[index] = contents
            try invalidateCopies(page, set, at: node, now, &outbox)
        } else {
            try complete(page, .read, contents, at: node, now, &outbox)
        }
    }

    /// What came for a write and waits until no other copy is left.
    private var parked: [Int: UInt64] = [:]

    private mutating func complete(
        _ page: Int, _ access: PageAccess, _ contents: UInt64?, at node: Int, _ now: UInt64, _ outbox: inout Outbox<Packet>
    ) throws {
        try copies.set(page, at: node, access, value: contents)
        outbox.pageOperations += 1
        outbox.woken.append(page)
        copies.hold(page, at: node, until: now + hold)
        pending[at(node, page)] = .nothing
        for (from, packet) in postponed.takeBehind(page, at: node) {
            try receive(packet, from: from, at: node, now: now, &outbox)
        }
    }

    // MARK: Invalidation

    private mutating func invalidateCopies(
        _ page: Int, _ set: [Int], at node: Int, _ now: UInt64, _ outbox: inout Outbox<Packet>
    ) throws {
        let index = at(node, page)
        toInvalidate[index] = set
        acknowledgements[index] = 0
        if manager == .fixed {
            for other in set { outbox.send(.invalidate(page: page, owner: node), to: other, bytes: Self.messageSize) }
            acknowledgements[index] = set.count
            toInvalidate[index] = []
        }
        try continueInvalidation(page, at: node, now, &outbox)
    }

    private mutating func continueInvalidation(
        _ page: Int, at node: Int, _ now: UInt64, _ outbox: inout Outbox<Packet>
    ) throws {
        let index = at(node, page)
        guard acknowledgements[index] == 0 else { return }
        if var rest = toInvalidate[index], !rest.isEmpty {
            outbox.send(.invalidate(page: page, owner: node), to: rest.removeFirst(), bytes: Self.messageSize)
            toInvalidate[index] = rest
            acknowledgements[index] = 1
            return
        }
        toInvalidate[index] = nil
        acknowledgements[index] = nil
        copySets[index] = []
        try complete(page, .write, parked.removeValue(forKey: index), at: node, now, &outbox)
    }

    private mutating func takeInvalidation(
        _ packet: Packet, _ page: Int, _ owner: Int, from: Int, at node: Int, _ now: UInt64, _ outbox: inout Outbox<Packet>
    ) throws {
        let index = at(node, page)
        if pending[index] == .read, copies.access(page, at: node) == .none {
            // It has overtaken the copy that it is meant for.
            postponed.queue(packet, from: from, behindFaultOn: page, at: node)
            return
        }
        if pending[index] == .nothing, copies.hold(page, at: node) > now, copies.access(page, at: node) != .none {
            postponed.wait(packet, from: from, at: node, until: copies.hold(page, at: node))
            return
        }
        if copies.access(page, at: node) != .none {
            try copies.set(page, at: node, .none)
            outbox.pageOperations += 1
        }
        if manager == .dynamic { probableOwner[index] = owner }
        outbox.send(.acknowledge(page: page), to: owner, bytes: Self.messageSize)
    }

    // MARK: Time

    package func deadline(at node: Int) -> UInt64? { postponed.deadline(at: node) }

    package mutating func expire(at node: Int, now: UInt64, _ outbox: inout Outbox<Packet>) throws {
        for (from, packet) in postponed.takeDue(at: node, now: now) {
            try receive(packet, from: from, at: node, now: now, &outbox)
        }
    }

    package func checkAtRest() throws {
        guard postponed.isEmpty, pending.allSatisfy({ $0 == .nothing }) else { throw Broken("a request of IVY is left") }
        for page in 0..<copies.pages {
            let owners = (0..<copies.nodes).filter { isOwner[at($0, page)] }
            let holders = (0..<copies.nodes).filter { copies.access(page, at: $0) != .none }
            guard owners.count == 1, Set(holders) == copySets[at(owners[0], page)].union(owners) else {
                throw Broken("page \(page): owners \(owners), holders \(holders)")
            }
        }
    }
}
