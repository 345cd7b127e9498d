package import Coherence

/// Visits every state that any interleaving of faults, writes, evictions, hold expiries, policy choices and deliveries can
/// reach, with channels that keep order per pair of nodes only. It runs the shipping engine; states are told apart by
/// 128 bits of hash.
package final class ModelChecker {
    package struct Options: Sendable {
        package var evictions = true
        package var prefetches = true
        /// Prefetches that insist, and requests that nobody waits for.
        package var streams = true
        /// The adversary decides at each step of a home whether a read takes the only copy.
        package var migratory = false
        /// The adversary decides at each step of a home whether another reader answers a read.
        package var relays = false
        /// Stop after so many states; nil visits all.
        package var stateLimit: Int?
        /// What becomes of a packet at its delivery, to see that the check notices; the engine itself is not changed.
        package var mutation: (@Sendable (Packet) -> [Packet])?
        /// The nearest states first, which takes more memory: a bounded search then covers all paths of some length.
        package var isBreadthFirst = false
        /// Keeps the path to each state, for a `Finding`.
        package var keepsPaths = false

        package init(
            evictions: Bool = true, prefetches: Bool = true, streams: Bool = true, migratory: Bool = false, relays: Bool = false,
            stateLimit: Int? = nil, isBreadthFirst: Bool = false
        ) {
            self.evictions = evictions
            self.prefetches = prefetches
            self.streams = streams
            self.migratory = migratory
            self.relays = relays
            self.stateLimit = stateLimit
            self.isBreadthFirst = isBreadthFirst
        }
    }

    package struct Result: Sendable {
        package var states = 0
        package var transitions = 0
        package var restStates = 0
        package var longestChannel = 0
        package var isComplete = true
        /// Of a breadth-first search: all paths of so many steps were followed.
        package var depth = 0
    }

    /// A promise that some interleaving breaks.
    package struct Finding: Error, CustomStringConvertible {
        package var description: String
        /// States visited before.
        package var states: Int
        /// The steps that lead to it, in words; empty unless asked for.
        package var path: [String]
    }

    private struct Key: Hashable {
        let low: UInt64
        let high: UInt64
    }

    private struct Visited {
        var world: World
        /// How many states were found before it.
        var number: Int
    }

    let configuration: EngineConfiguration
    let options: Options
    /// Page 0 is a hole: no page is in front of it to fetch it in advance from.
    let pages: Range<Int>
    var effects = EffectBuffer()
    /// The numbers of the states found.
    private var seen: [Key: UInt32] = [:]
    private var ownSteps = OwnSteps()
    private var frontier: [Visited] = []
    /// In a breadth-first search, what is one step further than the frontier.
    private var next: [Visited] = []
    /// With `keepsPaths`, the step that led to each state but the first, and from which.
    private var trail: [(parent: Int, step: Step)] = []
    /// The number of the state whose steps are taken.
    private var place = 0
    private var latest: Step?
    private var result = Result()

    package init(_ configuration: EngineConfiguration, _ options: Options = Options()) {
        var own = configuration
        own.minimumHold = 1
        own.maximumHold = 1
        self.configuration = own
        self.options = options
        pages = 1..<Int(configuration.totalPages)
    }

    package func run() throws(Finding) -> Result {
        do {
            visit(start(), by: nil)
            while let visited = takeNext() {
                if let limit = options.stateLimit, result.states >= limit {
                    result.isComplete = false
                    break
                }
                place = visited.number
                latest = nil
                try expand(visited.world)
            }
            latest = nil
            if let state = ownSteps.circle(states: result.states) {
                place = state
                throw Broken("livelock: deliveries and ends of holds lead back to where they began")
            }
        } catch {
            throw Finding(description: "\(error)", states: result.states, path: options.keepsPaths ? narrate() : [])
        }
        return result
    }

    /// The shortest way to break a promise of `configuration`, if it is among the first `stateLimit` states.
    package static func shortestFinding(
        _ configuration: EngineConfiguration, _ options: Options, stateLimit: Int
    ) -> Finding? {
        var own = options
        own.isBreadthFirst = true
        own.keepsPaths = true
        own.stateLimit = stateLimit
        do {
            _ = try ModelChecker(configuration, own).run()
            return nil
        } catch {
            return error
        }
    }

    private func start() -> World {
        let world = World(configuration, abstract: true)
        for node in world.nodes { node.snapshot = snapshot(node) }
        return world
    }

    private func takeNext() -> Visited? {
        if frontier.isEmpty, !next.isEmpty {
            if result.states > 1 { result.depth += 1 }
            swap(&frontier, &next)
        }
        return frontier.popLast()
    }

    /// The state's number.
    @discardableResult
    private func visit(_ world: World, by step: Step?) -> Int {
        let key = key(world)
        if let number = seen[key] { return Int(number) }
        let number = result.states
        seen[key] = UInt32(number)
        result.states += 1
        if options.keepsPaths, let step { trail.append((place, step)) }
        let visited = Visited(world: world, number: number)
        if options.isBreadthFirst { next.append(visited) } else { frontier.append(visited) }
        return number
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
                guard options.prefetches, state.access != .write, !state.isRequested else { continue }
                for exclusive in [false, true] {
                    if options.streams { try take(.request(node: node, page: page, exclusive: exclusive), world) }
                    guard state.access == .none else { continue }
                    for insists in options.streams ? [false, true] : [false] {
                        try take(.prefetch(node: node, page: page, exclusive: exclusive, insists: insists), world)
                    }
                }
            }
            for source in 0..<world.count where !world.channels[source * world.count + node].isEmpty {
                try take(.deliver(from: source, to: node), world)
            }
        }
    }

    private func take(_ action: Action, _ world: World) throws {
        for migratory in options.migratory ? [false, true] : [false] {
            for relays in options.relays ? [false, true] : [false] {
                let step = Step(action: action, migratory: migratory, relays: relays)
                latest = step
                var changed = world
                guard try apply(step, &changed) else { continue }
                result.transitions += 1
                for page in pages { try changed.checkAlways(page: page) }
                for channel in changed.channels { result.longestChannel = max(result.longestChannel, channel.count) }
                let number = visit(changed, by: step)
                if action.isOwn, number != place { ownSteps.add(from: place, to: number) }
            }
        }
        latest = nil
    }

    /// The way from the start to the latest step, in words.
    private func narrate() -> [String] {
        var steps: [Step] = []
        if let latest { steps.append(latest) }
        while place > 0 {
            steps.append(trail[place - 1].step)
            place = trail[place - 1].parent
        }
        var world = start()
        return steps.reversed().map { step in
            defer { _ = try? apply(step, &world) }
            return describe(step, world)
        }
    }

    func snapshot(_ node: SimulatedNode) -> [UInt8] {
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
        for (index, channel) in world.channels.enumerated() {
            let receiver = world.nodes[index % world.count]
            for packet in channel {
                let message = packet.message
                hash.mix(
                    UInt64(message.kind.rawValue) | UInt64(message.page.rawValue) << 8 | UInt64(message.requester.rawValue) << 16
                        | UInt64(message.acks) << 24 | (message.exclusive ? 1 << 32 : 0) | (message.zero ? 1 << 33 : 0))
                hash.mix(message.kind == .invalidate ? (receiver.engine.isForCopyOnItsWay(message) ? 1 : 0) : message.mask)
                hash.mix(message.zeroMask)
                for value in packet.values { hash.mix(UInt64(value)) }
            }
            hash.mix(0x101)
        }
        for page in pages { hash.mix(UInt64(world.zero[page])) }
        return Key(low: hash.low, high: hash.high)
    }
}
