package import Licensing

/// What an image knows of licences: the vendor's root key with its successors, a deny-list if there is one, and when the image was built.
package enum LicensingRoot {
    /// In the root file system: armoured root keys and deny-list.
    package static let path = "etc/vsmp/licence-root"
    /// In the root file system: the build's time, no licence is believed to run before it.
    package static let builtPath = "etc/vsmp/built"

    /// The authority of the first root in `documents`, with what follows it.
    package static func authority(_ documents: DocumentSet, place: String) throws(LicensingError) -> Authority {
        guard let root = documents.roots.min(by: { $0.sequence < $1.sequence }) else {
            throw LicensingError(.chain, place, "there is no root key in it; make one with: vsmp license issue root")
        }
        var authority = Authority(trusting: root)
        authority.learn(documents)
        return authority
    }
}
