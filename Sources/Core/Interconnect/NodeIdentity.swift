package import Contract
import Bytes

/// What a node says about itself to its peers.
package struct NodeIdentity: Sendable, Equatable {
    static let instanceLength = 16
    static let maximumKitLength = 64

    package let index: NodeIndex
    /// Nodes the kit has.
    package let count: Int
    /// Name of the kit: 1 to 64 printable ASCII characters.
    package let kit: String
    /// What the node states about the image it runs; nothing proves it.
    package let firmwareHash: FirmwareHash
    /// Every firmware on the node's stick, the running one among them; beacons tell it.
    package let holdings: [FirmwareHolding]
    /// Random for each start of the node, so that a restarted node is told from a second one with its index.
    package let instance: [UInt8]

    package init(
        index: NodeIndex, count: Int, kit: String, firmwareHash: FirmwareHash, holdings: [FirmwareHolding] = [],
        random: inout some RandomNumberGenerator
    ) throws(InterconnectError) {
        guard Limits.nodes.contains(count) else {
            throw .configuration("a kit has 1 to \(Limits.nodes.upperBound) nodes, not \(count)")
        }
        guard index.position < count else {
            throw .configuration("node \(index) of a kit of \(count) nodes: indices start at 0")
        }
        guard Self.isKitName(Array(kit.utf8)) else {
            throw .configuration("the kit's name must be 1 to \(Self.maximumKitLength) printable ASCII characters")
        }
        self.init(
            index: index, count: count, kit: kit, firmwareHash: firmwareHash, holdings: holdings,
            instance: randomBytes(Self.instanceLength, &random))
    }

    /// From fields that were checked.
    init(
        index: NodeIndex, count: Int, kit: String, firmwareHash: FirmwareHash, holdings: [FirmwareHolding] = [], instance: [UInt8]
    ) {
        precondition(holdings.count <= FirmwareElection.maximumHoldings, "a stick has two banks")
        self.index = index
        self.count = count
        self.kit = kit
        self.firmwareHash = firmwareHash
        self.holdings = holdings.isEmpty ? [FirmwareHolding(hash: firmwareHash, version: 0)] : holdings
        self.instance = instance
    }

    static func isKitName(_ bytes: some Collection<UInt8>) -> Bool {
        (1...maximumKitLength).contains(bytes.count) && bytes.allSatisfy { (0x20...0x7E).contains($0) }
    }
}

func randomBytes(_ count: Int, _ random: inout some RandomNumberGenerator) -> [UInt8] {
    var bytes: [UInt8] = []
    while bytes.count < count { bytes += random.next().bytes() }
    return Array(bytes.prefix(count))
}
