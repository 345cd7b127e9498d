package import Contract
package import Platform

/// What the beacons heard so far say: where each peer listens, and what is wrong on the interconnect. Pure: datagrams
/// and time (nanoseconds, monotonic) come in, sentences for the console come out.
package struct PeerTable: Sendable {
    package struct Entry: Sendable, Equatable {
        package let address: SocketAddress
        package let instance: [UInt8]
        package let running: FirmwareHash
        package let holdings: [FirmwareHolding]
        package let lastHeard: UInt64
        let sequence: UInt64
    }

    /// A beacon older than this no longer stands in the way of another node with the same index.
    package static let lifetime: UInt64 = 1_000_000_000

    package private(set) var entries: [NodeIndex: Entry] = [:]
    /// Datagrams that no holder of the key has sent.
    package private(set) var strangers = 0
    /// Set when another living node claims this node's index.
    package private(set) var rival: SocketAddress?

    private let identity: NodeIdentity
    private let kitHash: [UInt8]
    private let key: AuthenticationKey
    private var said: Set<String> = []
    private var rivalBeacons = 0
    private var rivalSequence: UInt64 = 0

    package init(identity: NodeIdentity, key: ClusterKey) {
        self.identity = identity
        self.key = key.derived(for: .beacon)
        kitHash = Beacon.hash(kit: identity.kit)
    }

    /// The datagram with which this node announces itself.
    package func announcement(tcpPort: UInt16, sequence: UInt64) -> [UInt8] {
        Beacon(identity: identity, tcpPort: tcpPort, sequence: sequence).encoded(with: key)
    }

    /// Takes one datagram.
    /// - Returns: what the console should hear now; the same sentence comes once only.
    package mutating func handle(_ datagram: [UInt8], from sender: SocketAddress, now: UInt64) -> String? {
        let beacon: Beacon
        do throws(Beacon.Rejection) {
            beacon = try Beacon(datagram, key: key)
        } catch {
            strangers += 1
            switch error {
            case .stranger:
                if let kit = Beacon.statedKit(datagram), kit != identity.kit {
                    return once(
                        "stranger's kit",
                        refusal(
                            of: "\(sender)", "its stick says that it belongs to kit '\(kit)', the stick of node \(identity.index) to kit "
                                + "'\(identity.kit)'; write all sticks with one kit")
                    )
                }
                return once(
                    "stranger",
                    refusal(
                        of: "a stranger on the interconnect",
                        "\(sender) sends what no holder of this kit's cluster key has signed; write all sticks with one kit")
                )
            case .version(let version):
                return once(
                    "version \(version)",
                    refusal(of: "\(sender)", "its beacons have the format \(version), this node knows \(Beacon.version); write both sticks from one image")
                )
            case .malformed:
                return once("malformed", "\(sender) announces a node with fields out of range; it is ignored")
            }
        }
        // Boards that start in the same state can draw the same instance: only this node's own index makes it an echo.
        if beacon.instance == identity.instance, beacon.index == identity.index { return nil }
        let name = "node \(beacon.index) at \(sender)"
        guard beacon.kitHash == kitHash else {
            return once("kit \(sender)", "\(name) belongs to another kit than node \(identity.index); it is ignored")
        }
        guard beacon.count == identity.count else {
            return once(
                "count \(sender)",
                "the stick of \(name) says that the kit has \(beacon.count) nodes, the stick of node \(identity.index) says \(identity.count)"
            )
        }
        if beacon.index == identity.index { return heardRival(beacon, sender) }
        return heardPeer(beacon, sender, now)
    }

    private func refusal(of sender: String, _ why: String) -> String {
        ConsoleEvent.refusal(by: "node \(identity.index)", of: sender, why: why).description
    }

    private mutating func heardRival(_ beacon: Beacon, _ sender: SocketAddress) -> String? {
        // Several fresh ones, so that one straggler from an earlier start of this very board stops nobody.
        if beacon.sequence > rivalSequence || rivalBeacons == 0 { rivalBeacons += 1 }
        rivalSequence = beacon.sequence
        if rivalBeacons >= 3 { rival = sender }
        return once(
            "rival",
            "both this board and the one at \(sender) claim to be node \(beacon.index); give every board its own stick")
    }

    private mutating func heardPeer(_ beacon: Beacon, _ sender: SocketAddress, _ now: UInt64) -> String? {
        let listening = sender.with(port: beacon.tcpPort)
        let fresh = Entry(
            address: listening, instance: beacon.instance, running: beacon.running, holdings: beacon.holdings, lastHeard: now,
            sequence: beacon.sequence)
        guard let known = entries[beacon.index] else {
            entries[beacon.index] = fresh
            return once("found \(beacon.index) \(listening)", "found node \(beacon.index) at \(listening)")
        }
        if known.instance == beacon.instance {
            // An old beacon played back must not move an address.
            if beacon.sequence > known.sequence { entries[beacon.index] = fresh }
            return nil
        }
        let sameHost = known.address.with(port: 0) == listening.with(port: 0)
        if !sameHost, now &- known.lastHeard < Self.lifetime {
            return once(
                "two \(beacon.index)",
                "two boards claim to be node \(beacon.index): \(known.address) and \(listening); give every board its own stick"
            )
        }
        if sameHost || now &- known.lastHeard >= Self.lifetime { entries[beacon.index] = fresh }
        return nil
    }

    private mutating func once(_ key: String, _ sentence: String) -> String? {
        // Bounded, because the keys can hold an outsider's address.
        guard said.count < 64, said.insert(key).inserted else { return nil }
        return sentence
    }
}
