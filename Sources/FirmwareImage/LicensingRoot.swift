public import Foundation
internal import BoardSupport
package import Licensing

/// What an image knows of licences: the vendor's root key with its successors, a deny-list if there is one, and when the image was built.
public struct LicensingRoot: Sendable, Equatable {
    /// In the root file system: armoured root keys and deny-list.
    package static let path = "etc/vsmp/licence-root"
    /// In the root file system: a time, before which no licence is believed to run.
    package static let builtPath = "etc/vsmp/built"

    let text: String
    let built: Moment

    /// - Parameters:
    ///   - file: what `vsmp license issue root` wrote, and `deny-list` if there is one.
    ///   - place: names it in errors.
    ///   - built: `2027-01-31T12:00:00Z`; nil takes the newest time in the file, so that the same input gives the same image.
    public init(_ file: Data, place: String, built: String? = nil) throws(ImageError) {
        do throws(LicensingError) {
            var documents = DocumentSet()
            try documents.read(Array(file), place: place)
            let authority = try Self.authority(documents, place: place)
            guard documents.grants.isEmpty, documents.licences.isEmpty, documents.requests.isEmpty, authority.roots.count == documents.roots.count,
                authority.denyList == documents.denyLists.max(by: { $0.version < $1.version })
            else { throw LicensingError(.chain, place, "expected root keys that follow each other, and a deny list that one of them signed; nothing else") }
            let newest = authority.roots.map(\.issued) + [authority.denyList?.issued].compactMap { $0 }
            guard let time = built.map({ Moment($0) }) ?? newest.max() else {
                throw LicensingError(.text, place, "the build's time \(built ?? "") is none; write it as 2027-01-31T12:00:00Z")
            }
            text = documents.envelopes.map(\.armoured).joined()
            self.built = time
        } catch {
            throw ImageError(.badInput, error.description)
        }
    }

    /// The authority of the first root in `documents`, with what follows it.
    package static func authority(_ documents: DocumentSet, place: String) throws(LicensingError) -> Authority {
        guard let root = documents.roots.min(by: { $0.sequence < $1.sequence }) else {
            throw LicensingError(.chain, place, "there is no root key in it; make one with: vsmp license issue root")
        }
        var authority = Authority(trusting: root)
        authority.learn(documents)
        return authority
    }

    /// Why boards with this root file system accept nobody's licence; nil when they accept those of a vendor.
    static func problem(in archive: NewcArchive) -> String? {
        guard case .file(let text, _)? = archive.entries[path] else {
            return "no vendor's root key, so this image starts no machine of several boards; build it with --license-root"
        }
        do throws(ImageError) {
            _ = try LicensingRoot(text, place: "it")
            return nil
        } catch {
            return error.description
        }
    }

    func add(to archive: inout NewcArchive) {
        archive.add(Self.path, .file(Data(text.utf8), permissions: 0o644))
        archive.add(Self.builtPath, .file(Data("\(built)\n".utf8), permissions: 0o644))
    }
}
