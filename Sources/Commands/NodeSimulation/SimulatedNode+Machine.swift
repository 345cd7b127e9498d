import Bytes
import CoherenceSimulation
import Contract
import Interconnect
import Licensing
import Machine
import Node

/// From the joining on: connections, the membership and its tasks.
extension SimulatedNode {
    // MARK: Connections

    func join() {
        joinedAt = world.now
        let established = meshStreams.filter { $0.delivered != nil }
        meshStreams.removeAll { $0.delivered != nil }
        for known in established {
            guard let peer = known.delivered else { continue }
            let link = Link(peer.peer.index, peer.role, (known.stream, known.side), keys: peer.keys, world)
            if peer.role == .control { control[peer.peer.index.position] = link } else { coherence[peer.peer.index.position] = link }
            members[peer.peer.index.position] = (known.stream.ends[1 - known.side].board, known.stream.ends[1 - known.side].process)
        }
        members[me.position] = (board.index, process)
        world.say(board.index, "has joined")
        world.judge.joined(self, world)
        let record = BoardRecord(sockets: 1, cores: 1, memoryMiB: 160, model: nil)
        let statement = LicenceStatement(
            node: .init(index: me, licence: nil, isDevelopment: true, record: record, interconnect: .ethernet), threads: 1, denyList: [])
        membership = Membership(node: me, count: world.scenario.nodes, outageSeconds: world.scenario.outageSeconds)
        feed(.joined(statement))
        watch.judge(now: now)
        // What came before there was somebody to read it.
        for link in (control + coherence).compactMap({ $0 }) { receive(link, link.role) }
    }

    /// A stream in the place of an interrupted one.
    func resume(_ known: (id: StreamID, stream: TCPStream, side: Int, delivered: Gathering.PeerStream?), _ peer: Gathering.PeerStream) {
        let index = peer.peer.index
        if peer.role == .coherence, !hasPart {
            early.removeAll { $0.peer == index }
            early.append((index, known.stream, known.side, peer.keys))
        } else {
            adopt(peer.role, index, (known.stream, known.side), keys: peer.keys)
        }
    }

    private func adopt(_ role: ConnectionRole, _ peer: NodeIndex, _ socket: (stream: TCPStream, side: Int), keys: StreamKeys) {
        guard let link = (role == .control ? control : coherence)[peer.position], !link.isLost else { return world.hangUp(socket.stream, socket.side) }
        interruptions[role]?.end(peer)
        world.say(board.index, "the \(role) connection with node \(peer) goes on")
        if let outcome = link.adopt(socket, keys: keys, now: now) { take(outcome, of: link) }
        receive(link, role)
    }

    func receive(_ link: Link, _ role: ConnectionRole) {
        // Before its part stands nobody reads what coherence brings.
        guard membership != nil, !link.isLost, role == .control || hasPart else { return }
        let outcome = link.receive { frame in
            if role == .coherence { return takeCoherence(frame, from: link.peer) }
            do throws(ByteError) {
                try take(ControlMessage(ControlMessage.Frame(kind: frame.kind, body: frame.bodyBytes, payload: frame.payloadBytes), from: link.peer), from: link.peer)
                return nil
            } catch { return "malformed \(frame.kind): \(error)" }
        }
        if let outcome, board.node === self { take(outcome, of: link) }
    }

    private func take(_ outcome: Link.Outcome, of link: Link) {
        switch outcome {
        case .interrupted(let why):
            world.say(board.index, "the \(link.role) connection with node \(link.peer) is interrupted: \(why)")
            interruptions[link.role]?.begin(link.peer, why, now: now)
            for role in Interruptions.roles(after: link.role, hasPart: hasPart) { feed(Gathering.Input.interrupted(link.peer, role)) }
            feed(Gathering.Input.tick)
        case .lost(let why): lose(link, .node(why))
        }
    }

    private func lose(_ link: Link, _ why: PeerLoss) {
        guard !link.isLost else { return }
        link.lose()
        interruptions[link.role]?.end(link.peer)
        feed(why.input(link.peer))
    }

    func tickLinks() {
        guard membership != nil else { return }
        for role in [ConnectionRole.control, .coherence] where role == .control || hasPart {
            for link in role == .control ? control : coherence {
                guard let link, let outcome = link.tick(now) else { continue }
                take(outcome, of: link)
            }
            for (peer, why) in interruptions[role]?.overdue(now: now, limit: interruptionLimit) ?? [] {
                guard board.node === self, let link = (role == .control ? control : coherence)[peer.position] else { continue }
                lose(link, .link(ConsoleWords.notResumed(role, after: interruptionLimit, why)))
            }
        }
    }

    // MARK: Messages

    private func send(_ frame: ControlMessage.Frame, to peer: NodeIndex) { _ = control[peer.position]?.send(frame.kind, body: frame.body, payload: frame.payload) }

    private func take(_ message: ControlMessage, from peer: NodeIndex) {
        switch message {
        case .membership(let message): feed(.message(message, from: peer))
        case .timePing(let sent, _):
            let counter = board.counter(world.now)
            send(ControlMessage.timePong(sent: sent, received: counter, answered: counter, ClockLead()).frame, to: peer)
        case .timePong(let sent, let received, let answered, _):
            clock.take(sent: sent, received: received, answered: answered, at: board.counter(world.now))
        default: break
        }
    }

    private func takeCoherence(_ frame: ReceivedFrame, from peer: NodeIndex) -> String? {
        let number: UInt64 = frame.bodyBytes.number(at: 0) ?? .max
        if number != taken[peer.position] {
            world.judge.find(.lostMessage, "node \(me) took message \(number) of node \(peer) where \(taken[peer.position]) was due", world)
        }
        taken[peer.position] = number + 1
        return nil
    }

    /// What a running guest does: it touches pages of other nodes.
    func work() {
        guard membership?.phase == .running else { return }
        for peer in NodeIndex.all(of: world.scenario.nodes) where peer != me {
            let isPage = world.random.below(4) == 0
            guard coherence[peer.position]?.send(.coherence, body: sent[peer.position].bytes(), payload: isPage ? Self.page : []) == true else { continue }
            sent[peer.position] += 1
        }
        if me != 0 { send(ControlMessage.timePing(sent: clock.ping(board.counter(world.now)), wish: 0).frame, to: 0) }
    }

    private static let page = [UInt8](repeating: 0x5A, count: 4096)

    // MARK: The membership

    func feed(_ input: Membership.Input) {
        guard let effects = membership?.handle(input, now: now) else { return }
        for effect in effects {
            switch effect {
            case .send(let message, let node): send(ControlMessage.membership(message).frame, to: node)
            case .broadcast(let message):
                let frame = ControlMessage.membership(message).frame
                for peer in NodeIndex.all(of: world.scenario.nodes) where peer != me { send(frame, to: peer) }
            case .say(let line): say(line)
            case .stop: tasks = []
            case .perform(let task): tasks.append(task)
            }
        }
        beginTask()
    }

    // MARK: Tasks

    private func beginTask() {
        guard !isBusy, let task = tasks.first else { return }
        isBusy = true
        taskNumber += 1
        if case .leave = task { return perform() }
        after(world.random.time(below: board.plan.slowness), .task(taskNumber))
    }

    private func finishTask(_ input: Membership.Input?) {
        isBusy = false
        if let input { feed(input) }
        if board.node === self { beginTask() }
    }

    func perform() {
        // What was begun when everything stopped is nothing to be done any more.
        guard !tasks.isEmpty else { return finishTask(nil) }
        switch tasks.removeFirst() {
        case .judge: finishTask(.judged(LicenceOutcome(banners: [], marks: LicenceMarks(), isPolicyChoiceFree: true)))
        case .remember, .tell: finishTask(nil)
        case .measure: measure()
        case .build(let plan): build(plan)
        case .start: finishTask(.started)
        case .celebrate:
            ranSince = world.now
            board.rejoins = 0
            world.judge.runs(self, world)
            finishTask(nil)
        case .collect: finishTask(.collected(hasPart ? NodeReport(node: me, resources: resources) : nil))
        case .leave(let end): world.end(self, .machine(end))
        }
    }

    private var resources: NodeResources {
        NodeResources(
            sockets: 1, coresPerSocket: 1, threadsPerCore: 1, physicalMiB: 160, firmwareMiB: 64, sliceMiB: 64, cacheMiB: 32,
            timestampKilohertz: board.plan.kernelKilohertz)
    }

    private func measure() {
        if me == 0 { return measured(CounterReading()) }
        clock.begin(.measure, now)
        exchange()
    }

    private func measured(_ counter: CounterReading) {
        finishTask(.measured(NodeHello(resources: resources, counter: counter, cpuid: Self.cpuid), clock: board.counter(world.now)))
    }

    /// Long enough for several packets.
    private static let cpuid = CPUIDTable(
        entries: [.init(function: 0, eax: 13, ebx: 0x756E_6547)] + (1..<80).map { CPUIDTable.Entry(function: 0x4000_0000 + UInt32($0), eax: 1) })

    private func build(_ plan: MachinePlan) {
        watch.adopt(Watch.Timing(outageSeconds: plan.outageSeconds))
        interruptionLimit = Interruptions.limit(outageSeconds: plan.outageSeconds)
        hasPart = true
        for known in early { adopt(.coherence, known.peer, (known.stream, known.side), keys: known.keys) }
        early = []
        for link in coherence.compactMap({ $0 }) { receive(link, .coherence) }
        guard board.node === self else { return }
        if me == 0 { return finishTask(.built(ClockFigures())) }
        clock.begin(.align, now)
        exchange()
    }

    /// One more exchange of time stamps with node 0, or the end of them.
    func exchange() {
        switch clock.next(now, counter: board.counter(world.now), outage: Time(world.scenario.outageSeconds + 2) * .second) {
        case .ask(let ping):
            send(ControlMessage.timePing(sent: ping, wish: 0).frame, to: 0)
            after(clock.pause, .clock(taskNumber))
        case .done(let reading): clock.goal == .measure ? measured(reading) : finishTask(.built(ClockFigures(bound: 1, roundTrip: 2)))
        case .failed: finishTask(.failed(why: "node 0 answers no clock exchange; look at the interconnect"))
        }
    }
}
