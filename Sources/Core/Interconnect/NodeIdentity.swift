package import Contract
import Bytes

/// What carries a node's coherence connections.
package enum LinkKind: UInt8, Sendable, CaseIterable {
    case tcp = 1
    /// Reliable connections of an InfiniBand or RoCE adapter.
    case verbs = 2
}

/// What a node says about itself to its peers.
package struct NodeIdentity: Sendable, Equatable {
    static let instanceLength = 16

    package let index: NodeIndex
    /// Nodes the kit has.
    package let count: Int
    /// Name of the kit, as ``Limits/allowsKit(named:)`` has it.
    package let kit: String
    /// What the node states about the image it runs; nothing proves it.
    package let firmwareHash: FirmwareHash
    /// Every firmware on the node's stick, the running one among them; beacons tell it.
    package let holdings: [FirmwareHolding]
    /// What protects this node's frames; both ends of a connection must state the same.
    package let protection: InterconnectProtection
    /// What carries this node's coherence connections; both ends must state the same.
    package let link: LinkKind
    /// Random for each start of the node, so that a restarted node is told from a second one with its index.
    package let instance: [UInt8]

    package init(
        index: NodeIndex, count: Int, kit: String, firmwareHash: FirmwareHash, holdings: [FirmwareHolding] = [],
        protection: InterconnectProtection = .encrypted, link: LinkKind = .tcp, random: inout some RandomNumberGenerator
    ) throws(InterconnectError) {
        guard Limits.nodes.contains(count) else {
            throw .configuration("a kit has 1 to \(Limits.nodes.upperBound) nodes, not \(count)")
        }
        guard index.position < count else {
            throw .configuration("node \(index) of a kit of \(count) nodes: indices start at 0")
        }
        guard Limits.allowsKit(named: kit) else { throw .configuration("the kit's name \"\(printable(kit))\": expected \(Limits.kitNameText)") }
        self.init(
            index: index, count: count, kit: kit, firmwareHash: firmwareHash, holdings: holdings, protection: protection, link: link,
            instance: randomBytes(Self.instanceLength, &random))
    }

    /// From fields that were checked.
    init(
        index: NodeIndex, count: Int, kit: String, firmwareHash: FirmwareHash, holdings: [FirmwareHolding] = [],
        protection: InterconnectProtection = .encrypted, link: LinkKind = .tcp, instance: [UInt8]
    ) {
        precondition(holdings.count <= FirmwareElection.maximumHoldings, "a stick has two banks")
        self.index = index
        self.count = count
        self.kit = kit
        self.firmwareHash = firmwareHash
        self.holdings = holdings.isEmpty ? [FirmwareHolding(hash: firmwareHash, version: 0)] : holdings
        self.protection = protection
        self.link = link
        self.instance = instance
    }

    /// The kit's name that bytes of a peer spell; nil when no kit can have it.
    static func kitName(_ bytes: some Sequence<UInt8>) -> String? {
        String(validating: Array(bytes), as: UTF8.self).flatMap { Limits.allowsKit(named: $0) ? $0 : nil }
    }
}

func randomBytes(_ count: Int, _ random: inout some RandomNumberGenerator) -> [UInt8] {
    var bytes: [UInt8] = []
    while bytes.count < count { bytes += random.next().bytes() }
    return Array(bytes.prefix(count))
}
