import Contract
internal import Foundation
internal import BoardSupport

extension ImageReader {
    /// The source packages that belong to what the image holds: of its packages, and of what was linked into these.
    public func neededSources() throws(ImageError) -> [SourcePackage] {
        let own = manifest.packages.map { SourcePackage(name: $0.source, version: $0.sourceVersion) }
        guard manifest.files.contains(where: { $0.name == BillOfMaterials.path }) else { return Set(own).sorted() }
        let json = try contents(of: BillOfMaterials.path)
        guard let document = try? JSONDecoder().decode(Materials.self, from: json) else {
            throw ImageError(.inputOutput, "\(name): \(BillOfMaterials.path) is no SPDX document: the image is damaged")
        }
        let linked = document.packages.filter { $0.SPDXID.hasPrefix("SPDXRef-Source-") }
        return Set(own + linked.map { SourcePackage(name: $0.name, version: $0.versionInfo) }).sorted()
    }

    private struct Materials: Decodable {
        struct Package: Decodable {
            let SPDXID, name, versionInfo: String
        }
        let packages: [Package]
    }
}
