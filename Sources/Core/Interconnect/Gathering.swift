import Contract
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
/// Two streams join a pair of nodes, one of each role; the node with the higher index dials.
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
        case close(StreamID)
        /// The handshake is done: the stream is the peer's, and nothing behind the handshake was read.
        case deliver(StreamID, PeerStream)
        case say(String)
        /// Every peer has both streams.
        case joined
        /// The last effect.
        case failed(MeshError)
    }

    /// Whose an established stream is.
    package struct PeerStream: Sendable {
        package let peer: NodeIdentity
        package let role: ConnectionRole
        package let address: SocketAddress
    }

    private enum Phase {
        case joining
        case joined
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

        var isComplete: Bool { control != nil && coherence != nil }
        func stream(_ role: ConnectionRole) -> StreamID? { role == .control ? control : coherence }
    }

    static let beaconInterval: UInt64 = 200_000_000
    static let dialInterval: UInt64 = 300_000_000
    /// Handshakes at the listening side at one time: two for each of 15 peers, and as many strangers again.
    static let maximumInbound = 64

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
    private var nextReport: UInt64
    var refusals: [String: UInt64] = [:]
    var lastRefusal: Refusal?
    private var effects: [Effect] = []

    package init(_ configuration: MeshConfiguration, now: UInt64) {
        self.configuration = configuration
        me = configuration.identity
        if case .discovery = configuration.reach { isDiscovering = true } else { isDiscovering = false }
        begin = now
        nextReport = now + configuration.reportInterval
        table = PeerTable(identity: me, key: configuration.key)
        places = Array(repeating: Place(), count: me.count)
    }

    /// - Parameter random: for the nonces of handshakes.
    package mutating func handle(_ input: Input, now: UInt64, random: inout some RandomNumberGenerator) -> [Effect] {
        switch input {
        case .listening(let address): listening = address
        case .datagram(let bytes, let sender): hear(bytes, sender, now)
        case .accepted(let id, let remote): accept(id, from: remote, now, random: &random)
        case .connected(let id): change(id, now) { $0.connected() }
        case .unreachable(let id): attempts.removeAll { $0.id == id }
        case .bytes(let id, let bytes): change(id, now) { $0.receive(bytes) }
        case .ended(let id): end(id, now)
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
        case .leaving(let why, let until):
            announce(now)
            guard now >= until, !attempts.contains(where: \.isClosing) else { return }
            phase = .over
            act(.failed(why))
        case .joined, .over: break
        }
    }

    private mutating func join(_ now: UInt64, random: inout some RandomNumberGenerator) {
        let missing = missing
        guard !missing.isEmpty else {
            phase = .joined
            return act(.joined)
        }
        if let patience = configuration.patience, now - begin >= patience { return leave(timeout(missing, after: patience), now) }
        if now >= nextReport {
            nextReport += configuration.reportInterval
            act(.say(report(missing, after: now - begin)))
        }
        announce(now)
        dial(now, random: &random)
    }

    // MARK: Discovery

    private mutating func announce(_ now: UInt64) {
        guard isDiscovering, let listening, now >= nextBeacon else { return }
        nextBeacon = now + Self.beaconInterval
        beaconSequence += 1
        act(.announce(table.announcement(tcpPort: listening.port, sequence: beaconSequence)))
    }

    private mutating func hear(_ datagram: [UInt8], _ sender: SocketAddress, _ now: UInt64) {
        if let sentence = table.handle(datagram, from: sender, now: now) { act(.say(sentence)) }
        guard isJoining else { return }
        if let rival = table.rival {
            let refusal = Refusal.duplicateIndex(me.index, holder: "the board at \(rival)")
            let message = "both this board and the one at \(rival) claim to be node \(me.index); give every board its own stick"
            leave(.refused(refusal, message: message), now, beacons: true)
        } else if let why = FirmwareElection.objection(of: me, to: table.entries) {
            leave(why, now, beacons: true)
        }
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

    private func report(_ missing: NodeSet, after elapsed: UInt64) -> String {
        var text = "node \(me.index) still waits for node \(missing) after \(elapsed / 1_000_000_000) s"
        if isDiscovering, listening == nil { text += "; the interconnect interface has no link-local address yet" }
        if table.strangers > 0 { text += "; \(table.strangers) datagrams of strangers ignored" }
        return text
    }

    private func timeout(_ missing: NodeSet, after patience: UInt64) -> MeshError {
        var text = "node \(missing) did not join within \(patience / 1_000_000_000) s"
        if let lastRefusal { text += "; last refusal: " + lastRefusal.message(me: "node \(me.index)", peer: "a peer") }
        return .timeout(missing: missing, lastRefusal: lastRefusal, message: text)
    }
}
