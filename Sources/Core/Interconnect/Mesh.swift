package import Contract
package import Platform
package import Verbs

/// How a node finds its peers.
package enum Reach: Sendable {
    /// Beacons on IPv6 link-local multicast of this interface; connections between the link-local addresses.
    /// - Parameter mtu: the largest packet (MTU) that ``setMTU()`` has the interface carry; nil leaves it as it is.
    case discovery(interface: String, mtu: Int? = nil)
    /// Fixed addresses: where this node listens, and where the peers with a lower index do.
    case fixed(listen: SocketAddress, peers: [NodeIndex: SocketAddress])

    /// Has the interface carry packets of the size that is wanted. That takes a capability which a node gives up before it joins.
    package func setMTU() throws(InterconnectError) {
        guard case .discovery(let name, let mtu?) = self, let found = try interface() else { return }
        do throws(SystemError) { try found.setMTU(mtu) } catch {
            throw .interface(name, "it does not carry packets of \(mtu) bytes: \(error.reason); correct mtu in the board's description")
        }
    }

    /// Nil where nodes have fixed addresses.
    func interface() throws(InterconnectError) -> NetworkInterface? {
        guard case .discovery(let name, _) = self else { return nil }
        do throws(SystemError) { return try NetworkInterface(name) } catch {
            throw .interface(name, "there is no such interface; check the board's interconnect port")
        }
    }
}

package struct MeshConfiguration: Sendable {
    package var identity: NodeIdentity
    package var key: ClusterKey
    package var reach: Reach
    /// How long to wait for all peers, in nanoseconds; nil waits for ever.
    package var patience: UInt64?
    /// How long one handshake may take, in nanoseconds.
    package var handshakeTimeout: UInt64 = 3_000_000_000
    /// How often the console hears who is missing, in nanoseconds.
    package var reportInterval: UInt64 = 5_000_000_000
    /// Hears of each start of a peer when its control stream stands, for who sends it heartbeats; must not block.
    package var onPeer: @Sendable (NodeIdentity, SocketAddress) -> Void = { _, _ in }
    /// Hears, again and again, that a board of the machine runs another start of its node; must not block.
    package var onStartedAnew: @Sendable (NodeIndex) -> Void = { _ in }
    /// What carries the coherence connections where the node's identity says `verbs`; nil for TCP.
    package var adapter: VerbsAdapter?
    /// Bytes of the send rings.
    package var coherenceSendCapacity = 4 << 20
    package var controlSendCapacity = 1 << 20

    package init(identity: NodeIdentity, key: ClusterKey, reach: Reach, patience: UInt64? = nil) {
        self.identity = identity
        self.key = key
        self.reach = reach
        self.patience = patience
    }
}

package enum MeshError: Error, Sendable, CustomStringConvertible {
    /// This node's own sockets or settings.
    case interconnect(InterconnectError)
    /// This node and a peer of its kit do not belong together; `message` names both and says why.
    case refused(Refusal, message: String)
    /// The machine runs a firmware that this node holds, too, but not the one that it started.
    case otherFirmware(FirmwareHash, message: String)
    /// Time ran out. `lastRefusal` is what the missing peers, or who answered in their place, were last refused for.
    case timeout(missing: NodeSet, lastRefusal: Refusal?, message: String)

    package var description: String {
        switch self {
        case .interconnect(let error): "\(error)"
        case .refused(_, let message), .otherFirmware(_, let message), .timeout(_, _, let message): message
        }
    }
}

/// The two connections to one peer, each to be taken once.
// SAFETY: unchecked because it belongs to one thread at a time, from who joined to who takes the connections.
package final class PeerLinks: @unchecked Sendable {
    package let peer: NodeIdentity
    package let address: SocketAddress
    private var control: Connection?
    private var coherence: Connection?

    init(peer: NodeIdentity, address: SocketAddress, control: consuming Connection, coherence: consuming Connection) {
        self.peer = peer
        self.address = address
        self.control = consume control
        self.coherence = consume coherence
    }

    /// The connection for everything but coherence. Taking it twice is a programming error.
    package func takeControl() -> Connection {
        guard let connection = control.take() else { preconditionFailure("the control connection was taken before") }
        return connection
    }

    /// The connection for coherence. Taking it twice is a programming error.
    package func takeCoherence() -> Connection {
        guard let connection = coherence.take() else {
            preconditionFailure("the coherence connection was taken before")
        }
        return connection
    }
}

/// A node that has joined: its connections, and what keeps them.
package struct JoinedMesh: Sendable {
    /// One entry a peer, in rising order of index.
    package let links: [PeerLinks]
    package let keeper: MeshKeeper
}

/// Connects this node with all its peers.
package enum Mesh {
    /// Finds every peer, proves the cluster key in both directions, and connects twice to each. Blocks until all are
    /// there. Strangers are refused and logged and disturb nobody.
    /// - Parameter log: hears one sentence at a time, for the firmware console; later on a thread of the mesh's own.
    package static func establish(_ configuration: MeshConfiguration, log: @escaping @Sendable (String) -> Void) throws(MeshError) -> JoinedMesh {
        precondition((configuration.adapter != nil) == (configuration.identity.link == .verbs), "a node states another link than it has")
        let outcome: Result<JoinedMesh, MeshError>
        do throws(InterconnectError) {
            let driver = try GatheringDriver(configuration, log: log)
            switch try driver.join() {
            case .success(let links): outcome = .success(JoinedMesh(links: links, keeper: try MeshKeeper(driver)))
            case .failure(let error): outcome = .failure(error)
            }
        } catch {
            throw .interconnect(error)
        }
        return try outcome.get()
    }
}
