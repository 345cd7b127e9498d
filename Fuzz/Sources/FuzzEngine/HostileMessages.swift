import Coherence

/// An engine between peers that send what the input says, and its node's memory as the driver has it. Whatever comes, the engine answers or names the
/// peer, and asks nothing impossible of the driver: no page mapped twice, none sent, protected or dropped that is not there.
///
/// Input: three bytes of configuration, then steps. The test suite replays the corpus through this file, too.
struct HostileMessages: ~Copyable {
    private enum Access { case none, read, write }

    private static let pages: UInt32 = 24
    private static let outstanding = 8

    private var engine: Engine
    private var effects = EffectBuffer()
    private var memory = [Access](repeating: .none, count: Int(pages))
    /// Pages that the node's own processors wait for.
    private var waiting: Set<UInt32> = []
    private var parked: Set<Int> = []
    private let node: UInt8
    private let nodes: UInt8
    private var now: UInt64 = 0
    private(set) var accepted = 0
    private(set) var refused = 0

    private init(_ first: UInt8, _ second: UInt8, _ third: UInt8) throws {
        nodes = 2 + first & 3
        node = first >> 2 % nodes
        let share = Self.pages / UInt32(nodes)
        let homes = (0..<UInt32(nodes)).map { HomeMap.Range(first: PageNumber($0 * share), count: share, home: NodeID(UInt8($0))) }
        let bits = UInt32(second) | UInt32(third) << 8
        let policies = PolicySet.all.subtracting(PolicySet(rawValue: bits & PolicySet.all.rawValue))
        engine = Engine(
            configuration: EngineConfiguration(
                node: NodeID(node), nodeCount: Int(nodes), homes: try HomeMap(homes), totalPages: Self.pages, cacheLimit: 6, minimumHold: 100,
                outstandingFaults: Self.outstanding, policies: policies))
    }

    /// - Returns: messages that were accepted, and whether one was refused, which is the end.
    @discardableResult
    static func run(_ input: [UInt8]) -> (accepted: Int, isRefused: Bool) {
        guard input.count > 3, var peers = try? HostileMessages(input[0], input[1], input[2]) else { return (0, false) }
        var rest = input.dropFirst(3)[...]
        while let step = rest.popFirst(), peers.refused == 0 {
            switch step % 8 {
            case 0, 1: peers.fault(rest.popFirst() ?? 0, isWrite: step & 1 != 0, processor: step >> 4)
            case 2: peers.pass(UInt64(rest.popFirst() ?? 0) * 16)
            case 3:
                guard rest.count >= 25 else { return (peers.accepted, false) }
                let sender = rest.removeFirst()
                peers.receive(Array(rest.prefix(Message.encodedSize)), from: sender)
                rest = rest.dropFirst(Message.encodedSize)
            default:
                guard rest.count >= 4 else { return (peers.accepted, false) }
                let fields = Array(rest.prefix(4))
                rest = rest.dropFirst(4)
                peers.receive(Self.message(step, fields), from: fields[3])
            }
        }
        return (peers.accepted, peers.refused > 0)
    }

    /// The bytes of a likely message: kind and flags from the step, then page, requester and acknowledgements, and one byte for both masks.
    private static func message(_ step: UInt8, _ fields: [UInt8]) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: Message.encodedSize)
        bytes[0] = 1 + step >> 3 % 14
        bytes[1] = step & 3
        bytes[2] = fields[1] & 7
        bytes[3] = fields[1] >> 4
        bytes[4] = fields[0] % UInt8(pages)
        bytes[8] = fields[2] & 15
        bytes[16] = fields[2] >> 4
        return bytes
    }

    // MARK: Steps

    private mutating func fault(_ number: UInt8, isWrite: Bool, processor: UInt8) {
        let page = UInt32(number) % (Self.pages / UInt32(nodes) * UInt32(nodes))
        guard waiting.contains(page) || waiting.count < Self.outstanding else { return }
        switch memory[Int(page)] {
        case .write: return
        case .read where !isWrite: return
        case .read, .none: break
        }
        waiting.insert(page)
        engine.fault(PageNumber(page), isWrite: isWrite, processor: UInt16(processor), now: Instant(nanoseconds: now), effects: &effects)
        execute(following: 0)
    }

    private mutating func pass(_ time: UInt64) {
        now += time
        engine.expire(now: Instant(nanoseconds: now), effects: &effects)
        execute(following: 0)
    }

    private mutating func receive(_ bytes: [UInt8], from sender: UInt8) {
        now += 1
        guard let message = Message(decoding: bytes.span, nodeCount: Int(nodes), totalPages: Self.pages) else { return }
        do throws(ProtocolViolation) {
            try engine.receive(message, from: NodeID(sender % nodes), now: Instant(nanoseconds: now), effects: &effects)
        } catch {
            precondition(error.from == NodeID(sender % nodes), "another peer is blamed")
            effects.removeAll()
            refused += 1
            return
        }
        accepted += 1
        execute(following: message.pagesFollowing)
    }

    // MARK: The driver

    private mutating func execute(following: Int) {
        for index in 0..<effects.count {
            switch effects[index] {
            case .send(let message, let to, let contents): check(message, to, contents)
            case .park(let slot, let index):
                precondition(slot < engine.parkingSlots && index < following, "contents that did not come are parked")
                parked.insert(slot)
            case .install(let page, let writable, let source):
                switch source {
                case .received(let index): precondition(index < following, "contents that did not come are installed")
                case .parked(let slot): precondition(parked.remove(slot) != nil, "nothing is parked there")
                case .zero: break
                }
                map(page, writable ? .write : .read)
            case .makeWritable(let page):
                precondition(memory[Int(page.rawValue)] != .none, "a page that is not here is made writable")
                memory[Int(page.rawValue)] = .write
                waiting.remove(page.rawValue)
            case .protect(let page):
                precondition(memory[Int(page.rawValue)] != .none, "a page that is not here is protected")
                memory[Int(page.rawValue)] = .read
            case .drop(let page):
                precondition(memory[Int(page.rawValue)] != .none, "a page that is not here is dropped")
                memory[Int(page.rawValue)] = .none
            case .zeroFill(let first, let count): for offset in 0..<count { map(first.advanced(by: offset), .write) }
            case .wake(let page): waiting.remove(page.rawValue)
            }
        }
        effects.removeAll()
        let held = memory.indices.count { memory[$0] != .none && !isOwn(UInt32($0)) }
        precondition(engine.heldPageCount == held, "the cache holds \(engine.heldPageCount) pages, and \(held) are mapped")
    }

    private func isOwn(_ page: UInt32) -> Bool { page / (Self.pages / UInt32(nodes)) == UInt32(node) }

    private mutating func map(_ page: PageNumber, _ access: Access) {
        precondition(memory[Int(page.rawValue)] == .none, "a page is mapped twice")
        memory[Int(page.rawValue)] = access
        waiting.remove(page.rawValue)
    }

    private func check(_ message: Message, _ to: NodeID, _ contents: Effect.Outgoing) {
        precondition(to != NodeID(node) && to.rawValue < nodes, "a message to nobody")
        var bytes = [UInt8](repeating: 0, count: Message.encodedSize)
        var span = bytes.mutableSpan
        message.encode(into: &span)
        precondition(Message(decoding: bytes.span, nodeCount: Int(nodes), totalPages: Self.pages) == message, "a message that no peer reads")
        let pages =
            switch contents {
            case .none: PageSelection(first: message.page, mask: 0)
            case .page(let page): PageSelection(first: page, mask: 1)
            case .pages(let first, let mask): PageSelection(first: first, mask: mask)
            }
        precondition(pages.count == message.pagesFollowing, "contents that the message does not name")
        for page in pages { precondition(memory[Int(page.rawValue)] != .none, "a page that is not here is sent") }
    }
}
