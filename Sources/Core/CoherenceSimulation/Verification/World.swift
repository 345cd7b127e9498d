package import Coherence

/// A message under way, with one value for each page of contents behind it.
package struct Packet: Equatable, Sendable {
    package var message: Message
    package var values: [UInt32]

    package init(message: Message, values: [UInt32]) {
        self.message = message
        self.values = values
    }
}

/// What one node has mapped, as a driver would, and its engine.
final class SimulatedNode {
    enum Mapping: UInt8 { case absent, read, write }

    var engine: Engine
    var mapping: [Mapping]
    var value: [UInt32]
    var parked: [UInt32]
    /// Which page's contents each parking slot has, -1 for none.
    var parkedPage: [Int]
    /// Pages somebody here was woken for by the latest call.
    var woken: [PageNumber] = []
    /// The engine's snapshot, kept for the model checker.
    var snapshot: [UInt8] = []

    init(_ configuration: EngineConfiguration) {
        engine = Engine(configuration: configuration)
        mapping = Array(repeating: .absent, count: Int(configuration.totalPages))
        value = Array(repeating: 0, count: Int(configuration.totalPages))
        parked = Array(repeating: 0, count: engine.parkingSlots)
        parkedPage = Array(repeating: -1, count: engine.parkingSlots)
    }

    init(copying other: SimulatedNode) {
        engine = other.engine.copy()
        mapping = other.mapping
        value = other.value
        parked = other.parked
        parkedPage = other.parkedPage
    }
}

/// A broken promise of the protocol, in words.
package struct Broken: Error, CustomStringConvertible {
    package let description: String
    package init(_ description: String) { self.description = description }
}

/// Nodes and the channels between them: executes effects as a driver does, and knows the last write to every page.
///
/// `abstract` values are 1 for the last write's contents and 0 for older ones, which keeps the number of states finite.
struct World {
    let configuration: EngineConfiguration
    let abstract: Bool
    var nodes: [SimulatedNode]
    /// Channel from s to d at s * nodes + d.
    var channels: [[Packet]]
    /// The value of the last write to each page.
    var latest: [UInt32]
    /// The value a page of zeros stands for: 1 until the page is written, in the abstract.
    var zero: [UInt32]
    /// The message being delivered.
    private var receiving: Message?

    init(_ configuration: EngineConfiguration, abstract: Bool) {
        self.configuration = configuration
        self.abstract = abstract
        let count = configuration.nodeCount
        nodes = (0..<count).map {
            var own = configuration
            own.node = NodeID(UInt8($0))
            return SimulatedNode(own)
        }
        channels = Array(repeating: [], count: count * count)
        latest = Array(repeating: abstract ? 1 : 0, count: Int(configuration.totalPages))
        zero = latest
    }

    var count: Int { nodes.count }

    /// Takes the packets under way between two nodes, oldest first.
    mutating func takePackets(from source: Int, to destination: Int) -> [Packet] {
        defer { channels[source * count + destination].removeAll(keepingCapacity: true) }
        return channels[source * count + destination]
    }

    /// Calls a node's engine and executes the effects; `received` are the values behind the message being received.
    mutating func call(
        _ node: Int, received: [UInt32] = [], _ effects: inout EffectBuffer,
        _ body: (inout Engine, inout EffectBuffer) throws -> Void
    ) throws {
        effects.removeAll()
        nodes[node].woken.removeAll(keepingCapacity: true)
        try body(&nodes[node].engine, &effects)
        for index in 0..<effects.count { try execute(effects[index], node, received) }
    }

    mutating func receive(
        _ packet: Packet, from source: Int, at destination: Int, now: Instant, _ effects: inout EffectBuffer
    ) throws {
        receiving = packet.message
        defer { receiving = nil }
        try call(destination, received: packet.values, &effects) { engine, effects in
            try engine.receive(packet.message, from: NodeID(UInt8(source)), now: now, effects: &effects)
        }
    }

    /// A processor writes: the node must be the only one with a copy.
    mutating func write(_ node: Int, _ page: Int) throws {
        guard nodes[node].mapping[page] == .write else { throw Broken("node \(node) writes page \(page) without the right") }
        if abstract {
            for other in nodes.indices where other != node {
                let isParked = zip(nodes[other].parkedPage, nodes[other].parked).contains { $0 == page && $1 == 1 }
                guard nodes[other].value[page] == 1 || isParked else { continue }
                nodes[other] = SimulatedNode(copying: nodes[other])
                nodes[other].value[page] = 0
                for slot in nodes[other].parked.indices where nodes[other].parkedPage[slot] == page {
                    nodes[other].parked[slot] = 0
                }
            }
            for channel in channels.indices {
                for position in channels[channel].indices { channels[channel][position].age(page) }
            }
            zero[page] = 0
            latest[page] = 1
            nodes[node].value[page] = 1
        } else {
            latest[page] &+= 1
            nodes[node].value[page] = latest[page]
        }
    }

    private mutating func execute(_ effect: Effect, _ node: Int, _ received: [UInt32]) throws {
        let here = nodes[node]
        func mapped(_ page: PageNumber, _ what: String) throws -> Int {
            let number = Int(page.rawValue)
            guard here.mapping[number] != .absent else { throw Broken("node \(node): \(what) of page \(number), which is not mapped") }
            return number
        }
        switch effect {
        case .send(let message, let destination, let contents):
            guard Int(destination.rawValue) != node else { throw Broken("node \(node) sends to itself: \(message)") }
            var values: [UInt32] = []
            switch contents {
            case .none: break
            case .page(let page): values.append(here.value[try mapped(page, "reading")])
            case .pages(let first, let mask):
                for bit in 0..<64 where mask & (1 << UInt64(bit)) != 0 {
                    values.append(here.value[try mapped(PageNumber(first.rawValue + UInt32(bit)), "reading")])
                }
            }
            var message = message
            if case .page(let page) = contents, here.engine.looksForZeros(message), values == [zero[Int(page.rawValue)]],
                let shorter = here.engine.withoutZeros(message)
            {
                (message, values) = (shorter, [])
            }
            guard values.count == message.pagesFollowing else { throw Broken("\(message) with \(values.count) pages") }
            try checkCodec(message)
            channels[node * count + Int(destination.rawValue)].append(Packet(message: message, values: values))
        case .park(let slot, let index):
            guard received.indices.contains(index) else { throw Broken("node \(node) parks what did not arrive") }
            guard let message = receiving else { throw Broken("node \(node) parks outside a delivery") }
            here.parked[slot] = received[index]
            here.parkedPage[slot] = message.page(at: index)
        case .install(let page, let writable, let source):
            let number = Int(page.rawValue)
            guard here.mapping[number] == .absent else { throw Broken("node \(node) installs page \(number) twice") }
            here.mapping[number] = writable ? .write : .read
            switch source {
            case .received(let index): here.value[number] = received[index]
            case .parked(let slot):
                guard here.parkedPage[slot] == number else { throw Broken("node \(node) installs page \(number) from a wrong slot") }
                here.value[number] = here.parked[slot]
                here.parked[slot] = 0
                here.parkedPage[slot] = -1
            case .zero: here.value[number] = zero[number]
            }
            here.woken.append(page)
        case .makeWritable(let page):
            here.mapping[try mapped(page, "lifting protection")] = .write
            here.woken.append(page)
        case .protect(let page):
            here.mapping[try mapped(page, "protecting")] = .read
        case .drop(let page):
            let number = try mapped(page, "dropping")
            here.mapping[number] = .absent
            here.value[number] = 0
        case .zeroFill(let first, let count):
            for number in Int(first.rawValue)..<Int(first.rawValue + count) {
                guard here.mapping[number] == .absent else { throw Broken("node \(node) fills page \(number), which is mapped") }
                here.mapping[number] = .write
                here.value[number] = zero[number]
                here.woken.append(PageNumber(UInt32(number)))
            }
        case .wake(let page):
            here.woken.append(page)
        }
    }

    private func checkCodec(_ message: Message) throws {
        var bytes = [UInt8](repeating: 0, count: Message.encodedSize)
        var span = bytes.mutableSpan
        message.encode(into: &span)
        let back = Message(decoding: bytes.span, nodeCount: count, totalPages: configuration.totalPages)
        guard back == message else { throw Broken("\(message) does not survive its encoding: \(String(describing: back))") }
    }
}

extension Message {
    /// Whose contents are number `index` of those that follow.
    func page(at index: Int) -> Int {
        guard kind == .prefetchReply else { return Int(page.rawValue) }
        var left = mask
        for _ in 0..<index { left &= left &- 1 }
        return Int(page.rawValue) + left.trailingZeroBitCount
    }
}

extension Packet {
    /// The contents for `page`, if any, are no longer the last write's.
    mutating func age(_ page: Int) {
        guard !values.isEmpty else { return }
        if message.kind == .prefetchReply {
            var index = 0
            for bit in 0..<64 where message.mask & (1 << UInt64(bit)) != 0 {
                if Int(message.page.rawValue) + bit == page { values[index] = 0 }
                index += 1
            }
        } else if Int(message.page.rawValue) == page {
            values[0] = 0
        }
    }
}
