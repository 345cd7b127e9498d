internal import Contract
public import FirmwareImage
internal import Licensing

extension Kit {
    /// Holds the kit against the image of its sticks: what their boards would refuse is refused before a stick is written.
    ///
    /// - Throws: ``ProvisioningError`` for what contradicts, ``LicenceRefusal`` where the image's vendor is not the licence's or has withdrawn it,
    ///   ``LicensingError`` for damaged files.
    public func check(against image: ImageReader) throws {
        guard let licence else {
            guard image.manifest.purpose == .development || nodes == 1 else {
                throw ProvisioningError.failed(
                    .badInput, "\(id) has no licence, and \(image.name) is a release image, which starts no machine of \(nodes) boards without one: "
                        + "make a kit with vsmp kit create --edition NAME --license FILE, or write a development image")
            }
            return
        }
        var documents = DocumentSet()
        try documents.read(licence, place: "\(id): \(StickLicence.licenceFile)")
        guard documents.licences.count == 1, let grant = documents.grants.first(where: { $0.envelope.digest == documents.licences[0].grant }) else {
            throw ProvisioningError.failed(.badInput, "\(id): \(StickLicence.licenceFile) must hold one licence and its grant")
        }
        guard grant.edition.name == edition else {
            throw ProvisioningError.failed(
                .badInput, "\(id) says edition \(edition ?? "development"), and its licence is for \(grant.edition.name): make the kit anew with vsmp kit create")
        }
        if let bound = grant.edition.bounds[.nodes], nodes < bound.least ?? 1 || nodes > bound.most ?? .max {
            let most = bound.most.map { "to \($0)" } ?? "or more"
            throw ProvisioningError.failed(
                .badInput, "\(id) has \(nodes) boards, and its licence for edition \(grant.edition.name) allows \(bound.least ?? 1) \(most)")
        }
        // A development image asks no licence.
        guard image.manifest.purpose == .release else { return }
        if let denyList { try documents.read(denyList, place: "\(id): \(StickLicence.denyListFile)") }
        var authority = try Authority(of: image)
        authority.learn(documents)
        _ = try authority.accept(documents)
    }
}

extension Authority {
    /// Whom the boards of an image trust.
    init(of image: ImageReader) throws {
        guard case .file(let text, _)? = try image.rootArchive().entries[LicensingRoot.path] else {
            throw ProvisioningError.failed(
                .badInput, "\(image.name) carries no vendor's root key, so it accepts no licence; build it with vsmp image build --license-root")
        }
        var held = DocumentSet()
        try held.read(Array(text), place: "\(image.name): \(LicensingRoot.path)")
        guard let authority = Authority(ofImage: held) else {
            throw ProvisioningError.failed(.badInput, "\(image.name): \(LicensingRoot.path) holds no root key; this image is damaged")
        }
        self = authority
    }
}
