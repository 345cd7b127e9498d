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
            guard !places[node: peer].isComplete, now >= places[node: peer].nextDial,
                !attempts.contains(where: { $0.dialing == peer && !$0.isClosing }), let address = address(of: peer)
            else { continue }
            places[node: peer].nextDial = now + Self.dialInterval
            for role in ConnectionRole.allCases where places[node: peer].stream(role) == nil {
                dialled += 1
                let handshake = Handshake(dialing: peer, role: role, as: me, key: configuration.key, random: &random)
                let id = StreamID.dialled(dialled)
                attempts.append(
                    HandshakeAttempt(id, remote: address, dialing: peer, handshake: handshake, deadline: now + configuration.handshakeTimeout))
                act(.connect(id, to: address))
            }
        }
    }

    mutating func accept(_ id: StreamID, from remote: SocketAddress, _ now: UInt64, random: inout some RandomNumberGenerator) {
        guard isJoining else { return act(.close(id)) }
        makeRoomForInbound()
        let handshake = Handshake(listeningAs: me, key: configuration.key, random: &random)
        attempts.append(HandshakeAttempt(id, remote: remote, dialing: nil, handshake: handshake, deadline: now + configuration.handshakeTimeout))
    }

    /// When strangers crowd the door, the one who has stood there longest without a proof goes.
    private mutating func makeRoomForInbound() {
        guard attempts.count(where: { $0.dialing == nil }) >= Self.maximumInbound else { return }
        let victim = attempts.firstIndex { $0.dialing == nil && !$0.peerIsAuthenticated } ?? attempts.firstIndex { $0.dialing == nil }
        if let victim { act(.close(attempts.remove(at: victim).id)) }
    }

    // MARK: Going on

    mutating func expireAttempts(_ now: UInt64) {
        for id in attempts.filter({ now >= $0.deadline }).map(\.id) {
            guard let attempt = attempts.first(where: { $0.id == id }) else { continue }
            if attempt.isClosing || attempt.isConnecting {
                attempts.removeAll { $0.id == id }
                act(.close(id))
            } else {
                change(id, now) { $0.refuse(.timeout) }
            }
        }
    }

    mutating func end(_ id: StreamID, _ now: UInt64) {
        if let attempt = attempts.first(where: { $0.id == id }) {
            guard attempt.isClosing else { return change(id, now) { $0.ended() } }
            attempts.removeAll { $0.id == id }
            act(.close(id))
        } else if let peer = peers.first(where: { places[node: $0].control == id || places[node: $0].coherence == id }), isJoining {
            act(.say("node \(peer) has gone away again; waiting for it"))
            clear(peer)
        }
    }

    /// Changes an attempt, and does what follows from the state that it is in then.
    mutating func change(_ id: StreamID, _ now: UInt64, _ body: (inout HandshakeAttempt) -> Void) {
        guard let index = attempts.firstIndex(where: { $0.id == id }), !attempts[index].isClosing else { return }
        body(&attempts[index])
        if case .awaitingAdmission(let peer, let role) = attempts[index].state {
            if let refusal = objection(to: peer, role) { attempts[index].refuse(refusal) } else { attempts[index].admit() }
        }
        let output = attempts[index].takeOutput()
        if !output.isEmpty { act(.send(id, output)) }
        switch attempts[index].state {
        case .inProgress, .awaitingAdmission: break
        case .established(let peer, let role):
            let attempt = attempts.remove(at: index)
            keep(PeerStream(peer: peer, role: role, address: attempt.remote), id)
        case .refused(let refusal):
            attempts[index].close(now)
            act(.finish(id))
            note(refusal, attempts[index], now)
        }
    }

    // MARK: Admission

    /// Why an authenticated peer may not have this connection: another living start of a node holds its place.
    private func objection(to peer: NodeIdentity, _ role: ConnectionRole) -> Refusal? {
        guard let place = peers.contains(peer.index) ? places[node: peer.index] : nil else {
            return .unexpectedPeer("there is no place for node \(peer.index)")
        }
        guard let known = place.identity, known.instance != peer.instance else { return nil }
        return .duplicateIndex(peer.index, holder: "the board at \(place.address.map(\.description) ?? "another address")")
    }

    private mutating func keep(_ stream: PeerStream, _ id: StreamID) {
        let peer = stream.peer.index
        guard peers.contains(peer) else { return act(.close(id)) }
        if let known = places[node: peer].identity, known.instance != stream.peer.instance { clear(peer) }
        if let old = places[node: peer].stream(stream.role) { act(.close(old)) }
        places[node: peer].identity = stream.peer
        places[node: peer].address = stream.address
        if stream.role == .control { places[node: peer].control = id } else { places[node: peer].coherence = id }
        act(.deliver(id, stream))
        if places[node: peer].isComplete { act(.say("node \(peer) at \(stream.address) has joined")) }
    }

    private mutating func clear(_ peer: NodeIndex) {
        for id in [places[node: peer].control, places[node: peer].coherence] { if let id { act(.close(id)) } }
        places[node: peer] = Place()
    }

    /// Tells the console about a refusal, the same one at most every 5 s, and ends the search when only a person can help.
    private mutating func note(_ refusal: Refusal, _ attempt: HandshakeAttempt, _ now: UInt64) {
        lastRefusal = refusal
        let message = refusal.message(me: "node \(me.index)", peer: attempt.name)
        // Ports change with every attempt; one sentence for one host and reason is enough.
        let key = "\(refusal.code) \(attempt.remote.with(port: 0))"
        if now >= refusals[key] ?? 0, refusals.count < 256 {
            refusals[key] = now + 5_000_000_000
            act(.say(message))
        }
        // Two sticks of one number: the node that holds its place goes on, the other one stops.
        if case .duplicateIndex = refusal { return }
        if refusal.isMismatch { leave(.refused(refusal, message: message), now) }
    }
}
