import Coherence

extension ModelChecker {
    enum Action {
        case fault(node: Int, page: Int, isWrite: Bool)
        case write(node: Int, page: Int)
        case evict(node: Int, page: Int)
        case prefetch(node: Int, page: Int, exclusive: Bool, insists: Bool)
        case request(node: Int, page: Int, exclusive: Bool)
        case expire(node: Int)
        case deliver(from: Int, to: Int)

        /// The node whose engine is called.
        var node: Int {
            switch self {
            case .fault(let node, _, _), .write(let node, _), .evict(let node, _), .prefetch(let node, _, _, _),
                .request(let node, _, _), .expire(let node), .deliver(_, let node):
                node
            }
        }

        /// Nobody has to want anything for it.
        var isOwn: Bool {
            switch self {
            case .expire, .deliver: true
            default: false
            }
        }
    }

    struct Step {
        var action: Action
        /// What the adversary advises on reads at the node: the only copy, another reader.
        var migratory: Bool
        var relays: Bool
    }

    private static let start = Instant(nanoseconds: 0)
    private static let later = Instant(nanoseconds: .max)

    /// Takes one step; false when it changes nothing.
    func apply(_ step: Step, _ world: inout World) throws -> Bool {
        let node = step.action.node
        world.nodes[node] = SimulatedNode(copying: world.nodes[node])
        if options.migratory {
            for page in pages { world.nodes[node].engine.adviseMigratory(PageNumber(UInt32(page)), step.migratory) }
        }
        if options.relays { world.nodes[node].engine.adviseRelay(step.relays) }
        var changed = true
        switch step.action {
        case .fault(_, let page, let isWrite):
            try world.call(node, &effects) { engine, effects in
                engine.fault(PageNumber(UInt32(page)), isWrite: isWrite, now: Self.start, effects: &effects)
            }
        case .write(_, let page):
            let before = world.nodes
            try world.write(node, page)
            for index in world.nodes.indices where world.nodes[index] !== before[index] {
                world.nodes[index].snapshot = snapshot(world.nodes[index])
            }
        case .evict(_, let page):
            try world.call(node, &effects) { engine, effects in
                changed = engine.evict(PageNumber(UInt32(page)), now: Self.start, effects: &effects)
            }
        case .prefetch(_, let page, let exclusive, let insists):
            try world.call(node, &effects) { engine, effects in
                changed = engine.fetchInAdvance(
                    PageNumber(UInt32(page)), exclusive: exclusive, insists: insists, effects: &effects)
            }
        case .request(_, let page, let exclusive):
            try world.call(node, &effects) { engine, effects in
                changed = engine.requestInAdvance(PageNumber(UInt32(page)), exclusive: exclusive, now: Self.start, effects: &effects)
            }
        case .expire:
            try world.call(node, &effects) { engine, effects in engine.expire(now: Self.later, effects: &effects) }
        case .deliver(let source, _):
            let packet = world.channels[source * world.count + node].removeFirst()
            for copy in options.mutation?(packet) ?? [packet] {
                try world.receive(copy, from: source, at: node, now: Self.start, &effects)
            }
        }
        if options.migratory {
            for page in pages { world.nodes[node].engine.adviseMigratory(PageNumber(UInt32(page)), false) }
        }
        world.nodes[node].snapshot = snapshot(world.nodes[node])
        return changed
    }

    /// The step in words, before it is taken.
    func describe(_ step: Step, _ world: World) -> String {
        let text =
            switch step.action {
            case .fault(let node, let page, let isWrite): "node \(node) faults to \(isWrite ? "write" : "read") page \(page)"
            case .write(let node, let page): "node \(node) writes page \(page)"
            case .evict(let node, let page): "node \(node) evicts page \(page)"
            case .prefetch(let node, let page, let exclusive, let insists):
                "node \(node) prefetches page \(page)\(exclusive ? " for writing" : "")\(insists ? ", insists" : "")"
            case .request(let node, let page, let exclusive):
                "node \(node) requests page \(page)\(exclusive ? " for writing" : ""), for nobody yet"
            case .expire(let node): "node \(node): every hold expires"
            case .deliver(let source, let node):
                "node \(node) receives from node \(source): \(world.channels[source * world.count + node].first?.summary ?? "nothing")"
            }
        return text + (step.migratory ? "; reads take the only copy" : "") + (step.relays ? "; readers answer reads" : "")
    }
}

extension Packet {
    /// The message in words, with only those fields that its kind uses.
    var summary: String {
        var text = "\(message.kind) page \(message.page.rawValue)"
        switch message.kind {
        case .forwardShared, .forwardExclusive, .invalidate: text += " for node \(message.requester.rawValue)"
        default: break
        }
        if message.acks > 0 { text += ", acks \(message.acks)" }
        if message.exclusive { text += ", exclusive" }
        if message.zero { text += ", zero" }
        if message.mask != 0 { text += ", mask \(message.mask)" }
        if message.zeroMask != 0 { text += ", zero mask \(message.zeroMask)" }
        return text
    }
}
