/// What is sold under one name: a set of limits. Editions are data (`firmware/editions/`); a new one needs no code.
public struct Edition: Sendable, Equatable {
    /// Least and most of a number; nil does not limit.
    public struct Bound: Sendable, Equatable {
        public var least: Int?
        public var most: Int?

        public init(least: Int? = nil, most: Int? = nil) {
            self.least = least
            self.most = most
        }
    }

    /// A number of the machine that an edition can limit in both directions.
    public enum Quantity: String, Sendable, CaseIterable {
        case nodes
        /// Processor packages of any one node.
        case socketsPerNode = "sockets-per-node"
        /// Processor packages of all nodes.
        case sockets
        /// Cores of all nodes, measured, whether lent or not; threads of a core do not count.
        case cores
        /// MiB of memory of all nodes, measured, whether lent or not.
        case memoryMiB = "memory-mib"
    }

    /// Small letters, digits and hyphens; `development` is not available.
    public var name: String
    /// As a person reads it.
    public var title: String
    public var bounds: [Quantity: Bound]
    /// How the nodes may be joined; nil leaves it open.
    public var interconnects: Set<InterconnectKind>?
    /// What the machine may use beyond the ordinary; nil leaves it open.
    public var features: Set<MachineFeature>?
    /// The longest that a licence may run, in days; nil allows one without an end.
    public var longestDays: Int?
    /// Days after a licence's end in which the machine still starts, with a banner.
    public var graceDays: Int

    public init(name: String, title: String) {
        self.name = name
        self.title = title
        bounds = [:]
        graceDays = 0
    }

    /// What development images run under: no limit. It has no file, nobody can issue a licence for it, and a release node accepts none.
    public static let development = Edition(name: reservedName, title: "Development")
    static let reservedName = "development"
}

/// How nodes are joined.
public enum InterconnectKind: String, Sendable, CaseIterable {
    case ethernet
    case infiniband
}

/// What a machine may use beyond the ordinary.
public enum MachineFeature: String, Sendable, CaseIterable {
    /// Boards with different numbers of sockets or cores, or different memory.
    case unequalBoards = "unequal-boards"
    /// Coherence policies chosen on the stick or in the board's description.
    case policyChoice = "policy-choice"
}
