package import Contract
import Bytes

/// One side of the handshake that starts every connection: a pure state machine, bytes in and bytes out.
///
///     dialer                         listener
///     hello (nonce, identity, X25519) ->
///                               <-   hello (nonce, identity, X25519)
///     proof (HMAC)              ->
///                               <-   proof (HMAC)
///     accept (HMAC)             ->
///                               <-   accept (HMAC)
///
/// Each code covers both hellos and the side that makes it, under a key that takes the cluster key and the X25519 secret, so neither an echo
/// nor a code from another run is worth anything. Either side may answer any message with a refusal, which ends the handshake.
package struct Handshake: Sendable {
    package enum Side: String, Sendable {
        case dialer, listener

        var other: Side { self == .dialer ? .listener : .dialer }
    }

    package enum State: Sendable, Equatable {
        case inProgress
        /// Listener only: key and identity are right; `admit` or `refuse` decides.
        case awaitingAdmission(NodeIdentity, ConnectionRole)
        case established(NodeIdentity, ConnectionRole)
        /// Send what `takeOutput` gives, then close.
        case refused(Refusal)
    }

    private enum Expectation { case hello, proof, verdict, nothing }

    package private(set) var state = State.inProgress
    /// The peer's identity as it states it; believe it only when `peerIsAuthenticated`.
    package private(set) var statedPeer: NodeIdentity?
    package private(set) var peerIsAuthenticated = false

    private let side: Side
    private let local: NodeIdentity
    private let expectedPeer: NodeIndex?
    private let key: AuthenticationKey
    private let nonce: [UInt8]
    private let secret: EphemeralSecret
    /// Once both hellos are known.
    private var schedule: KeySchedule?
    private var role: ConnectionRole
    private var expectation = Expectation.hello
    private var buffer: [UInt8] = []
    private var output: [UInt8] = []
    private var dialerHello: [UInt8] = []
    private var listenerHello: [UInt8] = []

    /// The side that connects. `peer` is the node it means to reach.
    package init(
        dialing peer: NodeIndex, role: ConnectionRole, as local: NodeIdentity, key: ClusterKey,
        random: inout some RandomNumberGenerator
    ) {
        self.init(side: .dialer, role: role, local: local, expectedPeer: peer, key: key, random: &random)
        dialerHello = ownHello()
        output = dialerHello
    }

    /// The side that is connected to; the dialer says which role the connection has.
    package init(listeningAs local: NodeIdentity, key: ClusterKey, random: inout some RandomNumberGenerator) {
        self.init(side: .listener, role: .control, local: local, expectedPeer: nil, key: key, random: &random)
    }

    private init(
        side: Side, role: ConnectionRole, local: NodeIdentity, expectedPeer: NodeIndex?, key: ClusterKey,
        random: inout some RandomNumberGenerator
    ) {
        self.side = side
        self.role = role
        self.local = local
        self.expectedPeer = expectedPeer
        self.key = key.derived(for: .handshake)
        nonce = randomBytes(HandshakeMessage.Hello.nonceLength, &random)
        secret = EphemeralSecret(random: &random)
    }

    /// Of the stream that begins behind an established handshake.
    package var streamKeys: StreamKeys {
        guard case .established = state, let schedule else { preconditionFailure("stream keys before the handshake is established") }
        return schedule.streamKeys(of: side, local.protection)
    }

    /// How many bytes to read at most now, so that nothing behind the handshake is taken from the stream.
    package var bytesWanted: Int {
        guard case .inProgress = state else { return 0 }
        if buffer.count < HandshakeMessage.Prefix.byteCount { return HandshakeMessage.Prefix.byteCount - buffer.count }
        guard let prefix = HandshakeMessage.Prefix(buffer) else { return 0 }
        return HandshakeMessage.Prefix.byteCount + prefix.length - buffer.count
    }

    /// Bytes to send to the peer, once.
    package mutating func takeOutput() -> [UInt8] {
        defer { output = [] }
        return output
    }

    /// Takes at most `bytesWanted` bytes that the peer has sent.
    package mutating func receive(_ bytes: [UInt8]) {
        var rest = bytes[...]
        while !rest.isEmpty, bytesWanted > 0 {
            let taken = rest.prefix(bytesWanted)
            buffer += taken
            rest = rest.dropFirst(taken.count)
            guard buffer.count >= HandshakeMessage.Prefix.byteCount else { return }
            guard let prefix = HandshakeMessage.Prefix(buffer) else {
                return refuse(.malformed("what it sent is no handshake"))
            }
            if buffer.count == HandshakeMessage.Prefix.byteCount + prefix.length {
                let message = buffer
                buffer = []
                handle(prefix, message)
            }
        }
    }

    /// The peer closed or reset the connection.
    package mutating func connectionEnded() {
        guard case .refused = state else {
            state = .refused(.malformed("it closed the connection during the handshake"))
            return
        }
    }

    /// Lets the peer in (listener, in state `awaitingAdmission`).
    package mutating func admit() {
        guard case .awaitingAdmission(let peer, let role) = state else {
            preconditionFailure("admit outside awaitingAdmission")
        }
        output += ownAccept()
        state = .established(peer, role)
    }

    /// Ends the handshake and tells the peer why.
    package mutating func refuse(_ refusal: Refusal) {
        if case .refused = state { return }
        let peer =
            if peerIsAuthenticated, let statedPeer { "node \(statedPeer.index)" } else { "this peer" }
        let text = HandshakeMessage.text(of: refusal.message(me: "node \(local.index)", peer: peer))
        // Whoever has not proved the key could not check it.
        let code = peerIsAuthenticated ? schedule?.code(for: [refusal.code] + text, by: side) ?? [] : []
        output += HandshakeMessage.encode(.refusal, code: refusal.code, text + code)
        state = .refused(refusal)
    }

    private func ownAccept() -> [UInt8] {
        guard let schedule else { preconditionFailure("accepted before the hellos") }
        return HandshakeMessage.encode(.accept, schedule.code(for: [], by: side))
    }

    // MARK: One message

    private mutating func handle(_ prefix: HandshakeMessage.Prefix, _ message: [UInt8]) {
        let content = Array(message.dropFirst(HandshakeMessage.Prefix.byteCount))
        let kind = HandshakeMessage.Kind(rawValue: prefix.kind)
        if kind == .refusal { return handleRefusal(prefix.code, content) }
        switch (kind, expectation) {
        case (.hello, .hello): handleHello(prefix, message, content)
        case (.proof, .proof): handleProof(content)
        case (.accept, .verdict): handleAccept(content)
        default: refuse(.malformed("it sent handshake message \(prefix.kind) out of turn"))
        }
    }

    /// Only one with the right code is the peer's own word; anybody on the wire can send the others.
    private mutating func handleRefusal(_ code: UInt8, _ content: [UInt8]) {
        let text = Array(content.dropLast(AuthenticationKey.codeLength))
        let isPeers = schedule?.isCode(content.suffix(AuthenticationKey.codeLength), for: [code] + text, by: side.other) ?? false
        let words = sanitized(isPeers ? text : content, limit: HandshakeMessage.maximumRefusalText)
        state = .refused(.byPeer(code: code, text: words, authenticated: isPeers))
        if code == Refusal.wrongKey.code { nameOtherKit() }
    }

    private mutating func handleHello(_ prefix: HandshakeMessage.Prefix, _ message: [UInt8], _ content: [UInt8]) {
        guard prefix.version == protocolVersion else {
            // The hello goes out first so that the peer learns this node's version in its own words.
            if side == .listener { output += ownHello() }
            return refuse(.protocolVersion(mine: protocolVersion, theirs: prefix.version))
        }
        guard let hello = HandshakeMessage.Hello(content) else {
            return refuse(.malformed("its hello has a field out of range"))
        }
        statedPeer = hello.identity
        switch side {
        case .listener:
            role = hello.role
            dialerHello = message
            listenerHello = ownHello()
            output += listenerHello
            guard agree(with: hello.publicKey) != nil else { return }
        case .dialer:
            listenerHello = message
            guard hello.nonce != nonce, hello.role == role else {
                return refuse(.malformed("its hello does not answer this node's"))
            }
            guard let schedule = agree(with: hello.publicKey) else { return }
            output += HandshakeMessage.encode(.proof, schedule.proof(by: .dialer))
        }
        expectation = .proof
    }

    private mutating func agree(with publicKey: [UInt8]) -> KeySchedule? {
        guard let shared = secret.shared(with: publicKey) else {
            refuse(.malformed("its hello has an X25519 key that nobody can share a secret with"))
            return nil
        }
        schedule = KeySchedule(shared, salt: key, dialerHello: dialerHello, listenerHello: listenerHello)
        return schedule
    }

    private mutating func handleProof(_ content: [UInt8]) {
        guard let schedule, let peer = statedPeer, schedule.isProof(content, by: side.other) else {
            refuse(.wrongKey)
            return nameOtherKit()
        }
        peerIsAuthenticated = true
        if side == .listener {
            output += HandshakeMessage.encode(.proof, schedule.proof(by: .listener))
        }
        if let refusal = mismatch(with: peer) { return refuse(refusal) }
        if side == .dialer { output += ownAccept() }
        expectation = .verdict
    }

    private mutating func handleAccept(_ content: [UInt8]) {
        guard let peer = statedPeer, let schedule, schedule.isCode(content, for: [], by: side.other) else {
            return refuse(.malformed("its acceptance was altered on the way"))
        }
        expectation = .nothing
        state = side == .dialer ? .established(peer, role) : .awaitingAdmission(peer, role)
    }

    /// Says on this node's own console to which kit a peer without the key says that it belongs: not proved, but what a person has to compare.
    private mutating func nameOtherKit() {
        guard !peerIsAuthenticated, let stated = statedPeer?.kit, stated != local.kit else { return }
        state = .refused(.otherKit(mine: local.kit, theirs: stated))
    }

    private func mismatch(with peer: NodeIdentity) -> Refusal? {
        if peer.kit != local.kit { return .kit(mine: local.kit, theirs: peer.kit) }
        if peer.firmwareHash != local.firmwareHash {
            return .firmwareHash(mine: local.firmwareHash, theirs: peer.firmwareHash)
        }
        if peer.count != local.count { return .nodeCount(mine: local.count, theirs: peer.count) }
        if peer.protection != local.protection { return .protection(mine: local.protection, theirs: peer.protection) }
        if peer.link != local.link { return .link(mine: local.link, theirs: peer.link) }
        if peer.index == local.index { return .duplicateIndex(local.index, holder: "node \(local.index) itself") }
        if let expectedPeer, peer.index != expectedPeer {
            return .unexpectedPeer("it is node \(peer.index), but node \(expectedPeer) was expected at its address")
        }
        if side == .listener, peer.index < local.index {
            return .unexpectedPeer("node \(peer.index) listens for node \(local.index), not the other way round")
        }
        return nil
    }

    private func ownHello() -> [UInt8] {
        HandshakeMessage.encode(
            .hello, HandshakeMessage.Hello(nonce: nonce, publicKey: secret.publicKey, identity: local, role: role).bytes)
    }
}
