import Contract
import Platform

/// Streams on their way through the handshake, and who is let in.
extension Gathering {
    /// How many bytes to read at most from a stream now; 0 for one that is no concern of this any more.
    package func bytesWanted(_ id: StreamID) -> Int { attempts.first { $0.id == id }?.bytesWanted ?? 0 }

    // MARK: Beginning

    /// The node with the higher index dials the one with the lower.
    mutating func dial(_ now: UInt64, random: inout some RandomNumberGenerator) {
        for peer in NodeIndex.all(of: me.index.position) {
            guard !places[node: peer].isComplete, let address = isJoining ? address(of: peer) : places[node: peer].address,
                mayDial(peer, now)
            else { continue }
            for role in ConnectionRole.allCases where places[node: peer].stream(role) == nil {
                dial(peer, role, at: address, now, random: &random)
            }
        }
    }

    /// Another node with this one's index is asked for the cluster key before anybody gives up: what was heard of it may be a recording.
    mutating func dialRival(_ now: UInt64, random: inout some RandomNumberGenerator) {
        guard let rival = table.rival, now - rival.heard < PeerTable.lifetime, rival.address.port != 0, mayDial(me.index, now) else { return }
        dial(me.index, .control, at: rival.address, now, random: &random)
    }

    private mutating func mayDial(_ peer: NodeIndex, _ now: UInt64) -> Bool {
        guard now >= places[node: peer].nextDial, !attempts.contains(where: { $0.dialing == peer && !$0.isClosing }) else { return false }
        places[node: peer].nextDial = now + Self.dialInterval
        return true
    }

    private mutating func dial(
        _ peer: NodeIndex, _ role: ConnectionRole, at address: SocketAddress, _ now: UInt64, random: inout some RandomNumberGenerator
    ) {
        dialled += 1
        let handshake = Handshake(dialing: peer, role: role, as: me, key: configuration.key, random: &random)
        let id = StreamID.dialled(dialled)
        attempts.append(HandshakeAttempt(id, remote: address, dialing: peer, handshake: handshake, deadline: now + Self.dialPatience))
        act(.connect(id, to: address))
    }

    /// The higher one dials at the next tick; the lower one waits for it.
    mutating func interrupt(_ peer: NodeIndex, _ role: ConnectionRole) {
        guard !isJoining, peers.contains(peer) else { return }
        if role == .control { places[node: peer].control = nil } else { places[node: peer].coherence = nil }
        places[node: peer].nextDial = 0
    }

    mutating func accept(_ id: StreamID, from remote: SocketAddress, _ now: UInt64, random: inout some RandomNumberGenerator) {
        makeRoomForInbound()
        let handshake = Handshake(listeningAs: me, key: configuration.key, random: &random)
        attempts.append(HandshakeAttempt(id, remote: remote, dialing: nil, handshake: handshake, deadline: now + configuration.handshakeTimeout))
    }

    /// When strangers crowd the door, the one who has stood there longest without a proof goes.
    private mutating func makeRoomForInbound() {
        guard attempts.count(where: { $0.dialing == nil }) >= Self.maximumInbound else { return }
        let victim = attempts.firstIndex { $0.dialing == nil && !$0.peerIsAuthenticated } ?? attempts.firstIndex { $0.dialing == nil }
        if let victim { act(.hangUp(attempts.remove(at: victim).id)) }
    }

    // MARK: Going on

    mutating func expireAttempts(_ now: UInt64) {
        for id in attempts.filter({ now >= $0.deadline }).map(\.id) {
            guard let attempt = attempts.first(where: { $0.id == id }) else { continue }
            if attempt.isClosing || attempt.isConnecting {
                attempts.removeAll { $0.id == id }
                act(.hangUp(id))
            } else {
                change(id, now) { $0.refuse(.timeout) }
            }
        }
    }

    mutating func end(_ id: StreamID, _ now: UInt64) {
        if let attempt = attempts.first(where: { $0.id == id }) {
            guard attempt.isClosing else { return change(id, now) { $0.ended() } }
            attempts.removeAll { $0.id == id }
            act(.hangUp(id))
        } else if let peer = peers.first(where: { places[node: $0].control == id || places[node: $0].coherence == id }), isJoining {
            say("node \(peer) has gone away again; waiting for it", now)
            clear(peer)
        }
    }

    /// Changes an attempt, and does what follows from the state that it is in then.
    mutating func change(_ id: StreamID, _ now: UInt64, _ body: (inout HandshakeAttempt) -> Void) {
        guard let index = attempts.firstIndex(where: { $0.id == id }), !attempts[index].isClosing else { return }
        body(&attempts[index])
        if case .awaitingAdmission(let peer, _) = attempts[index].state {
            if !isJoining, peers.contains(peer.index), isSuccessor(peer.instance, of: peer.index, at: attempts[index].remote) { act(.startedAnew(peer.index)) }
            if let refusal = objection(to: peer, from: attempts[index].remote, now) { attempts[index].refuse(refusal) } else { attempts[index].admit() }
        }
        let output = attempts[index].takeOutput()
        if !output.isEmpty { act(.send(id, output)) }
        switch attempts[index].state {
        case .inProgress, .awaitingAdmission: break
        case .established(let peer, let role):
            let attempt = attempts.remove(at: index)
            keep(PeerStream(peer: peer, role: role, address: attempt.remote, keys: attempt.streamKeys), id, now)
        case .refused(let refusal):
            attempts[index].close(now)
            act(.finish(id))
            note(refusal, attempts[index], now)
        }
    }

    // MARK: Admission

    /// Why an authenticated peer may not have this connection.
    private func objection(to peer: NodeIdentity, from remote: SocketAddress, _ now: UInt64) -> Refusal? {
        guard peers.contains(peer.index) else { return .unexpectedPeer("there is no place for node \(peer.index)") }
        let place = places[node: peer.index]
        guard let known = place.identity, known.instance != peer.instance else { return nil }
        guard isJoining else { return .unexpectedPeer(Self.restarted(peer.index)) }
        // Nothing lives of a board's earlier start. Several nodes of one host are told apart by nothing but their places.
        guard !(isDiscovering && isSuccessor(peer.instance, of: peer.index, at: remote)), answers(peer.index, now) else { return nil }
        return .duplicateIndex(peer.index, holder: "the board at \(place.address.map(\.description) ?? "another address")")
    }

    /// Another start of `peer` than the one that has its place, on the same board as far as its address tells.
    func isSuccessor(_ instance: [UInt8], of peer: NodeIndex, at address: SocketAddress) -> Bool {
        guard let known = places[node: peer].identity, known.instance != instance else { return false }
        return places[node: peer].address?.with(port: 0) == address.with(port: 0)
    }

    private static func restarted(_ peer: NodeIndex) -> String {
        "the machine runs with an earlier start of node \(peer); this one is let in when that machine has ended"
    }

    private mutating func keep(_ stream: PeerStream, _ id: StreamID, _ now: UInt64) {
        let peer = stream.peer.index
        guard peers.contains(peer) else { return act(.hangUp(id)) }
        if let known = places[node: peer].identity, known.instance != stream.peer.instance {
            guard isJoining else {
                say(Self.restarted(peer), now)
                return act(.hangUp(id))
            }
            clear(peer)
        }
        // Of a settled peer the machine has the old stream, and hears of this one.
        if let old = places[node: peer].stream(stream.role), isJoining { act(.hangUp(old)) }
        if places[node: peer].identity == nil { places[node: peer].begin = now }
        places[node: peer].identity = stream.peer
        places[node: peer].address = stream.address
        if stream.role == .control { places[node: peer].control = id } else { places[node: peer].coherence = id }
        takenSince = nil
        act(.deliver(id, stream))
        if isJoining, places[node: peer].isComplete { act(.say("node \(peer) at \(stream.address) has joined")) }
    }

    mutating func clear(_ peer: NodeIndex) {
        for id in [places[node: peer].control, places[node: peer].coherence] { if let id { act(.hangUp(id)) } }
        places[node: peer] = Place()
    }

    /// Tells the console about a refusal, the same one at most every 5 s, and ends the search when only a person can help.
    private mutating func note(_ refusal: Refusal, _ attempt: HandshakeAttempt, _ now: UInt64) {
        // What this node said to itself is no peer.
        if attempt.peer?.instance == me.instance, attempt.peer?.index == me.index { return }
        if attempt.peer?.index == me.index || attempt.dialing == me.index {
            if attempt.peerIsAuthenticated { yield(to: attempt.remote, now) }
            return
        }
        lastRefusal = refusal
        let message = refusal.message(me: "node \(me.index)", peer: attempt.name)
        // Ports change with every attempt; one sentence for one host and reason is enough. What strangers do leaves the others' sentences alone.
        let topic = "\(refusal.code) \(attempt.remote.with(port: 0))"
        if attempt.peerIsAuthenticated || attempt.dialing != nil {
            say(message, as: topic, now)
        } else if strangers.allows(topic, now, every: Self.repetition) {
            act(.say(message))
        }
        switch refusal {
        // Two sticks of one number: the node that holds its place goes on, the other one stops.
        case .duplicateIndex: break
        case .byPeer(code: 6, text: _, authenticated: true): noteTaken(refusal, message, now)
        case _ where refusal.isMismatch: leave(.refused(refusal, message: message), now)
        default: break
        }
    }

    private static let repetition: UInt64 = 5_000_000_000

    private mutating func say(_ sentence: String, as topic: String? = nil, _ now: UInt64) {
        if console.allows(topic ?? sentence, now, every: Self.repetition) { act(.say(sentence)) }
    }

    /// Two boards with this index have proved the cluster key to each other: both stop.
    private mutating func yield(to remote: SocketAddress, _ now: UInt64) {
        let refusal = Refusal.duplicateIndex(me.index, holder: "the board at \(remote)")
        let message = "both this board and the one at \(remote) claim to be node \(me.index); give every board its own stick"
        if isJoining { leave(.refused(refusal, message: message), now, beacons: true) } else { say(message, as: "rival", now) }
    }

    private mutating func noteTaken(_ refusal: Refusal, _ message: String, _ now: UInt64) {
        let first = takenSince.flatMap { now - $0.last < Self.duplicatePatience ? $0.first : nil } ?? now
        takenSince = (first, now)
        if now - first >= Self.duplicatePatience { leave(.refused(refusal, message: message), now) }
    }
}
