import Coherence

/// A machine in virtual time: processors that run instructions on pages, engines, and links with random delays. One seed
/// decides everything.
final class Simulator {
    /// An instruction goes on only while every page it needs is mapped at once.
    struct Access {
        var page: Int
        var isWrite: Bool
    }

    struct Parameters {
        var nodes = 2
        var processorsPerNode = 2
        var pagesPerNode = 256
        var instructions = 300
        /// Part of the other nodes' pages that a node may hold, in percent.
        var cachePercent = 100
        var policies = PolicySet.all
        var minimumHold: UInt64 = 50_000
        /// Nanoseconds from installing a page to the guest running with it, at most.
        var wakeTime: UInt64 = 30_000
        /// Nanoseconds on the wire, at least; the rest is random, with rare long delays.
        var latency: UInt64 = 20_000
        var seed: UInt64 = 1
        /// What instruction a processor runs next; nil uses the mixed workload.
        var workload: ((_ processor: Int, _ random: inout SplitMix64) -> [Access])?
    }

    struct Outcome {
        var time: UInt64 = 0
        var instructions = 0
        var longestInstruction: UInt64 = 0
        var peakHeld = 0
        var statistics: [Statistics] = []

        func sum(_ path: KeyPath<Statistics, UInt64>) -> UInt64 { statistics.reduce(0) { $0 + $1[keyPath: path] } }
    }

    private enum Event {
        case step(processor: Int)
        case deliver(channel: Int)
        case deadline(node: Int)
    }

    private struct Processor {
        var node: Int
        var left: Int
        var current: [Access] = []
        var waitsFor: Int?
        var began: UInt64 = 0
        var position = 0
    }

    private let parameters: Parameters
    private var world: World
    private var random: SplitMix64
    private var events = EventQueue<Event>()
    private var processors: [Processor] = []
    private var lastDelivery: [UInt64]
    private var scheduled: [Int]
    private var deadlines: [UInt64?]
    private var effects = EffectBuffer()
    private var outcome = Outcome()
    private let pages: [Int]

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
        world = World(
            EngineConfiguration(
                node: NodeID(0), nodeCount: count, homes: homes, cacheLimit: max(8, remote * parameters.cachePercent / 100),
                minimumHold: parameters.minimumHold, outstandingFaults: 16, policies: parameters.policies),
            abstract: false)
        lastDelivery = Array(repeating: 0, count: count * count)
        scheduled = Array(repeating: 0, count: count * count)
        deadlines = Array(repeating: nil, count: count)
        for node in 0..<count {
            for _ in 0..<parameters.processorsPerNode {
                processors.append(Processor(node: node, left: parameters.instructions, position: random.below(pages.count)))
                events.insert(.step(processor: processors.count - 1), at: UInt64(random.below(1000)))
            }
        }
    }

    func run() throws -> Outcome {
        while let (time, event) = events.popFirst() {
            outcome.time = time
            let now = Instant(nanoseconds: time)
            switch event {
            case .step(let processor): try step(processor, now)
            case .deliver(let channel):
                scheduled[channel] -= 1
                let (source, destination) = (channel / world.count, channel % world.count)
                try world.deliver(from: source, to: destination, now: now, &effects)
                try settle(destination, now)
            case .deadline(let node):
                deadlines[node] = nil
                try world.call(node, &effects) { engine, effects in engine.expire(now: now, effects: &effects) }
                try settle(node, now)
            }
            guard time < 600_000_000_000 else { throw Broken("no progress: \(processors.filter { $0.left > 0 }.count) processors are left") }
        }
        for processor in processors where processor.left > 0 {
            throw Broken("lost wake-up: node \(processor.node) waits for page \(processor.waitsFor ?? -1) and nothing is under way")
        }
        for page in pages {
            try world.checkAlways(page: page)
            try world.checkAtRest(page: page)
        }
        outcome.statistics = world.nodes.map { $0.engine.statistics }
        return outcome
    }

    private func step(_ index: Int, _ now: Instant) throws {
        var processor = processors[index]
        defer { processors[index] = processor }
        guard processor.left > 0 else { return }
        if processor.current.isEmpty {
            processor.current = parameters.workload?(index, &random) ?? mixed(&processor)
            processor.began = now.nanoseconds
        }
        processor.waitsFor = nil
        let node = world.nodes[processor.node]
        for access in processor.current {
            let mapping = node.mapping[access.page]
            guard mapping == .absent || (access.isWrite && mapping == .read) else { continue }
            processor.waitsFor = access.page
            processors[index] = processor
            try world.call(processor.node, &effects) { engine, effects in
                engine.fault(PageNumber(UInt32(access.page)), isWrite: access.isWrite, processor: UInt16(index % parameters.processorsPerNode), now: now,
                    effects: &effects)
            }
            try settle(processor.node, now)
            processor = processors[index]
            return
        }
        for access in processor.current {
            if access.isWrite { try world.write(processor.node, access.page) }
            try world.checkAlways(page: access.page)
        }
        outcome.longestInstruction = max(outcome.longestInstruction, now.nanoseconds - processor.began)
        outcome.instructions += 1
        processor.current = []
        processor.left -= 1
        events.insert(.step(processor: index), at: now.nanoseconds + 500 + UInt64(random.below(2000)))
    }

    /// Checks what a call did and schedules what follows from it.
    private func settle(_ node: Int, _ now: Instant) throws {
        for index in 0..<effects.count {
            switch effects[index] {
            case .install(let page, _, _), .makeWritable(let page): try world.checkAlways(page: Int(page.rawValue))
            case .zeroFill(let first, let count):
                for page in first.rawValue..<(first.rawValue + count) { try world.checkAlways(page: Int(page)) }
            default: break
            }
        }
        for page in world.nodes[node].woken {
            for index in processors.indices where processors[index].node == node && processors[index].waitsFor == Int(page.rawValue) {
                processors[index].waitsFor = nil
                let delay = parameters.wakeTime / 3 + UInt64(random.below(Int(parameters.wakeTime * 2 / 3)))
                events.insert(.step(processor: index), at: now.nanoseconds + delay)
            }
        }
        for destination in 0..<world.count {
            let channel = node * world.count + destination
            while scheduled[channel] < world.channels[channel].count {
                scheduled[channel] += 1
                var delay = parameters.latency + UInt64(random.below(Int(parameters.latency)))
                if random.below(100) == 0 { delay += parameters.latency * 50 }
                let time = max(lastDelivery[channel] + 1, now.nanoseconds + delay)
                lastDelivery[channel] = time
                events.insert(.deliver(channel: channel), at: time)
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

    /// Hot shared pages, sequential runs, scattered accesses, and now and then an instruction that needs six pages at once.
    private func mixed(_ processor: inout Processor) -> [Access] {
        switch random.below(100) {
        case 0..<30: return [Access(page: pages[random.below(8)], isWrite: random.below(3) == 0)]
        case 30..<65:
            processor.position = (processor.position + 1) % pages.count
            return [Access(page: pages[processor.position], isWrite: random.below(4) == 0)]
        case 65..<97: return [Access(page: pages[random.below(pages.count)], isWrite: random.below(2) == 0)]
        default:
            return (0..<6).map { _ in Access(page: pages[random.below(24)], isWrite: random.below(3) == 0) }
        }
    }
}
