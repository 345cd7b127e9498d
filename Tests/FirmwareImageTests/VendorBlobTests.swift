import Contract
import BoardSupport
import Foundation
import Testing

@testable import FirmwareImage

@Suite(.serialized, .enabled(if: buildObstacle == nil, "\(buildObstacle ?? "")"))
struct VendorBlobTests {
    var workshop: Workshop
    let scratch: Scratch
    private let path = "lib/firmware/acme/nic.bin"

    init() throws {
        workshop = try ImageBuildTests.shared.get().0.copy()
        scratch = try Scratch("blobs")
        let store = PackageStore(root: scratch.url.appendingPathComponent("store"))
        try FileManager.default.copyItem(at: workshop.builder.store.root, to: store.root)
        workshop.builder.store = store
        let file = scratch.url.appendingPathComponent("nic.bin")
        try write(Data("a vendor's".utf8), to: file)
        try workshop.builder.lock.addBlob(path, file: file, to: store)
    }

    /// Takes the vendor's file out of the store again.
    private func remove() throws {
        let blob = try #require(workshop.builder.lock.blobs.first)
        try FileManager.default.removeItem(at: workshop.builder.store.location(of: blob.digest))
    }

    @Test func aVendorsFileIsInTheImage() throws {
        let lock = workshop.builder.lock
        #expect(try PackageLock(text: lock.text, origin: "lock") == lock)
        #expect(try lock.updated(from: ShelfSource()).blobs == lock.blobs)
        let reader = try ImageReader(try workshop.build())
        try reader.verify()
        #expect(try reader.rootArchive().entries[path] == .file(Data("a vendor's".utf8), permissions: 0o644))
        #expect(reader.manifest.missingBlobs.isEmpty)
        let materials = String(decoding: try reader.contents(of: BillOfMaterials.path), as: UTF8.self)
        #expect(materials.contains("./root/\(path)") && materials.contains("LicenseRef-vendor-blobs"))
    }

    @Test func aMissingOneMarksTheImage() throws {
        let complete = try workshop.builder.firmwareHash()
        try remove()
        let reader = try ImageReader(try workshop.build())
        try reader.verify()
        #expect(reader.manifest.missingBlobs == workshop.builder.lock.blobs)
        #expect(try ImageManifest(reader.manifest.text.utf8) == reader.manifest)
        let mark = Data("\(path) \(ContentDigest(of: Data("a vendor's".utf8)))\n".utf8)
        #expect(try reader.rootArchive().entries[ImageFact.missingBlobs.path] == .file(mark, permissions: 0o644))
        #expect(reader.manifest.firmwareHash != complete)
        #expect(try reader.verifyRelease().findings.map(\.rule).contains(.missingBlob), "and it must not be shipped")
    }

    @Test mutating func aReleaseImageMayLackNone() throws {
        workshop.builder.purpose = .release
        try remove()
        let error = imageError { _ = try workshop.build() }
        #expect(error?.exitStatus == .blobMissing && error?.description.contains(path) == true)
    }

    @Test(arguments: ["init", "lib/firmware", "lib/firmware/", "lib/firmware/../../init", "/lib/firmware/a", "lib/firmware/a b", "lib/firmware/.a"])
    func onlyPlainPathsBelowLibFirmwareAreTaken(path: String) throws {
        var lock = workshop.builder.lock
        let file = scratch.url.appendingPathComponent("nic.bin")
        #expect(imageError { try lock.addBlob(path, file: file, to: workshop.builder.store) }?.exitStatus == .badInput)
        #expect(lock == workshop.builder.lock)
    }
}
