import Contract
internal import BoardSupport

/// A set of boards that become one machine: how many, under which name, with which key and licence.
public struct Kit: Sendable, Equatable {
    /// Letters, digits, hyphens; no secret.
    public let id: String
    /// Boards in the machine, ``Limits/nodes``.
    public let nodes: Int
    public let key: ClusterKey
    /// Name of the edition under which it was sold; nil for a kit of development images.
    public private(set) var edition: String?
    /// The licence file, for every stick.
    public private(set) var licence: [UInt8]?
    /// A deny-list that goes along.
    public private(set) var denyList: [UInt8]?

    public init(id: String, nodes: Int, key: ClusterKey) throws(ProvisioningError) {
        guard Limits.nodes.contains(nodes) else {
            throw .failed(.badInput, "a kit has 1 to \(Limits.nodes.upperBound) nodes, not \(nodes)")
        }
        guard Limits.allowsKit(named: id) else {
            throw .failed(.badInput, "a kit's id has \(Limits.kitNameText); \"\(id)\" is none")
        }
        self.id = id
        self.nodes = nodes
        self.key = key
    }

    /// A kit for development images, with a random key unless one is given; the key gives it its id.
    public static func create(nodes: Int, key: ClusterKey = ClusterKey()) throws(ProvisioningError) -> Kit {
        try Kit(id: key.kitID, nodes: nodes, key: key)
    }

    /// The same kit with a licence that nobody looked at, for boards under test.
    package func carrying(licence: [UInt8], denyList: [UInt8]? = nil, edition: String? = nil) -> Kit {
        var kit = self
        (kit.licence, kit.denyList, kit.edition) = (licence, denyList, edition)
        return kit
    }
}
