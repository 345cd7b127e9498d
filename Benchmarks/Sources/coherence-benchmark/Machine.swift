import Coherence

/// Engines joined by channels in memory that cost next to nothing: what is left is the engines' own time.
struct Machine: ~Copyable {
    private struct Packet: BitwiseCopyable {
        var message: Message
        var source: UInt8
        var destination: UInt8
    }

    private var first: Engine
    private var second: Engine
    private var third: Engine
    private var fourth: Engine
    private var effects = EffectBuffer()
    private var queue: [Packet] = []
    private var head = 0
    private(set) var time: UInt64 = 0
    /// Calls into an engine: faults, messages received, expiries.
    private(set) var transitions: UInt64 = 0
    private(set) var violations: UInt64 = 0
    /// Pages installed and dropped.
    private(set) var pagesMoved: UInt64 = 0

    /// Four nodes with `pages` pages each. Holds last one nanosecond, so that they cost their bookkeeping and no waiting.
    init(pages: UInt32, cacheLimit: Int, policies: PolicySet) throws(HomeMap.Invalid) {
        let homes = try HomeMap(
            (0..<4).map { HomeMap.Range(first: PageNumber($0 * pages), count: pages, home: NodeID(UInt8($0))) })
        func engine(_ node: UInt8) -> Engine {
            Engine(
                configuration: EngineConfiguration(
                    node: NodeID(node), nodeCount: 4, homes: homes, cacheLimit: cacheLimit, minimumHold: 1, maximumHold: 1,
                    policies: policies))
        }
        first = engine(0)
        second = engine(1)
        third = engine(2)
        fourth = engine(3)
        queue.reserveCapacity(4096)
    }

    /// A processor of `node` touches `page`, and everything that follows from it happens.
    @inline(__always)
    mutating func access(_ node: Int, _ page: UInt32, isWrite: Bool) {
        time += 1000
        let now = Instant(nanoseconds: time)
        transitions += 1
        switch node {
        case 0: first.fault(PageNumber(page), isWrite: isWrite, now: now, effects: &effects)
        case 1: second.fault(PageNumber(page), isWrite: isWrite, now: now, effects: &effects)
        case 2: third.fault(PageNumber(page), isWrite: isWrite, now: now, effects: &effects)
        default: fourth.fault(PageNumber(page), isWrite: isWrite, now: now, effects: &effects)
        }
        collect(UInt8(node))
        while head < queue.count {
            let packet = queue[head]
            head += 1
            time += 1000
            receive(packet)
            collect(packet.destination)
        }
        queue.removeAll(keepingCapacity: true)
        head = 0
    }

    private mutating func receive(_ packet: Packet) {
        let now = Instant(nanoseconds: time)
        let sender = NodeID(packet.source)
        transitions += 1
        do throws(ProtocolViolation) {
            switch packet.destination {
            case 0: try first.receive(packet.message, from: sender, now: now, effects: &effects)
            case 1: try second.receive(packet.message, from: sender, now: now, effects: &effects)
            case 2: try third.receive(packet.message, from: sender, now: now, effects: &effects)
            default: try fourth.receive(packet.message, from: sender, now: now, effects: &effects)
            }
        } catch {
            violations += 1
        }
    }

    private mutating func collect(_ node: UInt8) {
        for index in 0..<effects.count {
            switch effects[index] {
            case .send(let message, let destination, _):
                queue.append(Packet(message: message, source: node, destination: destination.rawValue))
            case .install, .drop: pagesMoved += 1
            default: break
            }
        }
        effects.removeAll()
    }
}
