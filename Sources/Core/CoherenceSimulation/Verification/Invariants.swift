import Coherence

extension World {
    /// What must hold in every state: single writer or many readers, every copy that can be read is the last write's, and
    /// the engine and the mapping agree.
    func checkAlways(page: Int) throws {
        var writers = 0
        var readers = 0
        for (index, node) in nodes.enumerated() {
            let mapping = node.mapping[page]
            let access = node.engine.stateOf(PageNumber(UInt32(page))).access
            guard mapping.rawValue == access.rawValue else {
                throw Broken("node \(index) maps page \(page) as \(mapping) and its engine says \(access)")
            }
            guard mapping != .absent else { continue }
            if mapping == .write { writers += 1 } else { readers += 1 }
            guard node.value[page] == latest[page] else {
                throw Broken("node \(index) can read \(node.value[page]) from page \(page); the last write was \(latest[page])")
            }
        }
        guard writers == 0 || (writers == 1 && readers == 0) else {
            throw Broken("page \(page) has \(writers) writers and \(readers) readers")
        }
    }

    /// Nothing is under way and nothing waits for time.
    var isAtRest: Bool {
        channels.allSatisfy { $0.isEmpty } && nodes.allSatisfy { $0.engine.deferralCount == 0 && $0.engine.nextDeadline == nil }
    }

    /// What must hold when nothing is under way: no request is left (no deadlock), and the directory names the holders.
    func checkAtRest(page: Int) throws {
        let number = PageNumber(UInt32(page))
        var holders = NodeSet()
        for (index, node) in nodes.enumerated() {
            let state = node.engine.stateOf(number)
            guard !state.isRequested, !state.isWritingBack, !state.isDeferred else {
                throw Broken("deadlock: node \(index) waits for page \(page) for ever: \(state)")
            }
            guard node.engine.waitingAtHome == 0 else { throw Broken("deadlock: requests wait at home \(index)") }
            if state.access != .none { holders.insert(NodeID(UInt8(index))) }
        }
        guard let home = configuration.homes.home(of: number) else { return }
        guard let entry = nodes[Int(home.rawValue)].engine.directoryView(number) else {
            guard holders.isEmpty else { throw Broken("page \(page) is untouched at its home and held") }
            return
        }
        var known = entry.sharers
        known.insert(entry.owner)
        guard !entry.isBusy, known == holders, !entry.sharers.contains(entry.owner) else {
            throw Broken("page \(page): directory \(known.rawValue) owner \(entry.owner.rawValue) busy \(entry.isBusy), holders \(holders.rawValue)")
        }
        let owner = nodes[Int(entry.owner.rawValue)]
        guard owner.engine.stateOf(number).isOwner else { throw Broken("page \(page): the owner does not know that it is") }
    }
}
