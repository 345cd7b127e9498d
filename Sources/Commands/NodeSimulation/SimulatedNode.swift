import Contract
import Interconnect
import Node
import Platform

/// One process of `vsmpd`, from its start to its end: the shipping state machines, with the world in the place of threads and sockets.
final class SimulatedNode {
    let board: Board
    let process: Int
    let world: World
    let identity: NodeIdentity
    let port: UInt16
    var gathering: Gathering
    var watch: Watch
    /// Once this node has joined.
    var membership: Membership?
    /// Sockets that are open.
    var sockets: [(stream: TCPStream, side: Int)] = []
    /// Streams that the mesh has, by its numbers.
    var meshStreams: [(id: StreamID, stream: TCPStream, side: Int, delivered: Gathering.PeerStream?)] = []
    private var accepted: UInt64 = 0
    /// Whom heartbeats go to.
    private var hearers: [Hearer] = []
    var control: [Link?]
    var coherence: [Link?]
    /// Coherence streams that came before this node had its part of the machine.
    var early: [(peer: NodeIndex, stream: TCPStream, side: Int, keys: StreamKeys)] = []
    var interruptions: [ConnectionRole: Interruptions]
    var interruptionLimit: Time
    /// Whom this node's machine is made of, by node: board and process.
    var members: [(board: Int, process: Int)?]
    /// Tasks that wait, and the number of the one that is done now.
    var tasks: [Membership.Task] = []
    var taskNumber = 0
    var isBusy = false
    var clock = ClockExchange()
    /// Has its part of the machine.
    var hasPart = false
    /// Coherence messages sent to and taken from each node.
    var sent: [UInt64]
    var taken: [UInt64]
    var lastWords: (text: String, at: Time) = ("", 0)
    /// When its console said last that it stood still.
    var saidStop: Time?
    let startedAt: Time
    var joinedAt: Time?
    var ranSince: Time?

    private struct Hearer {
        let identity: NodeIdentity
        let board: Int
    }

    init(_ board: Board, process: Int, _ world: World) {
        let scenario = world.scenario
        self.board = board
        self.process = process
        self.world = world
        startedAt = world.now
        port = UInt16(40_000 + process)
        let firmwares = Firmware.all
        do throws(InterconnectError) {
            identity = try NodeIdentity(
                index: board.place, count: scenario.nodes, kit: "simulated", firmwareHash: firmwares[board.firmware].hash, holdings: firmwares,
                random: &world.random)
        } catch { preconditionFailure("\(error)") }
        let configuration = MeshConfiguration(identity: identity, key: world.key, reach: .discovery(interface: "port"))
        let now = board.clock(world.now)
        gathering = Gathering(configuration, now: now)
        watch = Watch(node: board.place, count: scenario.nodes, timing: .init(outageSeconds: scenario.outageSeconds), mtu: board.portSize, now: now)
        control = Array(repeating: nil, count: scenario.nodes)
        coherence = control
        members = Array(repeating: nil, count: scenario.nodes)
        sent = Array(repeating: 0, count: scenario.nodes)
        taken = sent
        let none = Interruptions(nodes: scenario.nodes)
        interruptions = [.control: none, .coherence: none]
        interruptionLimit = Interruptions.limit(outageSeconds: scenario.outageSeconds)
    }

    var me: NodeIndex { board.place }
    /// This board's clock.
    var now: UInt64 { board.clock(world.now) }

    static func address(_ board: Int, port: UInt16 = 0) -> SocketAddress { .ipv6(high: 0xFE80 << 48, low: UInt64(board + 1), port: port, scope: 0) }
    static func board(of address: SocketAddress) -> Int {
        guard case .ipv6(_, let low, _, _) = address else { return 0 }
        return Int(low) - 1
    }

    func say(_ text: String) {
        lastWords = (text, world.now)
        world.say(board.index, text)
    }

    func after(_ time: Time, _ work: World.Work) { world.post(work, of: self, at: world.now + time) }

    func begin() {
        feed(.listening(Self.address(board.index, port: port)))
        // Threads wake when they like.
        after(world.random.time(below: 50 * .millisecond), .mesh)
        after(world.random.time(below: 100 * .millisecond), .beats)
        after(world.random.time(below: 100 * .millisecond), .control)
    }

    /// One thing that a thread does.
    func `do`(_ work: World.Work) {
        switch work {
        case .mesh:
            feed(Gathering.Input.tick)
            after(50 * .millisecond, .mesh)
        case .beats:
            after(100 * .millisecond, .beats)
            beat()
        case .control:
            after(100 * .millisecond, .control)
            tickLinks()
        // Each has a port of its own.
        case .beacon(let from, let bytes): feed(.datagram(bytes, from: Self.address(from, port: BeaconGroup.port)))
        case .beat(let beat, let from, let packet): hear(beat, packet, from: from)
        case .refused(let board): if let hearer = hearers.first(where: { $0.board == board }) { watch.refused(hearer.identity.index) }
        case .accepted(let stream):
            accepted += 1
            meshStreams.append((.accepted(accepted), stream, 1, nil))
            feed(.accepted(.accepted(accepted), from: Self.address(stream.ends[0].board, port: 50_000)))
            read(stream, 1)
        case .connected(let stream):
            guard let known = meshStreams.first(where: { $0.stream === stream && $0.side == 0 }) else { return }
            feed(.connected(known.id))
            feed(Gathering.Input.tick)
        case .unreachable(let stream):
            guard let known = meshStreams.first(where: { $0.stream === stream && $0.side == 0 }) else { return }
            forget(stream, 0)
            feed(.unreachable(known.id))
        case .stream(let stream, let side): read(stream, side)
        case .task(let number): if number == taskNumber { perform() }
        case .clock(let number): if number == taskNumber { exchange() }
        }
    }

    // MARK: Streams

    private func read(_ stream: TCPStream, _ side: Int) {
        if let known = meshStreams.first(where: { $0.stream === stream && $0.side == side }) { return attend(known.id, stream, side, known.delivered != nil) }
        for (role, links) in [(ConnectionRole.control, control), (.coherence, coherence)] {
            guard let link = links.compactMap({ $0 }).first(where: { $0.socket?.stream === stream && $0.socket?.side == side }) else { continue }
            return receive(link, role)
        }
    }

    /// As the mesh's thread reads.
    private func attend(_ id: StreamID, _ stream: TCPStream, _ side: Int, _ isDelivered: Bool) {
        if isDelivered {
            if stream.ends[side].ending != nil { feed(.ended(id)) }
            return
        }
        var isHeard = false
        while !stream.ends[side].inbox.isEmpty {
            let wanted = gathering.bytesWanted(id)
            guard wanted > 0, let known = meshStreams.first(where: { $0.id == id }), known.delivered == nil else { return }
            let bytes = Array(stream.ends[side].inbox.prefix(wanted))
            stream.ends[side].inbox.removeFirst(bytes.count)
            feed(.bytes(id, bytes))
            isHeard = true
        }
        if stream.ends[side].ending != nil { feed(.ended(id)) }
        if isHeard { feed(Gathering.Input.tick) }
    }

    func forget(_ stream: TCPStream, _ side: Int) {
        meshStreams.removeAll { $0.stream === stream && $0.side == side }
        sockets.removeAll { $0.stream === stream && $0.side == side }
    }

    // MARK: The mesh

    func feed(_ input: Gathering.Input) {
        for effect in gathering.handle(input, now: now, random: &world.random) {
            switch effect {
            case .announce(let bytes): world.multicast(bytes, from: board.index)
            case .connect(let id, let address):
                let stream = world.connect(self, to: Self.board(of: address), port: address.port)
                meshStreams.append((id, stream, 0, nil))
                sockets.append((stream, 0))
            case .send(let id, let bytes): if let known = meshStream(id) { world.write(known.stream, known.side, bytes) }
            case .finish(let id): if let known = meshStream(id) { world.finish(known.stream, known.side) }
            case .hangUp(let id):
                guard let known = meshStream(id) else { continue }
                world.hangUp(known.stream, known.side)
                forget(known.stream, known.side)
            case .deliver(let id, let peer): deliver(id, peer)
            case .say(let sentence): say(sentence)
            case .startedAnew(let peer): watch.startedAnew(peer)
            case .joined: join()
            case .failed(let error): return fail(error)
            }
        }
    }

    private func meshStream(_ id: StreamID) -> (id: StreamID, stream: TCPStream, side: Int, delivered: Gathering.PeerStream?)? { meshStreams.first { $0.id == id } }

    private func deliver(_ id: StreamID, _ peer: Gathering.PeerStream) {
        guard let index = meshStreams.firstIndex(where: { $0.id == id }) else { return }
        if peer.role == .control { expect(peer.peer, at: peer.address) }
        meshStreams[index].delivered = peer
        if joinedAt != nil { resume(meshStreams.remove(at: index), peer) }
    }

    private func fail(_ error: MeshError) {
        say("\(error)")
        world.end(self, .mesh(error))
    }

    // MARK: Heartbeats

    private func expect(_ peer: NodeIdentity, at address: SocketAddress) {
        guard !hearers.contains(where: { $0.identity.instance == peer.instance }) else { return }
        hearers.removeAll { $0.identity.index == peer.index }
        hearers.append(Hearer(identity: peer, board: Self.board(of: address)))
        watch.expect(peer.index, now: now)
    }

    private func hear(_ beat: Beat, _ packet: SimulatedBeat, from board: Int) {
        // Each pair of starts has keys of its own.
        guard let hearer = hearers.first(where: { $0.board == board }), hearer.identity.instance == packet.sender, packet.receiver == identity.instance
        else { return }
        watch.heard(beat, size: packet.size, now: now)
    }

    private func beat() {
        for outgoing in watch.beats(now: now) {
            guard let hearer = hearers.first(where: { $0.identity.index == outgoing.to }) else { continue }
            let packet = SimulatedBeat(sender: identity.instance, receiver: hearer.identity.instance, size: Int(outgoing.size ?? 160))
            world.send(outgoing.beat, packet, from: self, to: hearer.board)
        }
        for event in watch.tick(now: now) {
            switch event {
            case .lost(let loss):
                world.say(board.index, "hears: \(loss)")
                world.judge.hears(loss, self, world)
                feed(.unheard(loss))
            case .narrowPath(let peer, let full, let carried):
                board.portSize = min(board.portSize, carried)
                say("packets of \(full) bytes do not arrive at node \(peer), such of \(carried) bytes do")
            case .slow, .stoodStill:
                if let words = ConsoleWords.warning(event, outage: watch.timing.outage) { say(words) }
                if case .stoodStill = event { saidStop = world.now }
            }
            if board.node !== self { return }
        }
        guard membership != nil else { return }
        feed(Membership.Input.tick)
        if board.node === self { work() }
    }
}

/// The two firmwares that every stick has; the second is newer.
enum Firmware {
    static let all: [FirmwareHolding] = (1...2).map { version in
        guard let hash = FirmwareHash(bytes: Array(repeating: UInt8(version), count: 32)) else { preconditionFailure("32 bytes are a hash") }
        return FirmwareHolding(hash: hash, version: UInt32(version))
    }
}
