import CoherenceSimulation
import Contract
import Interconnect
import Platform

/// Boards, cables and time: a discrete-event world in which the nodes' shipping code runs. One seed decides everything.
final class World {
    /// For one process of one board; what comes for an earlier one is nobody's.
    enum Work {
        case mesh, beats, control
        case beacon(from: Int, [UInt8])
        case beat(Beat, from: Int, SimulatedBeat)
        case refused(by: Int)
        case stream(TCPStream, Int)
        case accepted(TCPStream)
        case connected(TCPStream)
        case unreachable(TCPStream)
        case task(Int)
        case clock(Int)
    }

    enum Event {
        case power(Int, Bool)
        case start(Int)
        case kill(Int)
        /// Frames between boards are lost, or only those of streams; 1 begins it, -1 ends it.
        case impair([(from: Int, to: Int)], streams: Bool, Int)
        case stop(Int, isFrozen: Bool)
        case wake(Int)
        case replay
        case attempt(TCPStream, Int)
        case dial(TCPStream)
        case arrival(TCPStream, Int, [UInt8], finish: Bool)
        case acknowledged(TCPStream, Int, Int)
        case end(TCPStream, Int, SocketEnd)
        case work(board: Int, process: Int, Work)
        case look
    }

    let scenario: Scenario
    var random: SplitMix64
    private(set) var now: Time = 0
    private var queue = EventHeap<Event>()
    private(set) var boards: [Board] = []
    /// By sender and receiver: how many faults keep frames from it.
    private(set) var blocked: [[Int]]
    /// The same of streams alone.
    private var filtered: [[Int]]
    /// The last two beacons of each board, until they are played.
    private var recorded: [[[UInt8]]]
    private var isRecording: Bool
    var judge: Judge
    /// Hears everything; nil costs nothing.
    let trace: ((String) -> Void)?
    let key: ClusterKey

    init(_ scenario: Scenario, trace: ((String) -> Void)? = nil) {
        self.scenario = scenario
        self.trace = trace
        var mixer = SplitMix64(state: ~scenario.seed)
        random = SplitMix64(state: mixer.next())
        key = ClusterKey(using: &random)
        blocked = Array(repeating: Array(repeating: 0, count: scenario.boardCount), count: scenario.boardCount)
        filtered = blocked
        judge = Judge(scenario)
        recorded = Array(repeating: [], count: scenario.boardCount)
        isRecording = scenario.faults.contains { if case .replay = $0 { true } else { false } }
        for (index, plan) in scenario.boards.enumerated() {
            let node = index < scenario.nodes ? index : scenario.rival ?? 0
            boards.append(Board(index, plan, node: NodeIndex(node), mtu: scenario.mtu))
            if index < scenario.nodes { post(.power(index, true), at: plan.power) }
        }
        for fault in scenario.faults { post(fault) }
        post(.look, at: Judge.interval)
    }

    func post(_ event: Event, at time: Time) { queue.insert(event, at: time) }
    func post(_ work: Work, of node: SimulatedNode, at time: Time) { post(.work(board: node.board.index, process: node.process, work), at: time) }

    func say(_ board: Int, _ text: @autoclosure () -> String) { trace?("\(now.seconds) board \(board): \(text())") }

    // MARK: Faults

    private func post(_ fault: Fault) {
        func impair(_ pairs: [(from: Int, to: Int)], streams: Bool = false, _ times: Range<Time>) {
            post(.impair(pairs, streams: streams, 1), at: times.lowerBound)
            post(.impair(pairs, streams: streams, -1), at: times.upperBound)
        }
        let all = 0..<scenario.boardCount
        func cable(_ board: Int) -> [(from: Int, to: Int)] { all.filter { $0 != board }.flatMap { [(board, $0), ($0, board)] } }
        switch fault {
        case .powerCut(let board, let at, let off):
            post(.power(board, false), at: at)
            if let off { post(.power(board, true), at: at + off) }
        case .kill(let board, let at, let off):
            post(.kill(board), at: at)
            if let off { post(.start(board), at: at + off) }
        case .cut(let from, let to, let isPair, let times): impair(isPair ? [(from, to), (to, from)] : [(from, to)], times)
        case .filter(let a, let b, let times): impair([(a, b), (b, a)], streams: true, times)
        case .cable(let board, let times): impair(cable(board), times)
        case .flaps(let board, let all): for times in all { impair(cable(board), times) }
        case .switchOff(let times): impair(all.flatMap { from in all.filter { $0 != from }.map { (from, $0) } }, times)
        case .stop(let board, let all, let isFrozen):
            for times in all {
                post(.stop(board, isFrozen: isFrozen), at: times.lowerBound)
                post(.wake(board), at: times.upperBound)
            }
        case .rival(_, let at): post(.power(scenario.nodes, true), at: at)
        case .replay(let at, let rounds): for round in 0..<rounds { post(.replay, at: at + Time(round) * 250 * .millisecond) }
        }
    }

    // MARK: Time

    /// - Returns: what broke, if anything.
    func run() -> Finding? {
        let end = scenario.quiet + 90 * .second
        while let (time, event) = queue.popFirst(), time < end {
            now = time
            handle(event)
            if judge.finding != nil || judge.isOver { break }
        }
        judge.finish(self)
        return judge.finding
    }

    private func handle(_ event: Event) {
        switch event {
        case .work(let index, let process, let work):
            let board = boards[index]
            guard let node = board.node, node.process == process else { return }
            if board.isStopped { board.waiting.append(work) } else { node.do(work) }
        case .attempt(let stream, let side): attempt(stream, side)
        case .arrival(let stream, let side, let bytes, let finish): arrive(stream, side, bytes, finish: finish)
        case .acknowledged(let stream, let side, let sent): acknowledge(stream, side, sent)
        case .end(let stream, let side, let end): tear(stream, side, end)
        case .dial(let stream): dial(stream)
        case .look:
            judge.look(self)
            post(.look, at: now + Judge.interval)
        case .power(let board, let isOn): isOn ? switchOn(board) : cutPower(board)
        case .start(let board): boot(board)
        case .kill(let index):
            guard boards[index].node != nil else { return }
            say(index, "vsmpd is killed")
            judge.died(boards[index], self)
            vacate(boards[index])
        case .impair(let pairs, let streams, let change):
            for (from, to) in pairs { if streams { filtered[from][to] += change } else { blocked[from][to] += change } }
            trace?("\(now.seconds) \(change > 0 ? "cut" : "mended")\(streams ? " for streams" : "") \(pairs.map { "\($0.from)->\($0.to)" }.joined(separator: " "))")
        case .stop(let index, let isFrozen):
            boards[index].stop(isFrozen: isFrozen, now)
            say(index, "stands still")
        case .wake(let index): wake(boards[index])
        case .replay: replay()
        }
    }

    // MARK: Boards

    private func switchOn(_ index: Int) {
        let board = boards[index]
        guard !board.isPowered else { return }
        board.isPowered = true
        board.power += 1
        say(index, "has power")
        post(.start(index), at: now + board.plan.boot)
    }

    func cutPower(_ index: Int) {
        let board = boards[index]
        guard board.isPowered else { return }
        say(index, "loses its power")
        judge.died(board, self)
        board.node = nil
        board.isPowered = false
        board.isStopped = false
        board.isFrozen = false
        board.waiting = []
        board.hasKernel = false
        board.portSize = scenario.mtu
    }

    private func boot(_ index: Int) {
        let board = boards[index]
        guard board.isPowered, board.node == nil, !board.isFinished else { return }
        board.hasKernel = true
        board.processes += 1
        say(index, "vsmpd starts as node \(board.index < scenario.nodes ? "\(board.place)" : "\(board.place), a rival")")
        board.node = SimulatedNode(board, process: board.processes, self)
        board.node?.begin()
    }

    /// The process has gone: its kernel closes what it had.
    func vacate(_ board: Board) {
        guard let node = board.node else { return }
        board.node = nil
        board.waiting = []
        for (stream, side) in node.sockets { hangUp(stream, side) }
    }

    private func wake(_ board: Board) {
        guard board.isStopped else { return }
        board.isStopped = false
        board.isFrozen = false
        judge.woke(board, now)
        say(board.index, "goes on")
        // Each thread finds its own in order; which of them comes first is chance, but datagrams are read before a beat is due.
        let work = board.waiting
        board.waiting = []
        var classes: [[Work]] = [[], [], []]
        for item in work {
            switch item {
            case .beacon, .beat, .refused: classes[0].insert(item, at: classes[0].endIndex)
            case .beats: classes[1].append(item)
            default: classes[2].append(item)
            }
        }
        let beats = classes[0] + classes[1].prefix(1)
        let ordered = random.below(2) == 0 ? beats + classes[2] : classes[2] + beats
        guard let node = board.node else { return }
        for item in ordered { if board.node === node { node.do(item) } }
    }

    // MARK: Datagrams

    func isOpen(_ from: Int, _ to: Int) -> Bool { blocked[from][to] == 0 && !boards[from].isFrozen && !boards[to].isFrozen && boards[from].isPowered }

    /// For packets of TCP.
    func isOpenToStreams(_ from: Int, _ to: Int) -> Bool { filtered[from][to] == 0 && isOpen(from, to) }

    func delay() -> Time { scenario.latency + random.time(below: scenario.jitter) }

    /// Somebody who has no key, at an address of his own, plays to everybody what he has heard.
    private func replay() {
        isRecording = false
        for bytes in recorded.joined() {
            for board in boards { if let node = board.node, !board.isFrozen { post(.beacon(from: boards.count, bytes), of: node, at: now + delay()) } }
        }
    }

    /// To every other board.
    func multicast(_ bytes: [UInt8], from: Int) {
        if isRecording { recorded[from] = recorded[from].suffix(1) + [bytes] }
        for board in boards where board.index != from {
            guard blocked[from][board.index] == 0, let node = board.node, !board.isFrozen, !isLost() else { continue }
            post(.beacon(from: from, bytes), of: node, at: now + delay())
        }
    }

    private func isLost() -> Bool { scenario.loss > 0 && random.below(1000) < scenario.loss }

    /// A heartbeat.
    func send(_ beat: Beat, _ packet: SimulatedBeat, from node: SimulatedNode, to: Int) {
        let from = node.board.index
        guard packet.size <= min(scenario.carries, max(boards[from].portSize, 1500)), isOpen(from, to), boards[to].hasKernel, !isLost() else { return }
        if let other = boards[to].node {
            post(.beat(beat, from: from, packet), of: other, at: now + delay())
        } else if isOpen(to, from) {
            // Nobody listens at that port: the kernel says so (ICMP).
            post(.refused(by: to), of: node, at: now + 2 * delay())
        }
    }
}

extension Scenario {
    /// Whose stick the board behind the others carries.
    var rival: Int? { faults.compactMap { if case .rival(let node, _) = $0 { node } else { nil } }.first }
}
