public import Bytes
public import Contract
public import FirmwareImage
public import Licensing
internal import Platform

extension Kit {
    /// A kit that is sold.
    ///
    /// - Parameters:
    ///   - edition: must be the licence's.
    ///   - nodes: nil where the edition allows one number only.
    ///   - licence: a file with one licence and its grant; who must have signed them is known when there is an image (``check(against:at:)``).
    ///   - now: when its boards start.
    /// - Throws: ``LicensingError`` for a damaged file, ``LicenceRefusal`` for what its boards would refuse, ``ProvisioningError`` for another edition.
    public static func create(
        edition: String, nodes: Int?, licence: [UInt8], denyList: [UInt8]? = nil, key: ClusterKey = ClusterKey(), at now: UTCTimeStamp
    ) throws -> Kit {
        let bound = try check(licence, denyList, edition: edition, nodes: nodes, at: now).bounds[.nodes] ?? Edition.Bound()
        guard let nodes = nodes ?? (bound.least == bound.most ? bound.least : nil) else {
            throw ProvisioningError.failed(.usage, "edition \(edition) leaves the number of boards open: give --nodes")
        }
        return try create(nodes: nodes, key: key).carrying(licence: licence, denyList: denyList, edition: edition)
    }

    /// The same kit, with its key, under another licence.
    ///
    /// - Parameters:
    ///   - denyList: nil keeps the kit's.
    ///   - edition: nil is the kit's.
    /// - Throws: as ``create(edition:nodes:licence:denyList:key:at:)``.
    public func renewed(licence: [UInt8], denyList: [UInt8]? = nil, edition: String? = nil, at now: UTCTimeStamp) throws -> Kit {
        guard let own = self.edition else {
            throw ProvisioningError.failed(.badInput, "\(id) is a kit of development images, which have no licence; make a kit to sell with: vsmp kit create")
        }
        let edition = edition ?? own
        let denyList = denyList ?? self.denyList
        _ = try Self.check(licence, denyList, edition: edition, nodes: nodes, at: now)
        return carrying(licence: licence, denyList: denyList, edition: edition)
    }

    /// Whether boards that start from sticks of this kit and `image` accept the kit's licence at `now`. A development image asks for none.
    ///
    /// - Throws: ``LicenceRefusal`` with the boards' reasons, ``LicensingError`` and ``ProvisioningError`` for what cannot be read.
    public func check(against image: ImageReader, at now: UTCTimeStamp) throws {
        guard image.manifest.purpose == .release else { return }
        guard licence != nil else {
            guard nodes > 1 else { return }
            throw ProvisioningError.failed(
                .badInput, "\(id) has no licence, and \(image.name) is a release image, which starts no machine of \(nodes) boards without one: "
                    + "make a kit with vsmp kit create --edition NAME --license FILE, or write a development image")
        }
        let documents = try documents()
        let trust = try ImageTrust(image)
        let accepted = try trust.evaluation(documents, trust.authority(learning: [documents]), count: nodes, at: now).permission()
        guard accepted.edition.name == edition else { throw Self.otherEdition(accepted.edition.name, edition ?? "") }
    }

    /// What there is to know of the kit; the key is no part of it.
    public func summary() throws(LicensingError) -> KitSummary {
        let licence = try documents().licences.first
        return KitSummary(
            kit: id, nodes: nodes, edition: edition ?? Edition.development.name, licence: licence?.id, customer: licence?.customer,
            until: licence?.notAfter?.description, board: sticks?.board, firmware: sticks?.firmware, version: sticks?.version)
    }

    private func documents() throws(LicensingError) -> DocumentSet { try Self.documents(licence, denyList) }

    private static func documents(_ licence: [UInt8]?, _ denyList: [UInt8]?) throws(LicensingError) -> DocumentSet {
        var documents = DocumentSet()
        if let licence { try documents.read(licence, place: StickLicence.licenceFile) }
        if let denyList { try documents.read(denyList, place: StickLicence.denyListFile) }
        return documents
    }

    private static func check(_ licence: [UInt8], _ denyList: [UInt8]?, edition: String, nodes: Int?, at now: UTCTimeStamp) throws -> Edition {
        let question = LicenceQuestion(
            .notNamed, try documents(licence, denyList), machine: MachineInventory(of: nodes), clock: LicenceClock(desk: now))
        let accepted = try LicenceEvaluation(question).permission()
        guard accepted.edition.name == edition else { throw otherEdition(accepted.edition.name, edition) }
        return accepted.edition
    }

    private static func otherEdition(_ licences: String, _ kits: String) -> ProvisioningError {
        .failed(.badInput, "the licence is for edition \(licences), the kit for \(kits); say --edition \(licences) with kit create or kit renew, if that is meant")
    }
}

/// What `vsmp kit show` says.
public struct KitSummary: Sendable, Equatable, Encodable {
    public var kit: String
    public var nodes: Int
    public var edition: String
    /// Id of the licence; nil for a kit of development images, and so are the others.
    public var licence: String?
    public var customer: String?
    /// The licence's last second; nil without an end.
    public var until: String?
    /// What its sticks were last written with: board, firmware and its version; nil without sticks.
    public var board: String?
    public var firmware: FirmwareHash?
    public var version: UInt32?
}
