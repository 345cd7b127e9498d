public import Contract

/// What is known of the boards of one machine: how many, and what those that are listed measured of themselves.
public struct MachineInventory: Sendable, Equatable {
    public struct Node: Sendable, Equatable {
        public var index: NodeIndex
        /// Id of the licence that this node carries; nil for none.
        public var licence: String?
        /// Whether it runs a development image.
        public var isDevelopment: Bool
        public var record: BoardRecord
        /// Nil where it is not known how the board is joined.
        public var interconnect: InterconnectKind?
        /// The node uses policies that somebody chose.
        public var choosesPolicies: Bool

        public init(
            index: NodeIndex, licence: String?, isDevelopment: Bool = false, record: BoardRecord, interconnect: InterconnectKind?, choosesPolicies: Bool = false
        ) {
            self.index = index
            self.licence = licence
            self.isDevelopment = isDevelopment
            self.record = record
            self.interconnect = interconnect
            self.choosesPolicies = choosesPolicies
        }
    }

    /// In the order of their indices.
    public var nodes: [Node]
    /// Boards in the machine; nil where nobody knows.
    public var count: Int?
    /// Whether every board is listed, so that what they lack together is known.
    var isComplete: Bool { count == nodes.count }

    /// A whole machine.
    public init(nodes: [Node]) { self.init(nodes: nodes, of: nodes.count) }

    /// - Parameters:
    ///   - nodes: those of which something is known.
    ///   - count: of all boards; nil where nobody knows.
    public init(nodes: [Node] = [], of count: Int?) {
        self.nodes = nodes
        self.count = count
    }

    /// A machine of which nothing is known.
    public static let unknown = MachineInventory(of: nil)

    /// What the machine uses beyond the ordinary.
    var features: Set<MachineFeature> {
        var features: Set<MachineFeature> = []
        let sizes = nodes.map { [$0.record.sockets, $0.record.cores] }
        // Firmware keeps more or less for itself; a sixteenth apart is another size of memory.
        let (least, most) = (nodes.map(\.record.memoryMiB).min() ?? 0, nodes.map(\.record.memoryMiB).max() ?? 0)
        if sizes.contains(where: { $0 != sizes[0] }) || (most - least) * 16 > most { features.insert(.unequalBoards) }
        if nodes.contains(where: \.choosesPolicies) { features.insert(.policyChoice) }
        return features
    }
}
