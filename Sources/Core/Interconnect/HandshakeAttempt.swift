import Contract
internal import Platform
import Glibc

/// One connection on its way through the handshake.
final class HandshakeAttempt {
    enum Progress {
        case running
        /// Listener: the mesh has to decide.
        case wantsAdmission(NodeIdentity, ConnectionRole)
        case established(NodeIdentity, ConnectionRole)
        case refused(Refusal)
        /// Nothing came of it and there is nothing to say: the address did not answer.
        case unreachable(String)
        /// Whatever had to be said was said.
        case finished
    }

    let remote: SocketAddress
    /// The node this attempt dials; nil at the listening side.
    let dialing: NodeIndex?
    let role: ConnectionRole
    private var socket: Socket?
    private var handshake: Handshake
    private var deadline: UInt64
    private var connecting: Bool
    private var unsent: [UInt8] = []
    private var closing = false

    /// Time in which a refused peer may still read why, in nanoseconds.
    private static let lingering: UInt64 = 500_000_000

    init(
        socket: consuming Socket, remote: SocketAddress, dialing: NodeIndex?, role: ConnectionRole, handshake: Handshake,
        deadline: UInt64
    ) {
        self.socket = consume socket
        self.remote = remote
        self.dialing = dialing
        self.role = role
        self.handshake = handshake
        self.deadline = deadline
        connecting = dialing != nil
    }

    var fileDescriptor: Int32 { socket?.fileDescriptor ?? -1 }
    var events: DescriptorEvents { connecting || !unsent.isEmpty ? [.input, .output] : .input }
    var isClosing: Bool { closing }
    var peerIsAuthenticated: Bool { handshake.peerIsAuthenticated }

    /// The peer as messages call it.
    var name: String {
        if let dialing { return "node \(dialing) at \(remote)" }
        if let peer = handshake.statedPeer, handshake.peerIsAuthenticated { return "node \(peer.index) at \(remote)" }
        return "\(remote)"
    }

    /// Gives the stream away, once established.
    func takeStream() -> EstablishedStream {
        guard let socket = socket.take() else { preconditionFailure("the socket was taken before") }
        return EstablishedStream(socket, keys: handshake.streamKeys)
    }

    func admit() {
        handshake.admit()
        flush()
    }

    func refuse(_ refusal: Refusal, now: UInt64) {
        handshake.refuse(refusal)
        beginClosing(now)
    }

    /// Sends and receives what is possible now.
    func advance(now: UInt64, ready: DescriptorEvents) -> Progress {
        if closing { return advanceClosing(now) }
        if connecting {
            if now >= deadline { return .unreachable("no answer") }
            guard !ready.isDisjoint(with: [.output, .hangUp]) else { return .running }
            if let error = socket?.connectionError() { return .unreachable(error.reason) }
            connecting = false
        }
        flush()
        while handshake.bytesWanted > 0 {
            guard let bytes = socket?.read(atMost: handshake.bytesWanted) else {
                handshake.connectionEnded()
                break
            }
            if bytes.isEmpty { break }
            handshake.receive(bytes)
            flush()
        }
        switch handshake.state {
        case .inProgress:
            guard now >= deadline else { return .running }
            refuse(.timeout, now: now)
            return .refused(.timeout)
        case .awaitingAdmission(let peer, let role): return .wantsAdmission(peer, role)
        case .established(let peer, let role):
            // The last message is small and the socket's buffer empty, so this holds at once in practice.
            return unsent.isEmpty ? .established(peer, role) : .running
        case .refused(let refusal):
            beginClosing(now)
            return .refused(refusal)
        }
    }

    private func flush() {
        guard !connecting else { return }
        unsent += handshake.takeOutput()
        while !unsent.isEmpty {
            guard let count = socket?.write(unsent) else {
                // What the peer said before it went is still to be read.
                unsent = []
                return
            }
            if count == 0 { return }
            unsent.removeFirst(count)
        }
    }

    private func beginClosing(_ now: UInt64) {
        flush()
        closing = true
        deadline = now + Self.lingering
        if unsent.isEmpty { socket?.endSending() }
    }

    /// Reads on until the peer closes: closing with unread bytes would reset the connection and take the refusal with it.
    private func advanceClosing(_ now: UInt64) -> Progress {
        if now >= deadline { return .finished }
        if !unsent.isEmpty {
            flush()
            if unsent.isEmpty { socket?.endSending() }
        }
        // Bounded, so that a peer who never stops sending costs one read a round.
        return socket?.read(atMost: 4096) == nil ? .finished : .running
    }
}
