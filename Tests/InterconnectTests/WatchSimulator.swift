import Contract
import TestSupport

@testable import Interconnect

/// Several watches over a simulated network of datagrams, in virtual time; one seed decides delays and chances.
struct WatchSimulator {
    static let second: UInt64 = 1_000_000_000

    /// From and to, and when what is sent there is lost.
    struct Cut {
        var from: Int
        var to: Int
        var times: Range<UInt64>
    }

    private struct Arrival {
        var at: UInt64
        var beat: Beat
        var size: Int
    }

    var watches: [Watch]
    private(set) var now: UInt64 = 0
    /// What each watch has said, and when.
    private(set) var events: [[(at: UInt64, event: Watch.Event)]]
    var cuts: [Cut] = []
    /// When a node does nothing at all; what comes meanwhile waits for it.
    var stops: [(node: Int, times: Range<UInt64>)] = []
    var deaths: [Int: UInt64] = [:]
    /// Of 1000 beats so many are lost.
    var loss = 0
    /// The largest packet that the network carries.
    var carries = 9000
    private var random: SeededGenerator
    /// What is on its way to each node.
    private var inboxes: [[Arrival]]
    /// Each node's clock against the simulation's.
    private let offsets: [UInt64]
    private var due: [UInt64]

    init(_ count: Int, seed: UInt64, outageSeconds: Int = 5, mtu: Int = 0) {
        var random = SeededGenerator(seed: seed)
        offsets = (0..<count).map { _ in UInt64.random(in: 1...(1 << 60), using: &random) }
        watches = offsets.enumerated().map { Watch(node: NodeIndex($0), count: count, timing: .init(outageSeconds: outageSeconds), mtu: mtu, now: $1) }
        events = Array(repeating: [], count: count)
        inboxes = Array(repeating: [], count: count)
        due = (0..<count).map { _ in UInt64.random(in: 0..<Watch.Timing.beat, using: &random) }
        self.random = random
        for node in 0..<count {
            for peer in 0..<count where peer != node { watches[node].expect(NodeIndex(peer), now: offsets[node]) }
            watches[node].judge(now: offsets[node])
        }
    }

    private func isDead(_ node: Int) -> Bool { deaths[node].map { now >= $0 } ?? false }
    private func isStopped(_ node: Int) -> Bool { stops.contains { $0.node == node && $0.times.contains(now) } }

    /// Until `end`, in steps of 20 ms.
    mutating func run(until end: UInt64) {
        while now < end {
            now += 20_000_000
            for node in watches.indices where !isDead(node) && !isStopped(node) { step(node) }
        }
    }

    private mutating func step(_ node: Int) {
        let clock = now + offsets[node]
        let inbox = inboxes[node]
        inboxes[node] = inbox.filter { $0.at > now }
        for arrival in inbox where arrival.at <= now { watches[node].heard(arrival.beat, size: arrival.size, now: clock) }
        guard now >= due[node] else { return }
        due[node] = max(due[node] + Watch.Timing.beat, now)
        for outgoing in watches[node].beats(now: clock) { send(outgoing, from: node) }
        for event in watches[node].tick(now: clock) { events[node].append((now, event)) }
    }

    private mutating func send(_ outgoing: Watch.Outgoing, from node: Int) {
        let (time, peer) = (now, outgoing.to.position)
        guard !isDead(peer), !cuts.contains(where: { $0.from == node && $0.to == peer && $0.times.contains(time) }), Int(outgoing.size ?? 0) <= carries,
            loss == 0 || Int.random(in: 0..<1000, using: &random) >= loss
        else { return }
        inboxes[peer].append(Arrival(at: now + UInt64.random(in: 0..<30_000_000, using: &random), beat: outgoing.beat, size: Int(outgoing.size ?? 160)))
    }

    func losses(_ node: Int) -> [(at: UInt64, loss: Watch.Loss)] {
        events[node].compactMap { if case .lost(let loss) = $0.event { ($0.at, loss) } else { nil } }
    }

    mutating func cut(_ a: Int, _ b: Int, _ times: Range<UInt64>) { cuts += [Cut(from: a, to: b, times: times), Cut(from: b, to: a, times: times)] }
}
