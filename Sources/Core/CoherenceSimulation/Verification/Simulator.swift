import Coherence

/// A machine in virtual time: processors that run instructions on pages, engines, and a network that loses, duplicates, delays and
/// reorders packets below a reliable channel between every two nodes. Nodes may be slow for a while, may go over to other policies, and one
/// may die. One seed decides everything.
final class Simulator {
    enum Event {
        case step(processor: Int)
        case segment(channel: Int, ReliableChannel<Payload>.Segment)
        case acknowledgement(channel: Int, UInt64)
        case retransmission(channel: Int)
        case deadline(node: Int)
        case beat(node: Int)
    }

    /// What one node sends another: a message of the engine, or a sign of life.
    enum Payload {
        case packet(Packet)
        case heartbeat
    }

    struct Processor {
        let node: Int
        /// Instructions it still has to run.
        var left: Int
        var current: [Access] = []
        var waitsFor: Int?
        var began: UInt64 = 0
        var position = 0
    }

    /// Nanoseconds in which some processor has to run an instruction.
    private static let patience: UInt64 = 60_000_000_000

    let parameters: Parameters
    var world: World
    var random: SplitMix64
    var events = EventQueue<Event>()
    var processors: [Processor] = []
    /// From s to d at s * nodes + d.
    var channels: [ReliableChannel<Payload>]
    /// Whether an event for a channel's retransmission is in the queue.
    var hasTimer: [Bool]
    var deadlines: [UInt64?]
    var slowPhases: [SlowPhase] = []
    var failures: FailureState
    var effects = EffectBuffer()
    var outcome = Outcome()
    /// When a processor last ran an instruction.
    var latestProgress: UInt64 = 0
    let pages: [Int]
    private var digest = TwinHash()

    init(_ parameters: Parameters) throws {
        self.parameters = parameters
        random = SplitMix64(state: parameters.seed)
        let count = parameters.nodes
        let stride = UInt32(parameters.pagesPerNode + 16)
        let homes = try HomeMap(
            (0..<count).map {
                HomeMap.Range(first: PageNumber(UInt32($0) * stride), count: UInt32(parameters.pagesPerNode), home: NodeID(UInt8($0)))
            })
        pages = homes.ranges.flatMap { range in (range.first.rawValue..<range.end).map { Int($0) } }
        let remote = parameters.pagesPerNode * (count - 1)
        var configuration = EngineConfiguration(
            node: NodeID(0), nodeCount: count, homes: homes,
            cacheLimit: max(8 * parameters.processorsPerNode, remote * parameters.cachePercent / 100),
            minimumHold: parameters.minimumHold, outstandingFaults: parameters.outstandingFaults, policies: parameters.policies)
        configuration.pageTime = parameters.pageTime
        world = World(configuration, abstract: false)
        channels = Array(repeating: ReliableChannel(timeout: parameters.latency * 8), count: count * count)
        hasTimer = Array(repeating: false, count: count * count)
        deadlines = Array(repeating: nil, count: count)
        failures = FailureState(nodes: count)
        for node in 0..<count {
            for _ in 0..<parameters.processorsPerNode {
                processors.append(Processor(node: node, left: parameters.instructions, position: random.below(pages.count)))
                events.insert(.step(processor: processors.count - 1), at: UInt64(random.below(1000)))
            }
        }
        slowPhases = (0..<parameters.slowPhases).map { _ in SlowPhase(nodes: count, &random) }
        if parameters.deathAfter != nil {
            failures.victim = random.below(count)
            for node in 0..<count { events.insert(.beat(node: node), at: UInt64(random.below(Int(FailureState.beat)))) }
        }
    }

    func run() throws -> Outcome {
        while let (time, event) = events.popFirst() {
            outcome.time = time
            digest.mix(time)
            try handle(event, Instant(nanoseconds: time))
            switchIfDue()
            guard failures.death != nil || time < latestProgress + Self.patience else {
                throw Broken("no progress: \(processors.filter { $0.left > 0 }.count) processors are left at \(time / 1_000_000) ms")
            }
        }
        for processor in processors where processor.left > 0 && !failures.hasStopped(processor.node) {
            throw Broken("lost wake-up: node \(processor.node) waits for page \(processor.waitsFor ?? -1) and nothing is under way")
        }
        if failures.death != nil { try checkEveryoneKnows() }
        for page in pages {
            try world.checkAlways(page: page)
            if failures.death == nil { try world.checkAtRest(page: page) }
        }
        outcome.statistics = world.nodes.map { $0.engine.statistics }
        outcome.digest = digest.low ^ digest.high
        return outcome
    }

    private func handle(_ event: Event, _ now: Instant) throws {
        switch event {
        case .step(let processor):
            guard !failures.hasStopped(processors[processor].node) else { return }
            try step(processor, now)
        case .segment(let channel, let segment):
            guard !failures.isDead(channel % world.count) else { return }
            try arrive(segment, channel, now)
        case .acknowledgement(let channel, let sequence):
            guard !failures.isDead(channel / world.count) else { return }
            channels[channel].acknowledge(sequence, now: now.nanoseconds)
        case .retransmission(let channel):
            retransmit(channel, now)
        case .deadline(let node):
            deadlines[node] = nil
            guard !failures.isDead(node) else { return }
            try world.call(node, &effects) { engine, effects in engine.expire(now: now, effects: &effects) }
            try settle(node, now)
        case .beat(let node):
            try beat(node, now)
        }
    }

    /// Checks what a call did and schedules what follows from it.
    func settle(_ node: Int, _ now: Instant) throws {
        for index in 0..<effects.count {
            switch effects[index] {
            case .install(let page, _, _), .makeWritable(let page): try world.checkAlways(page: Int(page.rawValue))
            case .zeroFill(let first, let count):
                for page in first.rawValue..<(first.rawValue + count) { try world.checkAlways(page: Int(page)) }
            default: break
            }
        }
        wake(node, now)
        for destination in 0..<world.count where !world.channels[node * world.count + destination].isEmpty {
            for packet in world.takePackets(from: node, to: destination) {
                send(.packet(packet), from: node, to: destination, now)
            }
        }
        outcome.peakHeld = max(outcome.peakHeld, world.nodes[node].engine.heldPageCount)
        if let deadline = world.nodes[node].engine.nextDeadline {
            let time = max(deadline.nanoseconds, now.nanoseconds)
            if let known = deadlines[node], known <= time { return }
            deadlines[node] = time
            events.insert(.deadline(node: node), at: time)
        }
    }
}
