import Contract
internal import Platform

/// One stream on its way through the handshake.
struct HandshakeAttempt: Sendable {
    let id: StreamID
    let remote: SocketAddress
    /// The node this attempt dials; nil at the listening side.
    let dialing: NodeIndex?
    private(set) var deadline: UInt64
    private(set) var isConnecting: Bool
    /// All is said; the peer may read it until the deadline.
    private(set) var isClosing = false
    private var handshake: Handshake

    /// Time in which a refused peer may still read why, in nanoseconds.
    private static let lingering: UInt64 = 500_000_000

    init(_ id: StreamID, remote: SocketAddress, dialing: NodeIndex?, handshake: Handshake, deadline: UInt64) {
        self.id = id
        self.remote = remote
        self.dialing = dialing
        self.handshake = handshake
        self.deadline = deadline
        isConnecting = dialing != nil
    }

    var state: Handshake.State { handshake.state }
    /// Once established.
    var streamKeys: StreamKeys { handshake.streamKeys }
    var peerIsAuthenticated: Bool { handshake.peerIsAuthenticated }
    /// Who it says that it is.
    var peer: NodeIdentity? { handshake.statedPeer }

    /// The peer as messages call it.
    var name: String {
        if let dialing { return "node \(dialing) at \(remote)" }
        if let peer = handshake.statedPeer, handshake.peerIsAuthenticated { return "node \(peer.index) at \(remote)" }
        return "\(remote)"
    }

    /// While it closes, what comes is read and thrown away: closing with unread bytes would reset the connection and take the refusal with it.
    var bytesWanted: Int { isClosing ? 4096 : handshake.bytesWanted }

    mutating func takeOutput() -> [UInt8] { isConnecting ? [] : handshake.takeOutput() }

    /// - Parameter deadline: of the handshake, which begins now.
    mutating func connected(deadline: UInt64) {
        isConnecting = false
        self.deadline = deadline
    }

    mutating func receive(_ bytes: [UInt8]) { handshake.receive(bytes) }
    mutating func ended() { handshake.connectionEnded() }
    mutating func admit() { handshake.admit() }
    mutating func refuse(_ refusal: Refusal) { handshake.refuse(refusal) }

    mutating func extend(_ time: UInt64) { deadline += time }

    mutating func close(_ now: UInt64) {
        isClosing = true
        deadline = now + Self.lingering
    }
}
