package import Coherence

/// This project's engines as a ``PageProtocol``: the shipping code, under the checks of ``World``.
package final class EngineMachine: PageProtocol {
    private var world: World
    private let homes: [Int]
    private var effects = EffectBuffer()
    /// Nil when whole pages travel.
    private var transfers: TransferModel?

    /// - Parameters:
    ///   - homes: for each page its home; every node's pages are one range.
    ///   - loaded: pages that have contents at the start; the others read as zeros, and nobody has touched them.
    ///   - cachePages: most pages of other homes that a node holds; nil for all of them.
    package init(
        nodes: Int, homes: HomeMap, loaded: [Bool] = [], cachePages: Int? = nil, hold: UInt64, processors: Int, policies: PolicySet, pageTime: UInt64 = 0
    ) {
        var configuration = EngineConfiguration(
                node: NodeID(0), nodeCount: nodes, homes: homes, cacheLimit: cachePages ?? Int(homes.totalPages),
                minimumHold: hold, outstandingFaults: max(16, processors), policies: policies)
        configuration.pageTime = pageTime
        world = World(configuration, abstract: false)
        if policies.contains(.differenceTransfer) { transfers = TransferModel(nodes: nodes, pages: Int(homes.totalPages)) }
        self.homes = (0..<homes.totalPages).map { homes.home(of: PageNumber($0)).map { Int($0.rawValue) } ?? 0 }
        for (page, isLoaded) in loaded.enumerated() where isLoaded {
            let home = world.nodes[self.homes[page]]
            home.engine.claim(PageNumber(UInt32(page)))
            home.mapping[page] = .write
            // It has contents, whatever they are.
            world.zero[page] = .max
        }
    }

    package func access(_ page: Int, at node: Int) -> PageAccess {
        switch world.nodes[node].mapping[page] {
        case .absent: .none
        case .read: .read
        case .write: .write
        }
    }

    package func fault(
        _ page: Int, isWrite: Bool, processor: Int, at node: Int, now: UInt64, _ outbox: inout Outbox<Packet>
    ) throws {
        try world.call(node, &effects) { engine, effects in
            engine.fault(
                PageNumber(UInt32(page)), isWrite: isWrite, processor: UInt16(processor), now: Instant(nanoseconds: now),
                effects: &effects)
        }
        try settle(node, &outbox)
    }

    package func receive(
        _ packet: Packet, from: Int, at node: Int, now: UInt64, _ outbox: inout Outbox<Packet>
    ) throws {
        try world.receive(packet, from: from, at: node, now: Instant(nanoseconds: now), &effects)
        try settle(node, &outbox)
    }

    package func perform(_ page: Int, isWrite: Bool, at node: Int) throws {
        if isWrite {
            try world.write(node, page)
        } else {
            guard world.nodes[node].value[page] == world.latest[page] else {
                throw Broken("node \(node) reads an old copy of page \(page)")
            }
        }
    }

    package func changed(_ page: Int, bytes: Int) { transfers?.changed(page, bytes: bytes) }

    package func deadline(at node: Int) -> UInt64? { world.nodes[node].engine.nextDeadline?.nanoseconds }

    package func expire(at node: Int, now: UInt64, _ outbox: inout Outbox<Packet>) throws {
        try world.call(node, &effects) { engine, effects in engine.expire(now: Instant(nanoseconds: now), effects: &effects) }
        try settle(node, &outbox)
    }

    package func checkAtRest() throws {
        for page in homes.indices {
            try world.checkAlways(page: page)
            try world.checkAtRest(page: page)
        }
    }

    /// Takes over what the call did.
    private func settle(_ node: Int, _ outbox: inout Outbox<Packet>) throws {
        for index in 0..<effects.count {
            switch effects[index] {
            case .install(let page, _, _), .makeWritable(let page):
                outbox.pageOperations += 1
                try world.checkAlways(page: Int(page.rawValue))
            case .protect, .drop: outbox.pageOperations += 1
            case .zeroFill: outbox.pageOperations += 1
            case .send, .park, .wake: break
            }
        }
        outbox.woken += world.nodes[node].woken.map { Int($0.rawValue) }
        for destination in 0..<world.count {
            for packet in world.takePackets(from: node, to: destination) {
                outbox.send(packet, to: destination, bytes: Message.encodedSize + contents(packet, from: node, to: destination))
            }
        }
    }

    /// Bytes of the pages behind a message.
    private func contents(_ packet: Packet, from node: Int, to destination: Int) -> Int {
        guard transfers != nil else { return packet.values.count * PageNumber.size }
        return packet.message.pagesOfContents.reduce(0) { $0 + (transfers?.send(Int($1.rawValue), from: node, to: destination) ?? 0) }
    }
}
