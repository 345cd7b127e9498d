internal import Bytes
public import Contract
internal import Crypto

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
    /// What its sticks were last written with; nil for a kit that has none yet, or of an SDK that did not note it.
    public private(set) var sticks: StickRecord?

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

    func with(sticks: StickRecord?) -> Kit {
        var kit = self
        kit.sticks = sticks
        return kit
    }

    /// The same kit with a licence that nobody looked at, for boards under test.
    package func carrying(licence: [UInt8], denyList: [UInt8]? = nil, edition: String? = nil) -> Kit {
        var kit = self
        (kit.licence, kit.denyList, kit.edition) = (licence, denyList, edition)
        return kit
    }
}

extension ClusterKey {
    /// Names the kit without telling the key: the same key always gives the same name (HKDF, RFC 5869).
    fileprivate var kitID: String {
        let derived = HKDF<SHA256>.deriveKey(
            inputKeyMaterial: SymmetricKey(data: secret), info: Array("vsmp kit id v1".utf8), outputByteCount: 8)
        let name = unsafe derived.withUnsafeBytes { unsafe Array($0) }
        return "kit-" + Hexadecimal.encode(name)
    }
}
