import Contract
import Interconnect
import Node

/// Watches a run and says which promise it broke. It knows what was done to boards and cables; the nodes do not.
struct Judge {
    /// A process that has gone: by a fault, or by its own end.
    struct Gone {
        let board: Int
        let process: Int
        let place: NodeIndex
        let at: Time
        /// By no decision of its machine.
        var isDeath: Bool
        var end: MachineEnd?
        var members: [(board: Int, process: Int)?] = []
    }

    static let interval: Time = 500 * .millisecond
    /// Longer than a late beat.
    static let noticedStop: Time = 800 * .millisecond
    /// Within that after the outage a loss is decided and told: 1 s for contradictions, 1 s for words.
    static let decision: Time = 2 * .second + 500 * .millisecond

    let scenario: Scenario
    let history: FaultHistory
    private(set) var finding: Finding?
    private(set) var isOver = false
    private var gone: [Gone] = []
    /// By board and process: since when it is ending, or prepares a machine.
    private var since: [Int: (phase: String, at: Time)] = [:]
    private var wakes: [Int: Time] = [:]
    /// Stops that are over, and are to be spoken of.
    private var stops: [(board: Int, process: Int, at: Time)] = []
    private var hasReset = false
    private var machines = 0

    init(_ scenario: Scenario) {
        self.scenario = scenario
        history = FaultHistory(scenario)
    }

    mutating func find(_ promise: Promise, _ what: String, _ world: World) {
        guard finding == nil else { return }
        let last = world.boards.map { board in
            "  board \(board.index): " + (board.node.map { "node \($0.me), \($0.membership.map { "\($0.phase)" } ?? "looks for the others"), said: \($0.lastWords.text)" } ?? (board.isPowered ? "vsmpd does not run" : "off"))
        }
        finding = Finding(
            seed: scenario.seed, promise: promise, milliseconds: world.now / .millisecond, what: what, story: scenario.text + "\n" + last.joined(separator: "\n"))
    }

    // MARK: What happens

    mutating func died(_ board: Board, _ world: World) {
        guard let node = board.node else { return }
        gone.append(Gone(board: board.index, process: node.process, place: node.me, at: world.now, isDeath: true))
    }

    mutating func joined(_ node: SimulatedNode, _ world: World) {
        for (place, member) in node.members.enumerated() {
            guard let member, place != node.me.position else { continue }
            // A beacon's word holds for a second; one that was recorded, and not heard at its time, until the question that it answers is old.
            let limit: Time = history.isReplayed ? 5500 * .millisecond : 1500 * .millisecond
            if let end = gone.first(where: { $0.board == member.board && $0.process == member.process }), world.now > end.at + limit {
                find(.corpse, "node \(node.me) joins a machine with node \(place), which has gone \((world.now - end.at).seconds) ago", world)
            }
        }
    }

    mutating func woke(_ board: Board, _ now: Time) {
        wakes[board.index] = now
        guard let node = board.node, let joined = node.joinedAt, joined < board.stoppedSince, now > board.stoppedSince + Self.noticedStop else { return }
        stops.append((board.index, node.process, now))
    }

    /// A board of a machine that stood still says so, each 10 s.
    private mutating func lookAtStops(_ world: World) {
        guard let stop = stops.first, world.now > stop.at + 500 * .millisecond else { return }
        stops.removeFirst()
        guard let node = world.boards[stop.board].node, node.process == stop.process, node.membership?.phase == .running else { return }
        if (node.saidStop ?? 0) + 10 * .second < world.now { find(.word, "node \(node.me) stood still until \(stop.at.seconds), and says nothing of it", world) }
    }

    mutating func runs(_ node: SimulatedNode, _ world: World) {
        machines += 1
        guard scenario.nodes > 2, let plan = node.membership?.plan, !scenario.hasOddCounter else { return }
        let truth = scenario.boards[0].kilohertz
        let told = Double(plan.resources[0].timestampKilohertz)
        if abs(told - truth) > 0.01 * truth { find(.frequency, "the guest is told \(told) kHz, the counters run at \(truth) kHz", world) }
    }

    /// A node takes another one for lost before a third one that it hears could say that it hears it.
    mutating func hears(_ loss: Watch.Loss, _ node: SimulatedNode, _ world: World) {
        guard case .node(let place, .silent) = loss, scenario.rival == nil, let member = node.members[place.position], !isDead(place, node) else { return }
        let now = world.now
        func hasHeard(_ listener: Int, within time: Time) -> Bool { history.silentSince(member.board, listener, at: now).map { now - $0 < time } ?? true }
        guard !history.isDeaf(member.board, since: 0, until: .max), hasHeard(node.board.index, within: scenario.outage + 700 * .millisecond) else { return }
        let witness = NodeIndex.all(of: scenario.nodes).first { third in
            third != place && third != node.me && !isDead(third, node) && !history.isDisturbed(third.position, node.board.index, since: now - min(now, 2 * .second), until: now)
                && hasHeard(third.position, within: scenario.outage - 600 * .millisecond)
        }
        if let witness { find(.blame, "node \(node.me) takes node \(place) for lost, which node \(witness) has heard", world) }
    }

    mutating func ended(_ node: SimulatedNode, _ outcome: Outcome, _ world: World) {
        var entry = Gone(board: node.board.index, process: node.process, place: node.me, at: world.now, isDeath: false)
        defer { gone.append(entry) }
        switch outcome {
        case .mesh(let error):
            entry.isDeath = true
            if case .otherFirmware = error { return }
            if scenario.rival == nil { find(.blame, "node \(node.me) gives up joining though nobody has its stick: \(error)", world) }
        case .machine(let end):
            entry.end = end
            entry.members = node.members
            check(end, of: node, world)
            compare(entry, world)
        }
    }

    // MARK: Who is blamed

    private mutating func check(_ end: MachineEnd, of node: SimulatedNode, _ world: World) {
        let joined = node.joinedAt ?? 0
        let (now, n) = (world.now, scenario.nodes)
        /// Something long was done to it while this machine lived, or it died.
        func isTouched(_ place: NodeIndex) -> Bool {
            guard let member = node.members[place.position], place.position != scenario.rival else { return true }
            return gone.contains { $0.board == member.board && $0.process == member.process && $0.isDeath }
                || history.isTouched(member.board, since: joined, until: now)
        }
        // One of two boards with one stick is forgotten by the others, and both stop. Who did not hear or run itself knows that, and no more.
        let isDeaf = history.isDeaf(node.board.index, since: joined, until: now)
        let isBlind = scenario.rival == node.me.position || isDeaf && !history.isStrict
        switch end {
        case .poweredOff, .reboot: break
        case .unsuitable: if !scenario.hasOddCounter { find(.blame, "\(end) though all counters run at one speed", world) }
        case .lost(let place, _):
            // Of two nodes the one that hears the other knows that it lives.
            let isPair = n == 2 && history.isSilent(place.position, to: node.board.index, since: joined, until: now)
            let isExcused = isDown(place, node, joined, now) || !history.isStrict && !isWitnessed(place, node, world)
            if !isExcused, !isPair, !isBlind { find(.blame, "node \(node.me) says \(end); node \(place) was healthy", world) }
        case .cut(let low, let high, _):
            let isCut = history.isStrict && n > 2 && scenario.rival == nil
                ? history.isCut(low.position, high.position, since: joined, until: now)
                    || [low, high].contains { history.isAtTheEdge($0.position, since: joined, until: now) }
                : isDead(low, node) || isDead(high, node) || history.isLinkSilent(low.position, high.position, since: joined, until: now)
            if !isCut, !isBlind { find(.blame, "node \(node.me) says \(end); that link was whole", world) }
        case .alone:
            let others = NodeIndex.all(of: n).filter { $0 != node.me }
            let isExcused = isBlind || isDeaf || others.allSatisfy { isDead($0, node) || history.isLinkSilent(node.board.index, $0.position, since: joined, until: now) }
            if !isExcused { find(.blame, "node \(node.me) says \(end); its port was whole", world) }
        case .refused, .guestFailed, .failed:
            let isExcused = isBlind || (0..<n).contains { isTouched(NodeIndex($0)) }
            if !isExcused { find(.blame, "node \(node.me) says \(end) in a healthy machine", world) }
        }
    }

    /// Its process has died, or a second board has its stick.
    private func isDead(_ place: NodeIndex, _ node: SimulatedNode) -> Bool {
        guard let member = node.members[place.position], place.position != scenario.rival else { return true }
        return gone.contains { $0.board == member.board && $0.process == member.process && $0.isDeath }
    }

    /// All nodes heard all the time a third one that heard `place`: whatever else was done, nobody can think that it is lost.
    private func isWitnessed(_ place: NodeIndex, _ node: SimulatedNode, _ world: World) -> Bool {
        let begin = world.now - min(world.now, scenario.outage + Self.decision)
        let living = NodeIndex.all(of: scenario.nodes).filter { $0 != place && !isDead($0, node) }
        return living.allSatisfy { one in
            living.contains { third in
                third != one && !history.isDisturbed(third.position, place.position, since: begin, until: world.now)
                    && !history.isDisturbed(third.position, one.position, since: begin, until: world.now)
            }
        }
    }

    /// The node itself, not only a link of it, was down for longer than the budget.
    private func isDown(_ place: NodeIndex, _ node: SimulatedNode, _ joined: Time, _ now: Time) -> Bool {
        guard let member = node.members[place.position] else { return true }
        return isDead(place, node) || history.isDeaf(member.board, since: joined, until: now)
    }

    /// Those that hear each other end one machine in one way.
    private mutating func compare(_ entry: Gone, _ world: World) {
        let now = world.now
        /// It hears at least one of the others all the time, and runs.
        func hears(_ board: Int) -> Bool { !history.isDeaf(board, since: 0, until: now) && scenario.rival == nil }
        guard let end = entry.end, hears(entry.board) else { return }
        for other in gone {
            guard let otherEnd = other.end, let seen = entry.members[other.place.position], seen.board == other.board, seen.process == other.process,
                let back = other.members[entry.place.position], back.board == entry.board, back.process == entry.process,
                hears(other.board), !history.isDisturbed(entry.board, other.board, since: now - min(now, scenario.outage + 10 * .second), until: now),
                otherEnd.rank != end.rank
            else { continue }
            find(.agreement, "node \(entry.place) ends with \(end), node \(other.place) with \(otherEnd)", world)
        }
    }

    // MARK: From time to time

    mutating func look(_ world: World) {
        for board in world.boards {
            guard let node = board.node, !board.isStopped, world.now > (wakes[board.index] ?? 0) + scenario.outage + 4 * .second || wakes[board.index] == nil else { continue }
            if let membership = node.membership { look(at: membership.phase, of: node, world) } else { lookAtSearcher(node, world) }
        }
        lookAtStops(world)
        if world.now >= scenario.quiet { endGuest(world) }
        conclude(world)
    }

    private mutating func lookAtSearcher(_ node: SimulatedNode, _ world: World) {
        let spoke = max(node.lastWords.at, node.startedAt)
        if world.now > spoke + 7 * .second { find(.word, "node \(node.me) has said nothing for \((world.now - spoke).seconds) while it looks for the others", world) }
    }

    private mutating func look(at phase: Membership.Phase, of node: SimulatedNode, _ world: World) {
        let name = "\(phase)"
        let isEnding = [.ending, .collecting, .reporting, .over].contains(phase)
        let stage = isEnding ? "ending" : phase == .running ? "running" : "preparing"
        let id = node.board.index << 32 | node.process
        if since[id]?.phase != stage { since[id] = (stage, world.now) }
        let lasted = world.now - (since[id]?.at ?? world.now)
        if isEnding {
            if lasted > scenario.outage + 20 * .second { find(.word, "node \(node.me) is \(name) for \(lasted.seconds)", world) }
            return
        }
        if stage == "preparing", lasted > 60 * .second { find(.word, "node \(node.me) is \(name) for \(lasted.seconds)", world) }
        let limit = scenario.outage + Self.decision
        for (place, member) in node.members.enumerated() {
            guard let member, place != node.me.position else { continue }
            if let end = gone.first(where: { $0.board == member.board && $0.process == member.process }), world.now > end.at + limit + history.slack {
                find(.corpse, "node \(node.me) is \(name) \((world.now - end.at).seconds) after node \(place) has gone", world)
            }
            let board = world.boards[member.board]
            let isSilent = board.isStopped && board.processes == member.process && max(board.stoppedSince, node.joinedAt ?? 0) + limit + history.slack < world.now
            if isSilent || history.isUnheard(member.board, by: node.board.index, for: limit + history.slack, at: world.now, since: node.joinedAt ?? 0) {
                find(.corpse, "node \(node.me) is \(name), and has heard nothing of node \(place) for longer than \(limit.seconds)", world)
            }
        }
    }

    private mutating func endGuest(_ world: World) {
        guard let board = world.boards.first(where: { $0.place == 0 && $0.node?.membership?.phase == .running }), let node = board.node, !board.isStopped,
            (node.ranSince ?? world.now) + .second < world.now
        else { return }
        if scenario.resets, !hasReset {
            hasReset = true
            node.feed(.guestReset)
        } else {
            node.feed(.guestPoweredOff)
        }
    }

    // MARK: The end of the run

    private mutating func conclude(_ world: World) {
        let nodes = world.boards.prefix(scenario.nodes)
        if nodes.allSatisfy(\.isFinished) { return isOver = true }
        // Somebody is missing for good, and the others say so.
        guard history.isNeverWhole || nodes.contains(where: \.isFinished) else { return }
        let isSettled = nodes.allSatisfy { $0.node?.membership == nil }
        if isSettled, world.now > scenario.quiet + 9 * .second { isOver = true }
    }

    mutating func finish(_ world: World) {
        guard finding == nil, !isOver else { return }
        let stuck = world.boards.prefix(scenario.nodes).filter { !$0.isFinished }.map { "\($0.index)" }
        find(.word, "all boards are whole since \(scenario.quiet.seconds), and no machine came to its end on board \(stuck.joined(separator: ", "))", world)
    }
}
