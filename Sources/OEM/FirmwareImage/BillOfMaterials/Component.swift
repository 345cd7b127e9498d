import Contract
internal import BoardSupport
internal import Foundation

/// A package as the bill of materials counts it: a locked one, or what the SDK and the board maker add.
struct Component: Equatable {
    /// What no Debian package brings.
    static let node = "vsmpd"
    static let firmware = "vsmp-firmware"
    static let brand = "brand"
    static let blobs = "vendor-blobs"

    let name: String
    let version: String
    let copyright: PackageCopyright
    let digest: ContentDigest
    let package: LockedPackage?
    /// Source packages of which parts are linked in: Debian's fields Built-Using and Static-Built-Using.
    let builtUsing: [SourcePackage]

    /// Which component a file of the root file system comes from. A file that nobody answers for must not be shipped.
    static func name(ofRootFile path: String, kernelPackage: String) throws(ImageError) -> String {
        switch path {
        case "bin/busybox": return "busybox-static"
        case "sbin/vsmpd": return node
        case ImageFact.brand.path: return brand
        case "init": return firmware
        default:
            if path.hasPrefix("lib/modules/") { return kernelPackage }
            if path.hasPrefix("lib/firmware/") { return blobs }
            if path.hasPrefix(ImageFact.folder + "/") { return firmware }
            throw ImageError(.internalError, "/\(path) belongs to no package: say in Component.swift where it comes from")
        }
    }
}
