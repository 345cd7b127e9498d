import Bytes
import Contract
internal import BoardSupport
internal import FirmwareImage
internal import Foundation
internal import Licensing

/// What an image, or the image on a stick, says of licences: the same files that its boards read when they start.
struct ImageTrust {
    /// The vendor's roots with what follows them; nil without one.
    private let authority: Authority?
    private let built: UTCTimeStamp

    init(_ image: ImageReader) throws {
        let archive = try image.rootArchive()
        var documents = DocumentSet()
        let root = ImageFact.licenceRoot.path
        if case .file(let text, _)? = archive.entries[root] { try documents.read(Array(text), place: "\(image.name): \(root)") }
        authority = Authority(ofImage: documents)
        built = archive.fact(.built).flatMap { UTCTimeStamp($0) } ?? UTCTimeStamp.first
    }

    /// With the deny lists of `documents` and of what else the boards find.
    /// - Throws: ``LicenceRefusal`` for an image without a vendor's root key.
    func authority(learning others: [DocumentSet]) throws(LicenceRefusal) -> Authority {
        guard var authority else { throw LicenceRefusal(.noRoot()) }
        for documents in others { authority.learn(documents) }
        return authority
    }

    /// What the boards of a machine of `count` nodes would conclude at `now`.
    func evaluation(_ documents: DocumentSet, _ authority: Authority, count: Int?, at now: UTCTimeStamp) -> LicenceEvaluation {
        LicenceEvaluation(
            LicenceQuestion(
                .image(authority), documents, machine: MachineInventory(of: count), clock: LicenceClock(now: now, imageBuilt: built, highWater: nil)))
    }
}
