import Coherence

extension Simulator {
    /// Who has died, and who has noticed: heartbeats over the channels, and a silence, shorter than the product's, that counts as loss.
    struct FailureState {
        /// Nanoseconds between two heartbeats, and of silence after which a node counts as lost.
        static let beat: UInt64 = 100_000_000
        static let silence: UInt64 = 1_500_000_000
        /// Nanoseconds within which every survivor has to know.
        static let detectionTime: UInt64 = 2_000_000_000

        private let nodes: Int
        /// Who will die.
        var victim: Int?
        private(set) var death: UInt64?
        private var known: [UInt64?]
        /// When node n last heard node m, at n * nodes + m.
        private var lastHeard: [UInt64]

        init(nodes: Int) {
            self.nodes = nodes
            known = Array(repeating: nil, count: nodes)
            lastHeard = Array(repeating: 0, count: nodes * nodes)
        }

        func isDead(_ node: Int) -> Bool { death != nil && node == victim }
        func knows(_ node: Int) -> Bool { known[node] != nil }
        func hasStopped(_ node: Int) -> Bool { isDead(node) || knows(node) }
        /// When each survivor came to know; nil for one that does not.
        var survivors: [UInt64?] { known.indices.filter { $0 != victim }.map { known[$0] } }

        mutating func die(_ now: Instant) { death = now.nanoseconds }
        mutating func learn(_ node: Int, _ now: Instant) { known[node] = now.nanoseconds }

        mutating func heard(_ peer: Int, at node: Int, _ now: Instant) { lastHeard[node * nodes + peer] = now.nanoseconds }

        func silentPeers(of node: Int, _ now: Instant) -> [Int] {
            (0..<nodes).filter { $0 != node && now.nanoseconds - lastHeard[node * nodes + $0] > Self.silence }
        }
    }

    func dieIfDue(_ now: Instant) {
        guard let moment = parameters.deathAfter, failures.death == nil, outcome.instructions >= moment else { return }
        failures.die(now)
    }

    /// Every beat a node says that it lives, and looks who has been silent for too long.
    func beat(_ node: Int, _ now: Instant) throws {
        guard !failures.hasStopped(node) else { return }
        let silent = failures.silentPeers(of: node, now)
        if let living = silent.first(where: { !failures.isDead($0) }) {
            throw Broken("node \(node) takes node \(living) for dead, which lives")
        }
        if !silent.isEmpty {
            try stop(node, now)
            return
        }
        for peer in 0..<world.count where peer != node { send(.heartbeat, from: node, to: peer, now) }
        events.insert(.beat(node: node), at: now.nanoseconds + FailureState.beat)
    }

    /// The node knows that the machine is dead: its processors are released. Their faults may still reach the engine.
    private func stop(_ node: Int, _ now: Instant) throws {
        failures.learn(node, now)
        for index in processors.indices where processors[index].node == node && processors[index].waitsFor != nil {
            outcome.released += 1
            for access in processors[index].current where access.page == processors[index].waitsFor { try fault(access, index, now) }
            processors[index].waitsFor = nil
        }
    }

    /// After a death every survivor has noticed in time, and none of its processors waits.
    func checkEveryoneKnows() throws {
        guard let death = failures.death else { return }
        for moment in failures.survivors {
            guard let moment else { throw Broken("a survivor never notices that node \(failures.victim ?? -1) died") }
            guard moment - death <= FailureState.detectionTime else {
                throw Broken("a survivor notices the death of node \(failures.victim ?? -1) only after \((moment - death) / 1_000_000) ms")
            }
            outcome.detection = max(outcome.detection ?? 0, moment - death)
        }
        if let waiting = processors.first(where: { $0.waitsFor != nil && !failures.isDead($0.node) }) {
            throw Broken("a processor of node \(waiting.node) waits after the machine's death")
        }
    }
}
