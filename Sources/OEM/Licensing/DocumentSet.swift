import Bytes

/// The documents found in some texts, each whole and correctly signed by the keys that it names; whom to trust is ``Authority``'s question.
public struct DocumentSet: Sendable, Equatable {
    public private(set) var roots: [RootStatement] = []
    public private(set) var grants: [EditionGrant] = []
    public private(set) var licences: [Licence] = []
    public private(set) var denyLists: [DenyList] = []
    public private(set) var requests: [LicenceRequest] = []

    public init() {}

    /// Adds every armoured block of a text.
    /// - Parameter place: names the text in errors.
    /// - Throws: ``LicensingError`` for a block that is not whole, of an unknown kind, changed, or not of its form. Nothing is added then.
    public mutating func read(_ text: [UInt8], place: String) throws(LicensingError) {
        var new = self
        for block in try Armour.blocks(in: text, place: place) {
            guard block.label != SecretKey.label else {
                throw LicensingError(.armour, place, "it holds a secret key, which must not leave its owner: take it out and make new keys")
            }
            let envelope = try Envelope(decoding: block.bytes, place: place)
            guard envelope.kind.label == block.label else {
                throw LicensingError(.armour, place, "a \(envelope.kind.label) stands in a block that is called \(printable(block.label))")
            }
            try new.add(envelope, place: place)
        }
        self = new
    }

    private mutating func add(_ envelope: Envelope, place: String) throws(LicensingError) {
        switch envelope.kind {
        case .root: Self.append(try RootStatement(envelope, place: place), to: &roots)
        case .grant: Self.append(try EditionGrant(envelope, place: place), to: &grants)
        case .licence: Self.append(try Licence(envelope, place: place), to: &licences)
        case .denyList: Self.append(try DenyList(envelope, place: place), to: &denyLists)
        case .request: Self.append(try LicenceRequest(envelope, place: place), to: &requests)
        }
    }

    /// The same document in two files is one.
    private static func append<Document: Equatable>(_ document: Document, to list: inout [Document]) {
        if !list.contains(document) { list.append(document) }
    }

    public var isEmpty: Bool { roots.isEmpty && grants.isEmpty && licences.isEmpty && denyLists.isEmpty && requests.isEmpty }
}
