import Contract
import Platform
import Glibc

/// The loop behind `Mesh.establish`: one thread, one poll, any number of handshakes at a time.
struct MeshBuilder: ~Copyable {
    /// A peer's two sockets, as far as they are there.
    private final class Slot {
        var identity: NodeIdentity?
        var address: SocketAddress?
        var control: EstablishedStream?
        var coherence: EstablishedStream?

        func has(_ role: ConnectionRole) -> Bool { role == .control ? control != nil : coherence != nil }
        var isComplete: Bool { control != nil && coherence != nil }

        func isDead() -> Bool { (control?.isDead ?? false) || (coherence?.isDead ?? false) }

        func clear() {
            identity = nil
            control = nil
            coherence = nil
        }

        func put(_ stream: EstablishedStream, role: ConnectionRole, identity: NodeIdentity, address: SocketAddress) {
            if let known = self.identity, known.instance != identity.instance { clear() }
            self.identity = identity
            self.address = address
            if role == .control { control = stream } else { coherence = stream }
        }
    }

    private static let beaconInterval: UInt64 = 200_000_000
    private static let dialInterval: UInt64 = 300_000_000
    /// Handshakes at the listening side at one time: two for each of 15 peers, and as many strangers again.
    private static let maximumInbound = 64

    private let configuration: MeshConfiguration
    private let me: NodeIdentity
    private let interface: NetworkInterface?
    private var listener: Socket?
    private var listenerPort: UInt16 = 0
    private var beacons: Socket?
    private var table: PeerTable
    private var slots: [NodeIndex: Slot] = [:]
    private var attempts: [HandshakeAttempt] = []
    private var nextDial: [NodeIndex: UInt64] = [:]
    private var nextBeacon: UInt64 = 0
    private var beaconSequence: UInt64 = 0
    private var refusals: [String: UInt64] = [:]
    private var lastRefusal: Refusal?
    private var failure: MeshError?
    /// Until when beacons go on although this node has given up, so that a board with the same stick hears why.
    private var beaconsEnd: UInt64 = 0

    init(_ configuration: MeshConfiguration, random: inout some RandomNumberGenerator) throws(InterconnectError) {
        let me = configuration.identity
        var interface: NetworkInterface?
        var listener: Socket?
        var beacons: Socket?
        switch configuration.reach {
        case .discovery(let name, let mtu):
            let found = try Self.interface(name, mtu: mtu)
            beacons = try system { () throws(SystemError) in try Socket.multicast(BeaconGroup.address(scope: found.index)) }
            interface = found
        case .fixed(let address, let peers):
            for peer in NodeIndex.all(of: me.index.position) where peers[peer] == nil {
                throw .configuration("node \(me.index) has no address of node \(peer)")
            }
            listener = try system { () throws(SystemError) in try Socket.listening(at: address) }
        }
        self.configuration = configuration
        self.me = me
        self.interface = interface
        self.listener = consume listener
        self.beacons = consume beacons
        table = PeerTable(identity: me, key: configuration.key)
        for peer in NodeIndex.all(of: me.count) where peer != me.index { slots[peer] = Slot() }
    }

    private static func interface(_ name: String, mtu: Int?) throws(InterconnectError) -> NetworkInterface {
        let found: NetworkInterface
        do throws(SystemError) { found = try NetworkInterface(name) } catch {
            throw .interface(name, "there is no such interface; check the board's interconnect port")
        }
        guard let mtu else { return found }
        do throws(SystemError) { try found.setMTU(mtu) } catch {
            throw .interface(
                name, "it does not carry packets of \(mtu) bytes: \(error.reason); correct mtu in the board's description")
        }
        return found
    }

    private var missing: NodeSet {
        var set = NodeSet()
        for (peer, slot) in slots where !slot.isComplete { set.insert(peer) }
        return set
    }

    mutating func run(
        random: inout some RandomNumberGenerator, log: (String) -> Void
    ) throws(InterconnectError) -> Result<[PeerLinks], MeshError> {
        let start = monotonicNow()
        var nextReport = start + configuration.reportInterval
        while true {
            let now = monotonicNow()
            let stillClosing = attempts.contains { $0.isClosing }
            if let failure, !stillClosing, now >= beaconsEnd { return .failure(failure) }
            if failure != nil {
                sendBeacon(now)
            } else {
                let missing = missing
                if missing.isEmpty { return .success(try links()) }
                if let patience = configuration.patience, now - start >= patience {
                    failure = timeout(missing, after: patience)
                }
                if now >= nextReport {
                    nextReport += configuration.reportInterval
                    log(report(missing, after: now - start))
                }
                try openListenerIfPossible()
                sendBeacon(now)
                dropDeadPeers(log)
                dial(now, random: &random)
            }
            wait(random: &random, log: log)
        }
    }

    // MARK: Listening and discovery

    private mutating func openListenerIfPossible() throws(InterconnectError) {
        guard listener == nil, let interface, let address = interface.linkLocalAddress(port: 0) else { return }
        // An address that is still tentative cannot be bound yet.
        guard let opened = try? Socket.listening(at: address) else { return }
        do throws(SystemError) { listenerPort = try opened.localAddress().port } catch { throw .system(error) }
        listener = consume opened
    }

    private mutating func sendBeacon(_ now: UInt64) {
        guard let interface, listener != nil, now >= nextBeacon else { return }
        nextBeacon = now + Self.beaconInterval
        beaconSequence += 1
        let announcement = table.announcement(tcpPort: listenerPort, sequence: beaconSequence)
        beacons?.send(announcement, to: BeaconGroup.address(scope: interface.index))
    }

    private mutating func hearBeacons(_ now: UInt64, _ log: (String) -> Void) {
        // Bounded, so that a flood cannot keep the loop from its handshakes.
        for _ in 0..<64 {
            guard let datagram = beacons?.receiveDatagram() ?? nil else { break }
            if let sentence = table.handle(datagram.bytes, from: datagram.from, now: now) { log(sentence) }
        }
        if failure == nil, let rival = table.rival {
            let refusal = Refusal.duplicateIndex(me.index, holder: "the board at \(rival)")
            leave(
                .refused(
                    refusal,
                    message: "both this board and the one at \(rival) claim to be node \(me.index); give every board its own stick"), now)
        }
    }

    private mutating func electFirmware(_ now: UInt64) {
        guard failure == nil, interface != nil, let why = FirmwareElection.objection(of: me, to: table.entries) else { return }
        leave(why, now)
    }

    /// Gives up, but lets the others hear why for a while.
    private mutating func leave(_ why: MeshError, _ now: UInt64) {
        failure = why
        beaconsEnd = now + PeerTable.lifetime
    }

    private func address(of peer: NodeIndex) -> SocketAddress? {
        switch configuration.reach {
        // A node that runs another firmware changes over, or this one does: no use in talking before.
        case .discovery:
            table.entries[peer].flatMap { $0.address.port == 0 || $0.running != me.firmwareHash ? nil : $0.address }
        case .fixed(_, let peers): peers[peer]
        }
    }

    // MARK: Dialling

    /// The node with the higher index connects to the one with the lower.
    private mutating func dial(_ now: UInt64, random: inout some RandomNumberGenerator) {
        for peer in NodeIndex.all(of: me.index.position) {
            guard let slot = slots[peer], !slot.isComplete, now >= nextDial[peer] ?? 0,
                !attempts.contains(where: { $0.dialing == peer && !$0.isClosing }), let address = address(of: peer)
            else { continue }
            nextDial[peer] = now + Self.dialInterval
            for role in ConnectionRole.allCases where !slot.has(role) {
                // A failure to set out is a failure to arrive: the next round tries again.
                guard let socket = try? Socket.connecting(to: address) else { continue }
                let handshake = Handshake(dialing: peer, role: role, as: me, key: configuration.key, random: &random)
                attempts.append(
                    HandshakeAttempt(
                        socket: socket, remote: address, dialing: peer, role: role, handshake: handshake,
                        deadline: now + configuration.handshakeTimeout))
            }
        }
    }

    private func dropDeadPeers(_ log: (String) -> Void) {
        for (peer, slot) in slots where slot.isDead() {
            log("node \(peer) has gone away again; waiting for it")
            slot.clear()
        }
    }

    private mutating func acceptAll(_ now: UInt64, random: inout some RandomNumberGenerator) {
        for _ in 0..<Self.maximumInbound {
            guard let socket = listener?.accept() ?? nil else { return }
            guard let from = socket.remote else { continue }
            _ = try? socket.setNoDelay()
            makeRoomForInbound()
            let handshake = Handshake(listeningAs: me, key: configuration.key, random: &random)
            attempts.append(
                HandshakeAttempt(
                    socket: socket, remote: from, dialing: nil, role: .control, handshake: handshake,
                    deadline: now + configuration.handshakeTimeout))
        }
    }

    /// When strangers crowd the door, the one who has stood there longest without a proof goes.
    private mutating func makeRoomForInbound() {
        guard attempts.count(where: { $0.dialing == nil }) >= Self.maximumInbound else { return }
        let victim =
            attempts.firstIndex { $0.dialing == nil && !$0.peerIsAuthenticated }
            ?? attempts.firstIndex { $0.dialing == nil }
        if let victim { attempts.remove(at: victim) }
    }

    // MARK: One round

    private mutating func wait(random: inout some RandomNumberGenerator, log: (String) -> Void) {
        var descriptors = DescriptorSet()
        let current = attempts
        for attempt in current { descriptors.add(attempt.fileDescriptor, attempt.events) }
        for descriptor in [listener?.fileDescriptor, beacons?.fileDescriptor] {
            if let descriptor { descriptors.add(descriptor, .input) }
        }
        _ = try? descriptors.wait(timeout: 50_000_000)
        let now = monotonicNow()
        for (index, attempt) in current.enumerated() {
            handle(attempt, attempt.advance(now: now, ready: descriptors.ready(index)), now, log)
        }
        acceptAll(now, random: &random)
        hearBeacons(now, log)
        electFirmware(now)
    }

    private mutating func handle(
        _ attempt: HandshakeAttempt, _ progress: HandshakeAttempt.Progress, _ now: UInt64, _ log: (String) -> Void
    ) {
        switch progress {
        case .running: break
        case .finished, .unreachable: remove(attempt)
        case .wantsAdmission(let peer, let role):
            if let refusal = objection(to: peer, role) {
                attempt.refuse(refusal, now: now)
                note(refusal, attempt, now, log)
            } else {
                attempt.admit()
                if case .established = attempt.advance(now: now, ready: []) { keep(attempt, peer, role, log) }
            }
        case .established(let peer, let role): keep(attempt, peer, role, log)
        case .refused(let refusal): note(refusal, attempt, now, log)
        }
    }

    private mutating func remove(_ attempt: HandshakeAttempt) { attempts.removeAll { $0 === attempt } }

    /// Why an authenticated peer may not have this connection: another living start of a node holds its place.
    private func objection(to peer: NodeIdentity, _ role: ConnectionRole) -> Refusal? {
        guard let slot = slots[peer.index] else { return .unexpectedPeer("there is no place for node \(peer.index)") }
        guard let known = slot.identity, known.instance != peer.instance, !slot.isDead() else { return nil }
        return .duplicateIndex(
            peer.index, holder: "the board at \(slot.address.map(\.description) ?? "another address")")
    }

    private mutating func keep(
        _ attempt: HandshakeAttempt, _ peer: NodeIdentity, _ role: ConnectionRole, _ log: (String) -> Void
    ) {
        remove(attempt)
        guard let slot = slots[peer.index] else { return }
        slot.put(attempt.takeStream(), role: role, identity: peer, address: attempt.remote)
        if slot.isComplete { log("node \(peer.index) at \(attempt.remote) has joined") }
    }

    /// Tells the console about a refusal, the same one at most every 5 s, and ends the search when only a person can help.
    private mutating func note(
        _ refusal: Refusal, _ attempt: HandshakeAttempt, _ now: UInt64, _ log: (String) -> Void
    ) {
        lastRefusal = refusal
        let message = refusal.message(me: "node \(me.index)", peer: attempt.name)
        // Ports change with every attempt; one sentence for one host and reason is enough.
        let key = "\(refusal.code) \(attempt.remote.with(port: 0))"
        if now >= refusals[key] ?? 0, refusals.count < 256 {
            refusals[key] = now + 5_000_000_000
            log(message)
        }
        // Two sticks of one number: the node that holds its place goes on, the other one stops.
        if case .duplicateIndex = refusal { return }
        if refusal.isMismatch, failure == nil { failure = .refused(refusal, message: message) }
    }

    // MARK: Outcome

    private func report(_ missing: NodeSet, after elapsed: UInt64) -> String {
        var text = "node \(me.index) still waits for node \(missing) after \(elapsed / 1_000_000_000) s"
        if interface != nil, listener == nil { text += "; the interconnect interface has no link-local address yet" }
        if table.strangers > 0 { text += "; \(table.strangers) datagrams of strangers ignored" }
        return text
    }

    private func timeout(_ missing: NodeSet, after patience: UInt64) -> MeshError {
        var text = "node \(missing) did not join within \(patience / 1_000_000_000) s"
        if let lastRefusal { text += "; last refusal: " + lastRefusal.message(me: "node \(me.index)", peer: "a peer") }
        return .timeout(missing: missing, lastRefusal: lastRefusal, message: text)
    }

    private func links() throws(InterconnectError) -> [PeerLinks] {
        var result: [PeerLinks] = []
        for (peer, slot) in slots.sorted(by: { $0.key < $1.key }) {
            guard let control = slot.control, let coherence = slot.coherence, let identity = slot.identity,
                let address = slot.address
            else { preconditionFailure("a complete peer has both sockets") }
            result.append(
                PeerLinks(
                    peer: identity, address: address,
                    control: try Connection(
                        adopting: control, peer: peer, role: .control,
                        sendCapacity: configuration.controlSendCapacity),
                    coherence: try Connection(
                        adopting: coherence, peer: peer, role: .coherence,
                        sendCapacity: configuration.coherenceSendCapacity)))
        }
        return result
    }
}
