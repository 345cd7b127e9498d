import Contract
import BoardSupport
import Foundation
import Testing

@testable import FirmwareImage

/// An archive that offers given files instead of asking apt.
private struct ShelfArchive: SourceArchive {
    var shelf: [SourcePackage: [String: Data]] = [:]

    func files(of source: SourcePackage) throws(ImageError) -> [SourceFile] {
        guard let files = shelf[source] else { throw ImageError(.sourceMissing, "no source package \(source) is offered") }
        return files.compactMap { SourceFile(source: source.name, version: source.version, digest: ContentDigest(of: $0.value), name: $0.key) }
    }

    func download(_ source: SourcePackage, into directory: URL) throws(ImageError) {
        for file in try files(of: source) {
            try write(shelf[source]?[file.name] ?? Data(), to: directory.appendingPathComponent(file.name))
        }
    }
}

/// The source code that has to go with an image.
@Suite(.serialized, .enabled(if: buildObstacle == nil, "\(buildObstacle ?? "")"))
struct ImageSourcesTests {
    var workshop: Workshop
    let scratch: Scratch
    private let archive: ShelfArchive

    init() throws {
        workshop = try ImageBuildTests.shared.get().0.copy()
        scratch = try Scratch("sources")
        var shelf: [SourcePackage: [String: Data]] = [:]
        for source in try workshop.builder.store.sources(of: workshop.builder.lock.packages) {
            shelf[source] = [
                "\(source.name)_1.dsc": Data("about \(source.name)\n".utf8), "\(source.name)_1.orig.tar.xz": Data("\(source) code\n".utf8),
            ]
        }
        archive = ShelfArchive(shelf: shelf)
        // A store of its own, so that the shared one never has sources.
        let store = PackageStore(root: scratch.url.appendingPathComponent("store"))
        try FileManager.default.copyItem(at: workshop.builder.store.root, to: store.root)
        workshop.builder.store = store
    }

    private var store: PackageStore { workshop.builder.store }
    private var output: URL { scratch.url.appendingPathComponent("out") }

    /// The workshop with its sources locked and in the store.
    private mutating func withSources() throws {
        workshop.builder.lock = try workshop.builder.lock.withSources(from: archive, store: store)
        try store.fetchSources(workshop.builder.lock, from: archive)
    }

    @Test func whatIsLinkedInBelongsToTheSources() throws {
        let sources = try store.sources(of: workshop.builder.lock.packages)
        #expect(sources.contains(SourcePackage(name: "glibc", version: "2.0-1")))
        #expect(sources.contains(SourcePackage(name: "linux-image-9.9-test", version: "1.0-1")))
    }

    @Test mutating func sourcesOfAnImageAndOfALockAreCollected() throws {
        try withSources()
        let image = try workshop.build()
        let lock = scratch.url.appendingPathComponent("packages.lock")
        try workshop.builder.lock.write(to: lock)
        for (name, arguments) in [("image", [image.path]), ("lock", ["--lock", lock.path])] {
            let folder = scratch.url.appendingPathComponent(name)
            let result = try VSMP.run(["image", "sources", "--store", store.root.path, "--output", folder.path] + arguments)
            #expect(result.status == 0, "\(result.errors)")
            #expect(result.output.contains("glibc 2.0-1\n"))
            let dsc = try Data(contentsOf: folder.appendingPathComponent("glibc_2.0-1/glibc_1.dsc"))
            #expect(dsc == Data("about glibc\n".utf8))
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path).count == archive.shelf.count)
            let again = try VSMP.run(["image", "sources", "--store", store.root.path, "--output", folder.path] + arguments)
            #expect(again.status == 73, "\(again.errors)")
        }
    }

    @Test mutating func objectsOfAnotherBuildAreRefused() throws {
        try withSources()
        let image = try workshop.build()
        let build = scratch.url.appendingPathComponent("build")
        let object = build.appendingPathComponent("A.build/a.o")
        let spaced = build.appendingPathComponent("A.build/a b.o")
        try write(Data("an object".utf8), to: object)
        try write(Data("an object".utf8), to: spaced)
        try write(Data("'\(object.path)'\n'\(spaced.path)'\n".utf8), to: build.appendingPathComponent("vsmpd.product/Objects.LinkFileList"))
        try write(Data("another vsmpd".utf8), to: build.appendingPathComponent("vsmpd"))
        let words = ["image", "sources", image.path, "--store", store.root.path, "--vsmpd-objects", build.path, "--output", output.path]
        let refused = try VSMP.run(words)
        #expect(refused.status == 65 && refused.errors.contains("is not the vsmpd in"), "\(refused.errors)")
        #expect(!FileManager.default.fileExists(atPath: output.path))
        try FileManager.default.removeItem(at: object)
        #expect(try VSMP.run(words).status == 66)
        try write(Data("an object".utf8), to: object)
        try FileManager.default.removeItem(at: build.appendingPathComponent("vsmpd"))
        try FileManager.default.copyItem(at: workshop.builder.vsmpd, to: build.appendingPathComponent("vsmpd"))
        let collected = try VSMP.run(words)
        #expect(collected.status == 0, "\(collected.errors)")
        let kit = output.appendingPathComponent(RelinkKit.folderName)
        #expect(try Data(contentsOf: kit.appendingPathComponent("A.build/a.o")) == Data("an object".utf8))
        #expect(try String(contentsOf: kit.appendingPathComponent("objects"), encoding: .utf8) == "A.build/a.o\n'A.build/a b.o'\n")
    }

    @Test mutating func missingSourcesHaveAStatusOfTheirOwn() throws {
        // The image names no source files at all.
        let bare = try VSMP.run(["image", "sources", try workshop.build().path, "--store", store.root.path, "--output", output.path])
        #expect(bare.status == 87 && bare.errors.contains("glibc 2.0-1") && bare.errors.contains("vsmp image lock --sources"), "\(bare.errors)")
        // One file is not in the store.
        try withSources()
        let image = try workshop.build()
        let file = try #require(workshop.builder.lock.sources.first { $0.name == "busybox-static_1.orig.tar.xz" })
        try FileManager.default.removeItem(at: store.location(of: file.digest))
        let result = try VSMP.run(["image", "sources", image.path, "--store", store.root.path, "--output", output.path])
        #expect(result.status == 87 && result.errors.contains("source code of busybox-static 1.0-1 is not"), "\(result.errors)")
        #expect(!FileManager.default.fileExists(atPath: output.path))
        #expect(try VSMP.run(["image", "sources", "--output", output.path]).status == 64)
    }

    @Test mutating func damageInTheStoreIsNotGivenOn() throws {
        try withSources()
        let lock = workshop.builder.lock
        let file = try #require(lock.sources.first)
        try write(Data("damaged".utf8), to: store.location(of: file.digest))
        let error = imageError { try store.writeSources(lock.sources, needed: [], to: output, remedy: "") }
        #expect(error?.exitStatus == .inputOutput)
        #expect(!FileManager.default.fileExists(atPath: output.path))
    }

    @Test func whatOneArchiveLacksKeepsNothingElseFromBeingFetched() throws {
        let lock = try workshop.builder.lock.withSources(from: archive, store: store)
        var poor = archive
        poor.shelf[SourcePackage(name: "glibc", version: "2.0-1")] = nil
        let error = imageError { try store.fetchSources(lock, from: poor) }
        #expect(error?.exitStatus == .sourceMissing && error?.description.contains("glibc 2.0-1") == true)
        #expect(lock.sources.filter { !store.contains($0.digest) }.allSatisfy { $0.source == "glibc" })
        #expect(try store.fetchSources(lock, from: archive) == [SourcePackage(name: "glibc", version: "2.0-1")])
    }

    @Test func anUpdatedLockForgetsSourcesOfOtherVersions() throws {
        let lock = try workshop.builder.lock.withSources(from: archive, store: store)
        var shelf: [LockedPackage: Data] = [:]
        for package in lock.packages { shelf[package] = Data() }
        let wished = PackageLock(wishes: lock.packages.map(\.name), packages: lock.packages, sources: lock.sources)
        #expect(try wished.updated(from: ShelfSource(shelf: shelf)).sources == lock.sources)
        let newer = locked("busybox-static", Data("new".utf8), version: "2")
        shelf = shelf.filter { $0.key.name != "busybox-static" }
        shelf[newer] = Data()
        let updated = try wished.updated(from: ShelfSource(shelf: shelf))
        #expect(!updated.sources.contains { $0.source == "busybox-static" || $0.source == "glibc" })
        #expect(updated.sources.contains { $0.source == "linux-image-9.9-test" })
    }

    @Test func aptsAnswersAreRead() {
        let digest = String(repeating: "ab", count: 32)
        let source = SourcePackage(name: "busybox", version: "1:1.35.0-4")
        let text = "Reading package lists...\n'http://a/busybox_1.35.0-4.dsc' busybox_1.35.0-4.dsc 2321 SHA256:\(digest)\n"
        #expect(AptSourceArchive.files(of: source, uris: text).map(\.line) == ["source busybox 1:1.35.0-4 \(digest) busybox_1.35.0-4.dsc"])
        let list = AptSourceArchive.sourceList("http://a/debian/ bookworm main Other\nhttp://a/debian/ bookworm main Other\nrubbish\n")
        #expect(list == "deb-src http://a/debian/ bookworm main\n")
    }
}
