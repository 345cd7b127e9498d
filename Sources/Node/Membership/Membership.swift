package import Contract
package import Interconnect
package import Licensing
package import Machine

/// One node's part in making one machine of many and in ending it: a pure state machine. Messages, losses, what happens on this node and the time
/// come in; what to do comes out. The same source runs in the node and in its simulator (MembershipSimulationTests).
///
/// The end is agreed on by flooding (N. Lynch, Distributed Algorithms, 1996, section 6.2, with the early stop of D. Dolev, R. Reischuk and
/// H. R. Strong, 1990): every node tells every other one each cause that it hears of, and settles for the lowest when all that still live
/// have told the same causes. A cause stops this node's processors at once; only which end is said and returned waits for the agreement.
package struct Membership: Sendable {
    package enum Phase: Sendable, Equatable {
        /// The links to the other nodes do not all stand yet.
        case joining
        /// Waits for every node's statement, then for every node's verdict.
        case stating, judging, awaitingVerdicts
        /// Measures what this node lends; node 0 waits for what the others lend, the others wait for the plan.
        case measuring, awaitingPlan
        /// Builds its part, then waits until all parts stand (node 0) or the guest runs.
        case building, awaitingStart, starting
        case running
        /// A cause is known, the processors stop, the nodes agree.
        case ending
        /// The nodes agree; processors are collected and figures exchanged.
        case collecting, reporting
        /// The connections may close.
        case over
    }

    /// What comes in.
    package enum Input: Sendable {
        /// The links to all other nodes stand.
        case joined(LicenceStatement)
        case message(MembershipMessage, from: NodeIndex)
        /// A peer died, or sent what no node sends.
        case lost(node: NodeIndex, why: String)
        /// No connection to a peer comes back. Were it silent, the heartbeats would have said so before.
        case severed(from: NodeIndex, why: String)
        /// What the heartbeats say.
        case unheard(Watch.Loss)
        /// Answers to tasks.
        case judged(LicenceOutcome)
        case measured(NodeHello, clock: UInt64)
        case built(ClockFigures)
        case started
        case collected(NodeReport?)
        /// The guest or this node's hypervisor ends the machine.
        case guestPoweredOff, guestReset
        /// A processor of this node ran guest code at privilege level 3.
        case userSpaceReached
        case failed(why: String)
        /// This node's kernel has no memory left: what it said.
        case outOfMemory(why: String)
        /// This board's memory does not hold its part of the plan: the figures.
        case shortOfMemory(why: String)
        /// Time has passed.
        case tick
    }

    /// What to do at once, in this order.
    package enum Effect: Sendable {
        case send(MembershipMessage, to: NodeIndex)
        case broadcast(MembershipMessage)
        case say(String)
        /// This node's part of the machine stops; tasks that wait are not begun any more.
        case stop
        case perform(Task)
    }

    /// What takes time, one after the other on the node's own thread.
    package enum Task: Sendable {
        case judge([LicenceStatement])
        case remember(LicenceOutcome)
        case measure
        /// Builds this node's part and aligns its clock. All but node 0 start it, too.
        case build(MachinePlan)
        /// Node 0: loads the guest and starts it.
        case start
        /// The machine runs.
        case celebrate
        /// Waits until the processors have stopped.
        case collect
        /// Node 0: says all nodes' figures.
        case tell([NodeReport])
        /// The last one.
        case leave(MachineEnd)

        var isLast: Bool { if case .leave = self { true } else { false } }
    }

    /// What a node has heard of another.
    struct Peer: Sendable {
        var statement: LicenceStatement?
        var verdict: [String]?
        var hello: NodeHello?
        var figures: ClockFigures?
        var word: EndWord?
        /// The inner nil is a node without a part of a machine.
        var report: NodeReport??
    }

    /// How long a phase may take before this node gives up, in nanoseconds.
    package enum Patience {
        package static let phase: UInt64 = 60_000_000_000
        package static let start: UInt64 = 120_000_000_000
        /// For the other nodes' words after a loss.
        package static let agreement: UInt64 = 1_000_000_000
        package static let reports: UInt64 = 2_000_000_000
        package static let goodbye: UInt64 = 5_000_000_000
    }

    package let node: NodeIndex
    package let count: Int
    let devices: [PlacedDevice]
    /// Silence in seconds that the machine survives; node 0's counts.
    let outageSeconds: Int
    /// How often in a row the guest has reset before it reached user space, until this start. Node 0's counts.
    private let earlierResets: Int
    /// Some processor of the machine has run user space: on node 0 what every node says, on others their own.
    private var isUserSpaceReached = false
    package internal(set) var phase = Phase.joining
    /// When ``Input/tick`` is due at the latest.
    package internal(set) var deadline = UInt64.max
    /// This node's reasons to refuse.
    package internal(set) var violations: [Violation] = []
    /// What this node concluded, once every node has accepted.
    package internal(set) var terms: LicenceOutcome?
    package internal(set) var plan: MachinePlan?
    var outcome: LicenceOutcome?
    var peers: [Peer]
    /// Node 0's time-stamp counter at guest time zero.
    var clockOrigin: UInt64 = 0
    var causes: [MachineEnd] = []
    /// Nodes that this node does not hear any more while the nodes agree, whatever the cause.
    var unheard: Set<NodeIndex> = []
    /// Nodes from which nothing comes any more.
    var hasLeft: Set<NodeIndex> = []
    var hasTakenGoodbye = false
    /// What the nodes agreed on.
    package internal(set) var end: MachineEnd?
    private var now: UInt64 = 0
    private var effects: [Effect] = []

    /// - Parameters:
    ///   - devices: the machine's, and where they stand; node 0's list counts.
    ///   - outageSeconds: silence that the machine survives; node 0's counts.
    ///   - earlyResets: what the last start's ``earlyResets`` was; node 0's counts.
    package init(node: NodeIndex, count: Int, devices: [PlacedDevice] = PlacedDevice.chipset(), outageSeconds: Int = Limits.standardOutageSeconds, earlyResets: Int = 0) {
        precondition(node.position < count, "a node outside of its machine")
        self.node = node
        self.count = count
        self.devices = devices
        self.outageSeconds = outageSeconds
        earlierResets = earlyResets
        peers = Array(repeating: Peer(), count: count)
    }

    /// Every node has accepted the licence, and its edition permits to choose policies.
    package var isPolicyChoiceFree: Bool { terms?.isPolicyChoiceFree ?? false }

    package mutating func handle(_ input: Input, now: UInt64) -> [Effect] {
        self.now = now
        switch input {
        case .joined(let statement): join(statement)
        case .message(let message, let peer): take(message, from: peer)
        case .lost(let peer, let why): lose(peer, why)
        case .severed(let peer, let why): lose(linkTo: peer, why)
        case .unheard(let loss): lose(loss)
        case .judged(let outcome): judged(outcome)
        case .measured(let hello, let clock): measured(hello, clock)
        case .built(let figures): built(figures)
        case .started: started()
        case .collected(let report): collected(report)
        case .guestPoweredOff: add([.poweredOff])
        case .guestReset: add([.reboot])
        case .userSpaceReached: reachUserSpace()
        case .failed(let why): add([.failed(node: node, why: why)])
        case .shortOfMemory(let why): add([.unsuitable(node: node, .memory, why: "the machine does not start: node \(node): \(why)")])
        case .outOfMemory(let why): add([.unsuitable(node: node, .memory, why: ConsoleWords.exhausted(node, why, lent: plan?.resources[node: node]))])
        case .tick: if now >= deadline { expire() }
        }
        defer { effects = [] }
        return effects
    }

    // MARK: For the phases

    mutating func act(_ effect: Effect) { effects.append(effect) }

    /// - Parameter patience: nanoseconds until this phase has taken too long; nil for no limit.
    mutating func enter(_ phase: Phase, patience: UInt64?) {
        self.phase = phase
        deadline = patience.map { now + $0 } ?? .max
    }

    /// The same phase, with its whole time again.
    mutating func renew() { enter(phase, patience: Patience.phase) }

    func all(_ isThere: (Peer) -> Bool) -> Bool { peers.indices.allSatisfy { $0 == node.position || isThere(peers[$0]) } }

    private mutating func take(_ message: MembershipMessage, from peer: NodeIndex) {
        switch message {
        case .licence(let statement): if peers[node: peer].statement == nil { state(statement, of: peer) }
        case .verdict(let verdict): if peers[node: peer].verdict == nil { take(verdict.violations, of: peer) }
        case .hello(let hello):
            guard node == 0 else { return misbehave(peer, "it sent a hello, which only node 0 takes") }
            if peers[node: peer].hello == nil { take(hello, of: peer) }
        case .plan(let plan):
            guard peer == 0 else { return misbehave(peer, "it sent a plan, which only node 0 makes") }
            if phase == .awaitingPlan { adopt(plan) }
        case .ready(let figures):
            guard node == 0 else { return misbehave(peer, "it says to be ready, which only node 0 asks") }
            if peers[node: peer].figures == nil { take(figures, of: peer) }
        case .start:
            guard peer == 0 else { return misbehave(peer, "it started the guest, which only node 0 has") }
            if phase == .awaitingStart { run() }
        case .end(let word):
            guard word.causes.allSatisfy({ $0.nodes.allSatisfy { $0.position < count } }) else { return misbehave(peer, "it tells of a node that there is not") }
            take(word, from: peer)
        case .report(let report): take(report, of: peer)
        case .goodbye: takeGoodbye(from: peer)
        case .userSpace:
            guard node == 0 else { return misbehave(peer, "it tells of user space, which only node 0 asks") }
            isUserSpaceReached = true
        }
    }

    // MARK: Resets

    /// Most resets in a row before user space; with this one the machine ends.
    package static let earlyResetLimit = 3

    private mutating func reachUserSpace() {
        guard !isUserSpaceReached, end == nil else { return }
        isUserSpaceReached = true
        if node != 0 { act(.send(.userSpace, to: 0)) }
    }

    /// Node 0: how often in a row the guest has reset before it reached user space, once the machine has ended.
    package var earlyResets: Int { end == .reboot && !isUserSpaceReached ? earlierResets + 1 : 0 }

    /// Node 0: what a reset of the guest means beside the restart.
    var resetCause: [MachineEnd] {
        let resets = earlierResets + 1
        return node == 0 && !isUserSpaceReached && resets >= Self.earlyResetLimit ? [.guestFailed(resets: resets)] : []
    }

    private mutating func misbehave(_ peer: NodeIndex, _ why: String) { lose(peer, why) }
}

extension MachineEnd {
    /// The nodes that it is about.
    var nodes: [NodeIndex] {
        switch self {
        case .unsuitable(let node, _, _), .failed(let node, _), .lost(let node, _): [node]
        case .cut(let low, let high, _): [low, high]
        case .refused, .poweredOff, .guestFailed, .reboot, .alone: []
        }
    }
}
