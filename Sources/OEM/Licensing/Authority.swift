public import Bytes

/// Who may sign what: the root that an image carries, the roots that follow it, and the newest deny-list that one of them signed.
public struct Authority: Sendable {
    /// In the order of their sequence; the first is the image's.
    public private(set) var roots: [RootStatement]
    public private(set) var denyList: DenyList?
    /// The deny-list's; nil without one.
    public private(set) var denyListRank: DenyListRank?

    /// - Parameter root: trusted without further question, so it must come from the image.
    public init(trusting root: RootStatement) { roots = [root] }

    /// Trusts the oldest root of what an image carries, and takes what follows it; nil without a root.
    public init?(ofImage documents: DocumentSet) {
        guard let root = documents.roots.min(by: { $0.sequence < $1.sequence }) else { return nil }
        self.init(trusting: root)
        learn(documents)
    }

    /// Takes the roots that follow a trusted one and the newest deny-list that a trusted root signed; what others signed is left out.
    ///
    /// Where two roots claim to follow the same one, neither is taken: the old key is in more than one hand.
    public mutating func learn(_ documents: DocumentSet) {
        while true {
            let newest = roots[roots.count - 1]
            let next = documents.roots.filter { $0.previous == newest.key && $0.sequence == newest.sequence + 1 }
            guard next.count == 1, !roots.contains(where: { $0.key == next[0].key }) else { break }
            roots.append(next[0])
        }
        for list in documents.denyLists {
            guard let rank = rank(of: list), denyListRank.map({ $0 < rank }) ?? true else { continue }
            (denyList, denyListRank) = (list, rank)
        }
    }

    /// Nil for a list that no trusted root signed.
    func rank(of list: DenyList) -> DenyListRank? {
        roots.first { $0.key == list.signer }.map { DenyListRank(root: $0.sequence, version: list.version) }
    }

    /// Whether the deny-list names this root; it can name only one that is older than its own signer.
    func isDenied(_ root: RootStatement) -> Bool {
        guard let denyList, let denyListRank, denyList.keys.contains(root.key) else { return false }
        return root.sequence < denyListRank.root
    }

    /// Follows a licence up to a trusted root.
    ///
    /// - Parameters:
    ///   - documents: hold one licence and the grant under which it was issued.
    ///   - newestDenyList: the newest deny-list that this node has seen; nil for none.
    /// - Throws: ``LicenceRefusal`` with what is missing, untrusted or denied.
    func accept(_ documents: DocumentSet, newestDenyList: DenyListRank? = nil) throws(LicenceRefusal) -> AcceptedLicence {
        let (licence, grant) = try Self.issued(documents)
        guard let root = roots.first(where: { $0.key == grant.signer }) else {
            throw LicenceRefusal(
                .untrusted(
                    "a grant signed by key \(grant.signer.short)", "one signed by \(roots.map { "\($0.vendor)'s root \($0.key.short)" }.joined(separator: " or "))",
                    "use an image of \(grant.oem), or ask for a licence for this image; after a root's rotation the new root key belongs into the licence file"))
        }
        let denied = [
            denyList?.licences.contains(licence.id) == true ? "licence \(licence.id)" : nil,
            denyList?.keys.contains(grant.key) == true ? "key \(grant.key.short) of \(grant.oem)" : nil, isDenied(root) ? "root \(root.key.short)" : nil,
        ].compactMap { $0 }
        guard denied.isEmpty else { throw LicenceRefusal(.denied(denied.joined(separator: " and "), list: denyListRank)) }
        if let newestDenyList, denyListRank.map({ $0 < newestDenyList }) ?? true {
            throw LicenceRefusal(.denyListTooOld(have: denyListRank, need: newestDenyList))
        }
        return AcceptedLicence(licence: licence, grant: grant, root: root, denyList: denyList)
    }

    /// The same as ``accept(_:newestDenyList:)`` before anybody has said which root to trust: licence and grant belong together, and no deny list of
    /// the grant's own signer withdraws them.
    static func acceptUnderAnyRoot(_ documents: DocumentSet) throws(LicenceRefusal) -> AcceptedLicence {
        let (licence, grant) = try issued(documents)
        let list = documents.denyLists.filter { $0.signer == grant.signer }.max { $0.version < $1.version }
        let denied = [
            list?.licences.contains(licence.id) == true ? "licence \(licence.id)" : nil,
            list?.keys.contains(grant.key) == true ? "key \(grant.key.short) of \(grant.oem)" : nil,
        ].compactMap { $0 }
        guard denied.isEmpty else {
            throw LicenceRefusal(.denied(denied.joined(separator: " and "), list: list.map { DenyListRank(root: 1, version: $0.version) }))
        }
        return AcceptedLicence(licence: licence, grant: grant, root: nil, denyList: list)
    }

    /// The one licence and the grant that permits it.
    private static func issued(_ documents: DocumentSet) throws(LicenceRefusal) -> (Licence, EditionGrant) {
        guard let licence = documents.licences.first else { throw LicenceRefusal(.noLicence()) }
        guard documents.licences.count == 1 else { throw LicenceRefusal(.severalLicences(documents.licences.map(\.id))) }
        guard let grant = documents.grants.first(where: { $0.envelope.digest == licence.grant }) else {
            throw LicenceRefusal(
                .untrusted("licence \(licence.id) without its edition grant", "the grant \(licence.grant.prefix(12)) beside it", "install the whole licence file as the OEM sent it"))
        }
        do throws(LicensingError) {
            try licence.check(under: grant, place: "")
        } catch {
            throw LicenceRefusal(.untrusted(error.problem, "a licence that keeps to its grant", "ask the OEM for a correct licence"))
        }
        return (licence, grant)
    }
}

/// A licence whose signatures lead to a trusted root and that nobody has withdrawn. Whether it covers a machine, now, ``LicenceEvaluation`` says.
public struct AcceptedLicence: Sendable {
    public let licence: Licence
    public let grant: EditionGrant
    /// Nil before anybody has said which root to trust.
    public let root: RootStatement?
    public let denyList: DenyList?
    public var edition: Edition { grant.edition }

    /// The time before which none of these documents existed: no clock that shows an earlier one is set.
    public var newestDocument: UTCTimeStamp { ([licence.issued, grant.issued] + [root?.issued, denyList?.issued].compactMap { $0 }).max() ?? licence.issued }
}
