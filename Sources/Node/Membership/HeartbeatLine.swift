import Contract
import Interconnect
import Platform

/// The sockets that heartbeats go over: one for each peer whose address is known, and one for those that come first from an address that is not.
/// All have one address and port. Owned by one thread.
struct HeartbeatLine: ~Copyable {
    enum Arrival {
        case beat(Beat, size: Int)
        case refused(NodeIndex)
    }

    private final class Peer {
        let identity: NodeIdentity
        let sends: AuthenticationKey
        let hears: AuthenticationKey
        var socket: Socket?
        var node: NodeIndex { identity.index }

        init(_ identity: NodeIdentity, of me: NodeIdentity, _ cluster: ClusterKey) {
            self.identity = identity
            sends = cluster.beatKey(from: me.instance, to: identity.instance)
            hears = cluster.beatKey(from: identity.instance, to: me.instance)
        }
    }

    /// The port's packet size before anything was narrowed, in bytes; 0 where none is tried.
    let mtu: Int
    private let me: NodeIdentity
    private let key: ClusterKey
    private let reach: Reach
    private let interface: NetworkInterface?
    private var door: Socket? = nil
    private var all: [Peer] = []
    private var poller: Poller
    /// Whose socket is read next; at the end the door's.
    private var turn = 0
    /// Datagrams of that one that were no heartbeats.
    private var strange = 0

    init(_ identity: NodeIdentity, key: ClusterKey, reach: Reach, wake: borrowing WakeEvent) throws(SystemError) {
        let poller = try Poller()
        try poller.add(wake.rawDescriptor, as: .max)
        self.poller = poller
        me = identity
        self.key = key
        self.reach = reach
        // Joining says what is wrong with it.
        if case .discovery(let name, _) = reach, let found = try? NetworkInterface(name) {
            interface = found
            mtu = (try? found.mtu()) ?? 0
        } else {
            interface = nil
            mtu = 0
        }
    }

    // MARK: Peers

    /// Whether this start of a peer is known.
    func has(_ identity: NodeIdentity) -> Bool { all.contains { $0.identity.instance == identity.instance } }

    /// - Returns: why heartbeats cannot go to this peer.
    mutating func add(_ identity: NodeIdentity, at address: SocketAddress) -> String? {
        all.removeAll { $0.node == identity.index }
        let peer = Peer(identity, of: me, key)
        all.append(peer)
        do throws(SystemError) {
            if door == nil, let address = local {
                let opened = try Socket.datagrams(at: address)
                try poller.add(opened.fileDescriptor, as: 0)
                door = consume opened
            }
            if let remote = remote(identity.index, address) { try connect(peer, to: remote) }
            return nil
        } catch {
            return "no heartbeats can be sent to node \(identity.index): \(error)"
        }
    }

    private mutating func connect(_ peer: Peer, to remote: SocketAddress) throws(SystemError) {
        guard let address = local else { throw SystemError("bind", on: "the port to the other nodes", code: 99) }
        let socket = try Socket.datagrams(at: address, with: remote)
        try poller.add(socket.fileDescriptor, as: 0)
        peer.socket = consume socket
    }

    private var local: SocketAddress? {
        switch reach {
        case .discovery: interface?.linkLocalAddress(port: Beat.port)
        case .fixed(let listen, _): listen
        }
    }

    /// Nil where the peer's first heartbeat has to tell.
    private func remote(_ peer: NodeIndex, _ address: SocketAddress) -> SocketAddress? {
        switch reach {
        case .discovery: address.with(port: Beat.port)
        case .fixed(_, let peers): peers[peer]
        }
    }

    // MARK: Traffic

    mutating func wait(timeout: UInt64, _ wake: borrowing WakeEvent) {
        guard let count = try? poller.wait(timeout: timeout) else { return }
        for index in 0..<count where poller.ready(index) == .max { wake.clear() }
    }

    /// - Returns: whether the peer's host has refused an earlier one.
    func send(_ outgoing: Watch.Outgoing) -> Bool {
        guard let peer = all.first(where: { $0.node == outgoing.to }) else { return false }
        let length = outgoing.size.map { Int($0) - Self.headers } ?? Beat.byteCount
        return peer.socket?.depart(outgoing.beat.sealed(with: peer.sends, length: length)) == .refused
    }

    /// The next that has come; nil when none has.
    mutating func receive() -> Arrival? {
        while turn < all.count {
            let peer = all[turn]
            switch peer.socket?.arrive(keeping: Beat.byteCount) ?? .nothing {
            case .nothing: (turn, strange) = (turn + 1, 0)
            case .refused: return .refused(peer.node)
            case .datagram(let bytes, let length, _):
                if let beat = Beat(bytes, key: peer.hears) { return .beat(beat, size: length + Self.headers) }
                // Bounded, so that a flood cannot keep this node from its own heartbeats.
                strange += 1
                if strange == 64 { (turn, strange) = (turn + 1, 0) }
            }
        }
        for _ in 0..<64 {
            guard case .datagram(let bytes, let length, let from)? = door?.arrive(keeping: Beat.byteCount) else { break }
            guard let peer = all.first(where: { $0.node == Beat.statedSender(bytes) }), let beat = Beat(bytes, key: peer.hears) else { continue }
            if peer.socket == nil { try? connect(peer, to: from) }
            return .beat(beat, size: length + Self.headers)
        }
        turn = 0
        return nil
    }

    /// Of IPv6 (RFC 8200) and UDP; where sizes count, nodes find each other by IPv6.
    private static var headers: Int { 48 }
}
