import Bytes
import Contract
internal import BoardSupport
internal import Crypto
internal import Foundation

/// What an image is made of, as an SPDX 2.3 document (ISO/IEC 5962, https://spdx.github.io/spdx-spec/v2.3/) in JSON.
///
/// It names no tool version and no moment, so that it is the same wherever the image is built.
struct BillOfMaterials {
    /// In the bank.
    static let path = "SBOM.JSN"

    /// A file of the image: its name in the document, its content, the component it comes from.
    struct File {
        let name: String
        let content: Data
        let component: String
    }

    let imageName: String
    let firmwareHash: FirmwareHash
    let brand: String
    let components: [Component]
    let files: [File]

    func json() throws(ImageError) -> Data {
        let draft = try encode(namespace: "")
        // Two documents have one namespace only if they are the same document (SPDX 2.3, 6.5).
        let digest = ContentDigest(of: draft)
        return try encode(namespace: "https://spdx.org/spdxdocs/vsmp-image-\(digest.uuid(for: "sbom").lowercased())")
    }

    private func encode(namespace: String) throws(ImageError) -> Data {
        let image = "SPDXRef-Image"
        var relationships = [Relationship("SPDXRef-DOCUMENT", "DESCRIBES", image)]
        var packages: [Package] = []
        for component in components {
            let id = Self.identifier("Package", component.name)
            packages.append(Package(component, id, brand: brand))
            relationships.append(Relationship(image, "DEPENDS_ON", id))
            for source in component.builtUsing {
                relationships.append(Relationship(id, "STATIC_LINK", Self.identifier("Source", "\(source.name)-\(source.version)")))
            }
        }
        for source in Set(components.flatMap(\.builtUsing)).sorted() {
            packages.append(Package(source, Self.identifier("Source", "\(source.name)-\(source.version)")))
        }
        var spdxFiles: [SPDXFile] = []
        for (index, file) in files.enumerated() {
            guard let component = components.first(where: { $0.name == file.component }) else {
                throw ImageError(.badInput, "\(file.name) comes from the package \(file.component), which the lock does not name")
            }
            let id = "SPDXRef-File-\(index + 1)"
            spdxFiles.append(SPDXFile(file, id, licence: component.copyright.licence))
            relationships.append(Relationship(image, "CONTAINS", id))
            relationships.append(Relationship(id, "GENERATED_FROM", Self.identifier("Package", component.name)))
        }
        let code = Self.sha1(Data(spdxFiles.compactMap { $0.checksums.first?.checksumValue }.sorted().joined().utf8))
        packages.insert(Package(image: image, imageName, firmwareHash, brand, verificationCode: code), at: 0)
        let references = components.filter { $0.copyright.licence.hasPrefix("LicenseRef-") }.map {
            ExtractedLicence(licenseId: $0.copyright.licence, extractedText: $0.copyright.text, name: "licence of \($0.name)")
        }
        let document = Document(
            name: imageName, documentNamespace: namespace, packages: packages, files: spdxFiles, relationships: relationships,
            hasExtractedLicensingInfos: references)
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        do {
            return try encoder.encode(document) + Data("\n".utf8)
        } catch {
            throw ImageError(.internalError, "cannot encode the bill of materials: \(error)")
        }
    }

    /// SPDX identifiers hold letters, digits, full stops and hyphens.
    private static func identifier(_ kind: String, _ name: String) -> String {
        "SPDXRef-\(kind)-" + String(name.map { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "." || $0 == "-") ? $0 : "-" })
    }

    /// SPDX 2.3 demands a SHA-1 of every file; nothing here trusts it.
    fileprivate static func sha1(_ data: Data) -> String {
        Hexadecimal.encode(Insecure.SHA1.hash(data: data))
    }
}

// MARK: The document's form (SPDX 2.3, JSON schema)

private struct Document: Encodable {
    struct Creation: Encodable {
        // The fixed date that everything in an image has.
        var created = "2020-01-01T00:00:00Z"
        var creators = ["Tool: vsmp"]
    }

    var spdxVersion = "SPDX-2.3"
    var dataLicense = "CC0-1.0"
    var SPDXID = "SPDXRef-DOCUMENT"
    var creationInfo = Creation()
    var name: String
    var documentNamespace: String
    var packages: [Package]
    var files: [SPDXFile]
    var relationships: [Relationship]
    var hasExtractedLicensingInfos: [ExtractedLicence]
}

private struct Checksum: Encodable {
    var algorithm = "SHA256"
    var checksumValue: String
}

private struct ExtractedLicence: Encodable {
    var licenseId: String
    var extractedText: String
    var name: String
}

private struct Relationship: Encodable {
    var spdxElementId: String
    var relationshipType: String
    var relatedSpdxElement: String

    init(_ element: String, _ type: String, _ related: String) {
        (spdxElementId, relationshipType, relatedSpdxElement) = (element, type, related)
    }
}

private struct Package: Encodable {
    struct VerificationCode: Encodable {
        var packageVerificationCodeValue: String
    }

    struct Reference: Encodable {
        var referenceCategory = "PACKAGE-MANAGER"
        var referenceType = "purl"
        var referenceLocator: String
    }

    var SPDXID: String
    var name: String
    var versionInfo: String
    var downloadLocation = "NOASSERTION"
    /// Who gave it out, as the NTIA's minimum elements demand of every component.
    var supplier: String
    var filesAnalyzed = false
    var packageVerificationCode: VerificationCode?
    var checksums: [Checksum]?
    var licenseConcluded = "NOASSERTION"
    var licenseDeclared = "NOASSERTION"
    var copyrightText = "NOASSERTION"
    var sourceInfo: String?
    var externalRefs: [Reference]?

    init(image id: String, _ name: String, _ hash: FirmwareHash, _ brand: String, verificationCode: String) {
        SPDXID = id
        self.name = name
        versionInfo = hash.short
        filesAnalyzed = true
        packageVerificationCode = VerificationCode(packageVerificationCodeValue: verificationCode)
        sourceInfo = "firmware hash \(hash)"
        supplier = "Organization: \(brand)"
    }

    /// What no package of Debian's brings, whoever bears the brand gives out.
    init(_ component: Component, _ id: String, brand: String) {
        SPDXID = id
        supplier = "Organization: \(component.package == nil ? brand : Self.debian)"
        name = component.name
        versionInfo = component.version
        checksums = [Checksum(checksumValue: component.digest.description)]
        licenseConcluded = component.copyright.licence
        licenseDeclared = component.copyright.licence
        if let package = component.package {
            sourceInfo = "built from the source package \(package.source) \(package.sourceVersion)"
            externalRefs = [Reference(referenceLocator: Self.locator(package.name, package.version, package.architecture))]
        }
    }

    private static let debian = "Debian"

    init(_ source: SourcePackage, _ id: String) {
        SPDXID = id
        supplier = "Organization: \(Self.debian)"
        name = source.name
        versionInfo = source.version
        externalRefs = [Reference(referenceLocator: Self.locator(source.name, source.version, "source"))]
    }

    /// A package URL (https://github.com/package-url/purl-spec); plus and tilde may not stand in it as they are.
    private static func locator(_ name: String, _ version: String, _ architecture: String) -> String {
        func escaped(_ text: String) -> String {
            text.replacingOccurrences(of: "+", with: "%2B").replacingOccurrences(of: ":", with: "%3A")
        }
        return "pkg:deb/debian/\(escaped(name))@\(escaped(version))?arch=\(architecture)"
    }
}

private struct SPDXFile: Encodable {
    var SPDXID: String
    var fileName: String
    var checksums: [Checksum]
    var licenseConcluded: String
    var licenseInfoInFiles: [String]
    var copyrightText = "NOASSERTION"

    init(_ file: BillOfMaterials.File, _ id: String, licence: String) {
        SPDXID = id
        fileName = "./" + file.name
        checksums = [
            Checksum(algorithm: "SHA1", checksumValue: BillOfMaterials.sha1(file.content)),
            Checksum(checksumValue: ContentDigest(of: file.content).description),
        ]
        licenseConcluded = licence
        licenseInfoInFiles = [licence]
    }
}
