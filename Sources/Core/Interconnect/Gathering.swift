package import Contract
package import Platform

/// A stream of this node: its own number among those it dials, or among those it accepts.
package enum StreamID: Sendable, Hashable {
    case dialled(UInt64)
    case accepted(UInt64)
}

/// How a node finds its peers, proves the cluster key both ways and decides who belongs: a pure state machine. What the network brings and the time
/// (nanoseconds, monotonic) come in; what to send, to connect, to close and to say comes out. `GatheringDriver` runs it over sockets, the node
/// simulator in virtual time.
///
/// Two streams join a pair of nodes, one of each role; the node with the higher index dials. A node has joined when every peer has both, answers
/// beacons, and says the same of its own peers; one that fell silent or started anew has lost its place by then. From that moment the machine's instances are settled: an interrupted stream is
/// dialled again and only the same instance is let in.
package struct Gathering: Sendable {
    package enum Input: Sendable {
        /// From now on this node accepts streams at this address.
        case listening(SocketAddress)
        case datagram([UInt8], from: SocketAddress)
        case accepted(StreamID, from: SocketAddress)
        /// A stream that this node dials stands.
        case connected(StreamID)
        /// The address did not answer; the stream is gone.
        case unreachable(StreamID)
        /// At most as many as ``bytesWanted(_:)`` says.
        case bytes(StreamID, [UInt8])
        /// The peer closed or reset the stream.
        case ended(StreamID)
        /// After `joined`: the delivered stream of that peer and role carries nothing any more; another one is to take its place.
        case interrupted(NodeIndex, ConnectionRole)
        /// Time has passed: due every 50 ms or more often.
        case tick
    }

    package enum Effect: Sendable {
        /// One beacon, to the whole interconnect.
        case announce([UInt8])
        case connect(StreamID, to: SocketAddress)
        case send(StreamID, [UInt8])
        /// Nothing more is sent once what was sent has left.
        case finish(StreamID)
        case hangUp(StreamID)
        /// The handshake is done: the stream is the peer's, and nothing behind the handshake was read.
        case deliver(StreamID, PeerStream)
        case say(String)
        /// The board of a peer of this machine runs another start of that node.
        case startedAnew(NodeIndex)
        /// Every peer has both streams and lives.
        case joined
        /// The last effect: instead of `joined`.
        case failed(MeshError)
    }

    /// Whose an established stream is.
    package struct PeerStream: Sendable {
        package let peer: NodeIdentity
        package let role: ConnectionRole
        package let address: SocketAddress
        /// What its records are sealed with from now on.
        package let keys: StreamKeys
    }

    private enum Phase {
        case joining
        /// Who belongs to the machine is settled.
        case keeping
        /// This node has given up; beacons go on until that time, so that a board with the same stick hears why.
        case leaving(MeshError, until: UInt64)
        case over
    }

    /// What belongs to one peer.
    struct Place: Sendable {
        var identity: NodeIdentity?
        var address: SocketAddress?
        var control: StreamID?
        var coherence: StreamID?
        var nextDial: UInt64 = 0
        /// When it got its first stream.
        var begin: UInt64 = 0

        var isComplete: Bool { control != nil && coherence != nil }
        func stream(_ role: ConnectionRole) -> StreamID? { role == .control ? control : coherence }
    }

    static let beaconInterval: UInt64 = 200_000_000
    static let dialInterval: UInt64 = 300_000_000
    /// For so long an address may say nothing to a dial: TCP's own second try would come after a second, its third after three, and an outage between
    /// them would last as long.
    static let dialPatience: UInt64 = 500_000_000
    /// Handshakes at the listening side at one time: two for each of 15 peers, and as many strangers again.
    static let maximumInbound = 64
    /// Silence after which a peer has lost its place, while nodes join.
    static let silence: UInt64 = 5_000_000_000
    /// For so long a node is told that its place is taken, before it believes it: whoever held it may have lost its power a moment ago.
    static let duplicatePatience: UInt64 = 2 * PeerTable.lifetime
    /// A tick later than this after the one before means that this node stood still.
    private static let lateness: UInt64 = 1_000_000_000

    let configuration: MeshConfiguration
    let me: NodeIdentity
    let isDiscovering: Bool
    private let begin: UInt64
    private var phase = Phase.joining
    private var listening: SocketAddress?
    var table: PeerTable
    /// By node; this node's own stays empty.
    var places: [Place]
    var attempts: [HandshakeAttempt] = []
    var dialled: UInt64 = 0
    private var nextBeacon: UInt64 = 0
    private var beaconSequence: UInt64 = 0
    /// Every peer has both streams, as the beacons say.
    private var isComplete = false
    private var nextReport: UInt64
    private var lastTick: UInt64
    /// After a standstill: when all who have not answered since then count as silent.
    private var readyFrom: UInt64 = 0
    var console = RepeatLimit<String>()
    var strangers = RepeatLimit<String>()
    var lastRefusal: Refusal?
    /// Since when this node is told that its place is taken, and when it was told last.
    var takenSince: (first: UInt64, last: UInt64)?
    private var effects: [Effect] = []

    package init(_ configuration: MeshConfiguration, now: UInt64) {
        self.configuration = configuration
        me = configuration.identity
        if case .discovery = configuration.reach { isDiscovering = true } else { isDiscovering = false }
        begin = now
        nextReport = now + configuration.reportInterval
        lastTick = now
        table = PeerTable(identity: me, key: configuration.key)
        places = Array(repeating: Place(), count: me.count)
    }

    /// - Parameter random: for the nonces of handshakes.
    package mutating func handle(_ input: Input, now: UInt64, random: inout some RandomNumberGenerator) -> [Effect] {
        noteStandstill(now)
        switch input {
        case .listening(let address):
            listening = address
            table.host = address
        case .datagram(let bytes, let sender): hear(bytes, sender, now)
        case .accepted(let id, let remote): accept(id, from: remote, now, random: &random)
        case .connected(let id): change(id, now) { [deadline = now + configuration.handshakeTimeout] in $0.connected(deadline: deadline) }
        case .unreachable(let id): attempts.removeAll { $0.id == id }
        case .bytes(let id, let bytes): change(id, now) { $0.receive(bytes) }
        case .ended(let id): end(id, now)
        case .interrupted(let peer, let role): interrupt(peer, role)
        case .tick: tick(now, random: &random)
        }
        defer { effects = [] }
        return effects
    }

    mutating func act(_ effect: Effect) { effects.append(effect) }

    var isJoining: Bool { if case .joining = phase { true } else { false } }

    /// Peers that do not have both streams.
    package var missing: NodeSet { NodeSet(peers.filter { !places[node: $0].isComplete }) }

    var peers: [NodeIndex] { NodeIndex.all(of: me.count).filter { $0 != me.index } }

    // MARK: Time

    private mutating func tick(_ now: UInt64, random: inout some RandomNumberGenerator) {
        expireAttempts(now)
        switch phase {
        case .joining: join(now, random: &random)
        case .keeping:
            announce(now, random: &random)
            dial(now, random: &random)
            for peer in peers {
                guard let entry = table.entries[peer], entry.isAlive(now), isSuccessor(entry.instance, of: peer, at: entry.address) else { continue }
                act(.startedAnew(peer))
            }
        case .leaving(let why, let until):
            announce(now, random: &random)
            guard now >= until, !attempts.contains(where: \.isClosing) else { return }
            phase = .over
            act(.failed(why))
        case .over: break
        }
    }

    /// While this node stood still, nobody was silent and no handshake was slow.
    private mutating func noteStandstill(_ now: UInt64) {
        defer { lastTick = max(lastTick, now) }
        guard now >= lastTick, now - lastTick > Self.lateness else { return }
        table.stoodStill(now - lastTick, until: now)
        // What they said before it is no word of now.
        readyFrom = now + PeerTable.lifetime
        for index in attempts.indices { attempts[index].extend(now - lastTick) }
        for peer in peers where places[node: peer].identity != nil { places[node: peer].begin = now }
    }

    private mutating func join(_ now: UInt64, random: inout some RandomNumberGenerator) {
        dropSilentPeers(now)
        let missing = missing
        if missing.isEmpty {
            // What this one lacked is said at once.
            if !isComplete { nextBeacon = now }
            isComplete = true
            if now >= readyFrom, peers.allSatisfy({ isReady($0, now) }) {
                phase = .keeping
                return act(.joined)
            }
        } else {
            isComplete = false
        }
        if let patience = configuration.patience, now - begin >= patience { return leave(timeout(missing, after: patience), now) }
        if now >= nextReport {
            nextReport += configuration.reportInterval
            act(.say(report(missing, now)))
        }
        announce(now, random: &random)
        dial(now, random: &random)
        dialRival(now, random: &random)
    }

    // MARK: Who lives

    /// The peer lives and has all its streams: it starts with this node, or has started.
    private func isReady(_ peer: NodeIndex, _ now: UInt64) -> Bool {
        answers(peer, now) && (!isDiscovering || table.entries[peer]?.isComplete == true)
    }

    /// The instance that has the peer's place answered a moment ago. Without beacons only its streams tell.
    func answers(_ peer: NodeIndex, _ now: UInt64) -> Bool {
        guard isDiscovering else { return true }
        guard let entry = table.entries[peer] else { return false }
        return entry.instance == places[node: peer].identity?.instance && entry.isAlive(now)
    }

    /// A board that lost its power says nothing, its streams least of all: it gives up its place to whoever comes.
    private mutating func dropSilentPeers(_ now: UInt64) {
        guard isDiscovering else { return }
        for peer in peers {
            guard let identity = places[node: peer].identity else { continue }
            let entry = table.entries[peer]
            if let entry, entry.instance != identity.instance {
                guard entry.isAlive(now) else { continue }
                act(.say("node \(peer) at \(entry.address) has started anew; the connections of its earlier start are dropped"))
                clear(peer)
            } else if now - max(entry?.lastAnswer ?? 0, places[node: peer].begin) >= Self.silence {
                act(.say("node \(peer) has fallen silent; waiting for it"))
                clear(peer)
            }
        }
    }

    // MARK: Discovery

    private mutating func announce(_ now: UInt64, random: inout some RandomNumberGenerator) {
        guard isDiscovering, let listening, now >= nextBeacon else { return }
        nextBeacon = now + Self.beaconInterval
        beaconSequence += 1
        act(.announce(table.announcement(tcpPort: listening.port, sequence: beaconSequence, isComplete: isComplete, now: now, random: &random)))
    }

    private mutating func hear(_ datagram: [UInt8], _ sender: SocketAddress, _ now: UInt64) {
        if let sentence = table.handle(datagram, from: sender, now: now) { act(.say(sentence)) }
        guard isJoining, let why = FirmwareElection.objection(of: me, to: table.alive(now)) else { return }
        leave(why, now, beacons: true)
    }

    /// Where a peer listens; nil when that is not known, or there is no use in talking yet.
    func address(of peer: NodeIndex) -> SocketAddress? {
        switch configuration.reach {
        // A node that runs another firmware changes over, or this one does.
        case .discovery: table.entries[peer].flatMap { $0.address.port == 0 || $0.running != me.firmwareHash ? nil : $0.address }
        case .fixed(_, let peers): peers[peer]
        }
    }

    // MARK: Outcome

    /// Gives up once everybody was told.
    mutating func leave(_ why: MeshError, _ now: UInt64, beacons: Bool = false) {
        guard isJoining else { return }
        phase = .leaving(why, until: beacons ? now + PeerTable.lifetime : now)
    }

    private func report(_ missing: NodeSet, _ now: UInt64) -> String {
        let unready = NodeSet(peers.filter { !isReady($0, now) })
        let waits = missing.isEmpty ? "node \(unready), which has not said to be ready," : "node \(missing)"
        var text = "node \(me.index) still waits for \(waits) after \((now - begin) / 1_000_000_000) s"
        if isDiscovering, listening == nil {
            text += "; the interconnect interface has no link-local address yet; if this stays, look whether another board has its MAC address"
        }
        if table.strangers > 0 { text += "; \(table.strangers) datagrams of strangers ignored" }
        return text
    }

    private func timeout(_ missing: NodeSet, after patience: UInt64) -> MeshError {
        var text = "node \(missing) did not join within \(patience / 1_000_000_000) s"
        if let lastRefusal { text += "; last refusal: " + lastRefusal.message(me: "node \(me.index)", peer: "a peer") }
        return .timeout(missing: missing, lastRefusal: lastRefusal, message: text)
    }
}
