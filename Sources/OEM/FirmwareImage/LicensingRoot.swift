import Bytes
import Contract
public import Foundation
internal import BoardSupport
internal import Licensing

/// What an image knows of licences: the vendor's root key with its successors, a deny-list if there is one, and when the image was built.
public struct LicensingRoot: Sendable, Equatable {
    let text: String
    let built: UTCTimeStamp

    /// - Parameters:
    ///   - file: what `vsmp license issue root` wrote, and `deny-list` if there is one.
    ///   - place: names it in errors.
    ///   - built: `2027-01-31T12:00:00Z`; nil takes the newest time in the file, so that the same input gives the same image.
    public init(_ file: Data, place: String, built: String? = nil) throws(ImageError) {
        do throws(LicensingError) {
            var documents = DocumentSet()
            try documents.read(Array(file), place: place)
            guard let authority = Authority(ofImage: documents) else {
                throw LicensingError(.chain, place, "there is no root key in it; make one with: vsmp license issue root")
            }
            guard documents.grants.isEmpty, documents.licences.isEmpty, documents.requests.isEmpty, authority.roots.count == documents.roots.count,
                documents.denyLists.isEmpty || authority.denyList != nil
            else { throw LicensingError(.chain, place, "expected root keys that follow each other, and a deny list that one of them signed; nothing else") }
            guard documents.denyLists.count <= 1 else { throw LicensingError(.chain, place, "there are several deny lists in it; leave the newest") }
            let newest = authority.roots.map(\.issued) + [authority.denyList?.issued].compactMap { $0 }
            guard let time = built.map({ UTCTimeStamp($0) }) ?? newest.max() else {
                throw LicensingError(.text, place, "the build's time \(built ?? "") is none; write it as 2027-01-31T12:00:00Z")
            }
            text = documents.envelopes.map(\.armoured).joined()
            self.built = time
        } catch {
            throw ImageError(.badInput, error.description)
        }
    }

    /// Why boards with this root file system accept nobody's licence; nil when they accept those of a vendor.
    static func problem(in archive: NewcArchive) -> String? {
        guard case .file(let text, _)? = archive.entries[ImageFact.licenceRoot.path] else {
            return "no vendor's root key, so this image starts no machine of several boards; build it with --license-root"
        }
        do throws(ImageError) {
            _ = try LicensingRoot(text, place: "it")
            guard archive.fact(.built).flatMap({ UTCTimeStamp($0) }) != nil else {
                return "\(ImageFact.built.path) does not say when the image was built"
            }
            return nil
        } catch {
            return error.description
        }
    }

    func add(to archive: inout NewcArchive) {
        archive.add(.licenceRoot, text.utf8)
        archive.add(.built, ImageFact.content(built))
    }
}
