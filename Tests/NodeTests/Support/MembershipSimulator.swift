import Contract
import Licensing
import Machine
import TestSupport

@testable import Node

/// Many nodes' memberships over simulated channels: ordered within a pair, delayed at will between pairs, cut anywhere when a node dies. One seed
/// decides everything.
struct MembershipSimulator {
    struct Plan {
        var nodes: Int
        /// When each node dies; nil for never.
        var deaths: [UInt64?]
        /// Nodes that refuse the licence.
        var refuses: Set<Int> = []
        /// What happens by itself: node, time, what.
        var incidents: [(node: Int, at: UInt64, input: Membership.Input)] = []
        /// What node 0 has counted before this start.
        var earlyResets = 0
        /// Whose time-stamp counter runs twice as fast, and whose kernel only believes that its own does.
        var fast: Int?
        var miscalibrated: Int?
        /// Who lends a slice that no machine has, and who has processors of another maker.
        var uneven: Int?
        var foreign: Int?
        var slowestMessage: UInt64 = 20_000_000
        var slowestTask: UInt64 = 500_000_000
    }

    private enum Event {
        case input(Membership.Input)
        case task(Membership.Task)
        case death
    }

    private struct Entry {
        var at: UInt64
        var order: Int
        var node: Int
        /// Of a message or a closed connection: from whom, and whether it was sent by one that died.
        var sender: Int?
        var event: Event
    }

    private(set) var members: [Membership]
    private(set) var consoles: [[String]]
    /// Names of the tasks that each node has done.
    private(set) var done: [[String]]
    private(set) var dead: Set<Int> = []
    private(set) var now: UInt64 = 0
    private(set) var stops: [Int]
    private let plan: Plan
    private var random: SeededGenerator
    private var queue: [Entry] = []
    private var order = 0
    /// When the last message of a channel arrives.
    private var busyUntil: [[UInt64]]
    private var taskUntil: [UInt64]
    private var stopOrders: [Int]

    static let second: UInt64 = 1_000_000_000

    init(_ plan: Plan, seed: UInt64) {
        self.plan = plan
        random = SeededGenerator(seed: seed)
        let count = plan.nodes
        members = (0..<count).map { Membership(node: NodeIndex($0), count: count, earlyResets: $0 == 0 ? plan.earlyResets : 0) }
        consoles = Array(repeating: [], count: count)
        done = consoles
        stops = Array(repeating: 0, count: count)
        busyUntil = Array(repeating: Array(repeating: 0, count: count), count: count)
        taskUntil = Array(repeating: 0, count: count)
        stopOrders = Array(repeating: -1, count: count)
        for node in 0..<count {
            let statement = LicenceStatement(
                node: .init(index: NodeIndex(node), licence: nil, isDevelopment: true, record: BoardRecord(sockets: 1, cores: 1, memoryMiB: 160, model: nil), interconnect: .ethernet),
                threads: 1, denyList: [])
            post(to: node, at: below(Self.second), .input(.joined(statement)))
            if let death = plan.deaths[node] { post(to: node, at: death, .death) }
        }
        for incident in plan.incidents { post(to: incident.node, at: incident.at, .input(incident.input)) }
    }

    private mutating func below(_ limit: UInt64) -> UInt64 { UInt64.random(in: 0..<max(limit, 1), using: &random) }

    private mutating func post(to node: Int, at time: UInt64, from sender: Int? = nil, _ event: Event) {
        order += 1
        queue.append(Entry(at: time, order: order, node: node, sender: sender, event: event))
    }

    /// - Returns: whether every survivor has left before the time is up.
    mutating func run(seconds: UInt64) -> Bool {
        var nextTick: UInt64 = 0
        while now < seconds * Self.second {
            if (0..<plan.nodes).allSatisfy({ dead.contains($0) || done[$0].last == "leave" }) { return true }
            let next = queue.indices.min { (queue[$0].at, queue[$0].order) < (queue[$1].at, queue[$1].order) }
            guard let next, queue[next].at < nextTick else {
                now = nextTick
                for node in members.indices where !dead.contains(node) { feed(node, .tick) }
                nextTick += 100_000_000
                continue
            }
            let entry = queue.remove(at: next)
            now = entry.at
            guard !dead.contains(entry.node) else { continue }
            switch entry.event {
            case .death: die(entry.node)
            case .input(let input): feed(entry.node, input)
            case .task(let task): if entry.order > stopOrders[entry.node] || task.isEnding { perform(task, on: entry.node) }
            }
        }
        return false
    }

    /// Of what a dying node has sent, each channel still brings a part; then every other node sees its end, sooner or later.
    private mutating func die(_ node: Int) {
        dead.insert(node)
        for peer in members.indices where peer != node {
            var kept = queue.indices.filter { queue[$0].sender == node && queue[$0].node == peer }.sorted { queue[$0].order < queue[$1].order }
            kept.removeFirst(Int(below(UInt64(kept.count + 1))))
            for index in kept.sorted(by: >) { queue.remove(at: index) }
            let isSilent = below(2) == 0
            let seen = now + below(plan.slowestMessage) + (isSilent ? 1_500_000_000 : 0)
            post(to: peer, at: max(seen, busyUntil[node][peer]), from: node, .input(.lost(node: NodeIndex(node), why: isSilent ? "no heartbeat" : "closed")))
        }
    }

    private mutating func feed(_ node: Int, _ input: Membership.Input) {
        for effect in members[node].handle(input, now: now) {
            switch effect {
            case .send(let message, let peer): send(message, from: node, to: peer.position)
            case .broadcast(let message): for peer in members.indices where peer != node { send(message, from: node, to: peer) }
            case .say(let line): consoles[node].append(line)
            case .stop:
                stops[node] += 1
                stopOrders[node] = order
            case .perform(let task):
                taskUntil[node] = max(taskUntil[node], now) + below(plan.slowestTask)
                post(to: node, at: taskUntil[node], .task(task))
            }
        }
    }

    private mutating func send(_ message: MembershipMessage, from node: Int, to peer: Int) {
        // Over the wire, as bytes.
        guard let read = try? ControlMessage(ControlMessage.membership(message).frame, from: NodeIndex(node)), case .membership(let message) = read else {
            consoles[node].append("UNREADABLE \(message)")
            return
        }
        deliver(.message(message, from: NodeIndex(node)), from: node, to: peer)
    }

    private mutating func deliver(_ input: Membership.Input, from node: Int, to peer: Int) {
        busyUntil[node][peer] = max(busyUntil[node][peer], now + below(plan.slowestMessage))
        post(to: peer, at: busyUntil[node][peer], from: node, .input(input))
    }

    private func resources(_ node: Int) -> NodeResources {
        var resources = LoopbackMachine.resources
        resources.timestampKilohertz = node == plan.fast || node == plan.miscalibrated ? 4_000_000 : 2_000_000
        if node == plan.uneven { resources.sliceMiB += 1 }
        return resources
    }

    private func processors(_ node: Int) -> CPUIDTable { CPUIDTable(entries: [.init(function: 0, eax: 13, ebx: node == plan.foreign ? 0x6874_7541 : 0x756E_6547)]) }

    /// What the node measures of its counter against node 0's.
    private func counter(_ node: Int) -> CounterReading {
        guard let fast = plan.fast, fast == node || fast == 0, node != 0 else { return CounterReading() }
        return CounterReading(ratio: fast == node ? 0.5 : 2, bound: 1e-6)
    }

    private mutating func perform(_ task: Membership.Task, on node: Int) {
        done[node].append(task.name)
        switch task {
        case .judge:
            var outcome = LicenceOutcome(banners: ["licensed"], marks: LicenceMarks(), isPolicyChoiceFree: true)
            if plan.refuses.contains(node) { outcome.violations = [.statement("node \(node)", need: "another")] }
            feed(node, .judged(outcome))
        case .measure:
            feed(node, .measured(NodeHello(resources: resources(node), counter: counter(node), cpuid: processors(node)), clock: now))
        case .build: feed(node, .built(ClockFigures(bound: 1, roundTrip: 2)))
        case .start: feed(node, .started)
        case .collect: feed(node, .collected(done[node].contains("build") ? NodeReport(node: NodeIndex(node), resources: resources(node)) : nil))
        case .leave: for peer in members.indices where peer != node { deliver(.lost(node: NodeIndex(node), why: "closed"), from: node, to: peer) }
        case .remember, .celebrate, .tell: break
        }
    }
}

extension Membership.Task {
    var name: String { "\(self)".prefix { $0 != "(" }.description }
    var isEnding: Bool { ["collect", "tell", "leave"].contains(name) }
}
