import Coherence

/// Visits every state that any interleaving of faults, writes, evictions, hold expiries, policy choices and deliveries can
/// reach, with channels that keep order per pair of nodes only. It runs the shipping engine; states are told apart by
/// 128 bits of hash.
final class ModelChecker {
    struct Options {
        var evictions = true
        var prefetches = true
        /// The adversary decides at each step of a home whether a read takes the only copy.
        var migratory = false
        /// Stop after so many states; nil visits all.
        var stateLimit: Int?
        /// What becomes of a packet at its delivery, to see that the check notices; the engine itself is not changed.
        var mutation: (@Sendable (Packet) -> [Packet])?
    }

    struct Result {
        var states = 0
        var transitions = 0
        var restStates = 0
        var longestChannel = 0
        var isComplete = true
    }

    private struct Key: Hashable {
        let low: UInt64
        let high: UInt64
    }

    private enum Step {
        case fault(node: Int, page: Int, isWrite: Bool)
        case write(node: Int, page: Int)
        case evict(node: Int, page: Int)
        case prefetch(node: Int, page: Int, exclusive: Bool)
        case expire(node: Int)
        case deliver(from: Int, to: Int)
    }

    private static let start = Instant(nanoseconds: 0)
    private static let later = Instant(nanoseconds: .max)

    private let configuration: EngineConfiguration
    private let options: Options
    private var seen: Set<Key> = []
    private var stack: [World] = []
    private var effects = EffectBuffer()
    private var result = Result()
    /// Page 0 is a hole: no page is in front of it to fetch it in advance from.
    private let pages: Range<Int>

    init(_ configuration: EngineConfiguration, _ options: Options = Options()) {
        var own = configuration
        own.minimumHold = 1
        own.maximumHold = 1
        self.configuration = own
        self.options = options
        pages = 1..<Int(configuration.totalPages)
    }

    func run() throws -> Result {
        let initial = World(configuration, abstract: true)
        for node in initial.nodes { node.snapshot = snapshot(node) }
        visit(initial)
        while let world = stack.popLast() {
            if let limit = options.stateLimit, result.states >= limit {
                result.isComplete = false
                break
            }
            try expand(world)
        }
        return result
    }

    private func visit(_ world: World) {
        guard seen.insert(key(world)).inserted else { return }
        result.states += 1
        stack.append(world)
    }

    private func expand(_ world: World) throws {
        if world.isAtRest {
            result.restStates += 1
            for page in pages { try world.checkAtRest(page: page) }
        }
        for node in 0..<world.count {
            let engine = world.nodes[node]
            if engine.engine.holdCount > 0 || engine.engine.deferralCount > 0 { try take(.expire(node: node), world) }
            for page in pages {
                let number = PageNumber(UInt32(page))
                let state = engine.engine.stateOf(number)
                let mayAsk = !state.isRequested || engine.engine.isPrefetching(number)
                if state.access == .none, mayAsk { try take(.fault(node: node, page: page, isWrite: false), world) }
                if state.access != .write, mayAsk { try take(.fault(node: node, page: page, isWrite: true), world) }
                if state.access == .write { try take(.write(node: node, page: page), world) }
                if options.evictions, state.access != .none { try take(.evict(node: node, page: page), world) }
                if options.prefetches, state.access == .none, !state.isRequested {
                    for exclusive in [false, true] { try take(.prefetch(node: node, page: page, exclusive: exclusive), world) }
                }
            }
            for source in 0..<world.count where !world.channels[source * world.count + node].isEmpty {
                try take(.deliver(from: source, to: node), world)
            }
        }
    }

    private func take(_ step: Step, _ world: World) throws {
        for advice in options.migratory ? [false, true] : [false] {
            var next = world
            guard try apply(step, &next, migratory: advice) else { continue }
            result.transitions += 1
            for page in pages { try next.checkAlways(page: page) }
            for channel in next.channels { result.longestChannel = max(result.longestChannel, channel.count) }
            visit(next)
        }
    }

    /// Takes one step; false when it changes nothing.
    private func apply(_ step: Step, _ world: inout World, migratory: Bool) throws -> Bool {
        let node: Int
        switch step {
        case .fault(let n, _, _), .write(let n, _), .evict(let n, _), .prefetch(let n, _, _), .expire(let n), .deliver(_, let n):
            node = n
        }
        world.nodes[node] = SimulatedNode(copying: world.nodes[node])
        if options.migratory {
            for page in pages { world.nodes[node].engine.adviseMigratory(PageNumber(UInt32(page)), migratory) }
        }
        var changed = true
        switch step {
        case .fault(_, let page, let isWrite):
            try world.call(node, &effects) { engine, effects in
                engine.fault(PageNumber(UInt32(page)), isWrite: isWrite, now: Self.start, effects: &effects)
            }
        case .write(_, let page):
            let before = world.nodes.indices.map { world.nodes[$0] }
            try world.write(node, page)
            for index in world.nodes.indices where world.nodes[index] !== before[index] {
                world.nodes[index].snapshot = snapshot(world.nodes[index])
            }
        case .evict(_, let page):
            try world.call(node, &effects) { engine, effects in
                changed = engine.evict(PageNumber(UInt32(page)), now: Self.start, effects: &effects)
            }
        case .prefetch(_, let page, let exclusive):
            try world.call(node, &effects) { engine, effects in
                changed = engine.fetchInAdvance(PageNumber(UInt32(page)), exclusive: exclusive, effects: &effects)
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

    private func snapshot(_ node: SimulatedNode) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(64)
        node.engine.snapshot(into: &bytes)
        for page in pages { bytes.append(node.mapping[page].rawValue << 4 | UInt8(node.value[page])) }
        for slot in node.parked.indices where node.parkedPage[slot] >= 0 {
            bytes.append(UInt8(node.parkedPage[slot]) << 1 | UInt8(node.parked[slot]))
        }
        return bytes
    }

    private func key(_ world: World) -> Key {
        var hash = TwinHash()
        for node in world.nodes {
            for byte in node.snapshot { hash.mix(UInt64(byte)) }
            hash.mix(0x100)
        }
        for channel in world.channels {
            for packet in channel {
                let message = packet.message
                hash.mix(
                    UInt64(message.kind.rawValue) | UInt64(message.page.rawValue) << 8 | UInt64(message.requester.rawValue) << 16
                        | UInt64(message.acks) << 24 | (message.exclusive ? 1 << 32 : 0) | (message.zero ? 1 << 33 : 0))
                hash.mix(message.mask)
                hash.mix(message.zeroMask)
                for value in packet.values { hash.mix(UInt64(value)) }
            }
            hash.mix(0x101)
        }
        for page in pages { hash.mix(UInt64(world.zero[page])) }
        return Key(low: hash.low, high: hash.high)
    }
}

/// Two independent 64-bit hashes of one sequence (multiply and xor-shift with different odd constants).
struct TwinHash {
    private(set) var low: UInt64 = 0x243F_6A88_85A3_08D3
    private(set) var high: UInt64 = 0x1319_8A2E_0370_7344

    mutating func mix(_ value: UInt64) {
        low = (low ^ value) &* 0x9E37_79B9_7F4A_7C15
        low ^= low >> 29
        high = (high &+ value) &* 0xBF58_476D_1CE4_E5B9
        high ^= high >> 32
    }
}
