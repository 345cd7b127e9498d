import Contract
import Foundation
import Testing

@testable import FirmwareImage

/// A cache makes builds faster and never other.
@Suite(.serialized, .enabled(if: buildObstacle == nil, "\(buildObstacle ?? "")"))
struct BuildCacheTests {
    let workshop: Workshop
    let scratch: Scratch
    let cache: BuildCache

    init() throws {
        workshop = try ImageBuildTests.shared.get().0
        scratch = try Scratch("cache")
        cache = BuildCache(root: scratch.url.appendingPathComponent("cache"))
    }

    /// The image's bytes.
    private func build(_ cache: BuildCache?, changing change: (inout Workshop) throws -> Void = { _ in }) throws -> ContentDigest {
        var other = try workshop.copy()
        other.builder.cache = cache
        try change(&other)
        let image = scratch.url.appendingPathComponent("\(UUID().uuidString).img")
        try other.builder.build(to: image)
        try ImageReader(image).verify()
        return try ContentDigest(ofFile: image)
    }

    private func entries(_ kind: String) -> [URL] {
        let folder = cache.root.appendingPathComponent(kind)
        return ((try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []).sorted().map { folder.appendingPathComponent($0) }
    }

    @Test func coldWarmAndWithoutAreTheSameBytes() throws {
        let without = try build(nil)
        #expect(!FileManager.default.fileExists(atPath: cache.root.path))
        #expect(try build(cache) == without, "cold")
        // Three archives of the root file system, and every package.
        #expect(entries("packed").count == 3 && entries("unpacked").count == workshop.builder.lock.packages.count)
        #expect(try build(cache) == without, "warm")
        #expect(entries("packed").count == 3)
        // Another brand packs nothing but the archive that holds it.
        let brand = Brand(name: "Another", colour: "#000000", support: "b")
        let branded = try build(cache) { $0.builder.brand = brand }
        #expect(entries("packed").count == 4)
        #expect(try build(nil) { $0.builder.brand = brand } == branded)
    }

    /// Every file of the cache in turn: cut off, emptied, a byte changed, and a file too many.
    @Test func aDamagedEntryIsMadeAnew() throws {
        let right = try build(cache)
        let all = try FileManager.default.subpathsOfDirectory(atPath: cache.root.path).sorted().map { cache.root.appendingPathComponent($0) }
        let files = all.filter { (try? $0.resourceValues(forKeys: [.isRegularFileKey]))?.isRegularFile == true }
        let few = files.filter { !$0.path.contains("i386-pc") } + files.filter { $0.lastPathComponent == "fat.mod" || $0.lastPathComponent == "kernel.img" }
        #expect(few.count > 15)
        for (round, file) in few.enumerated() {
            var content = try Data(contentsOf: file)
            guard !content.isEmpty else { continue }
            switch round % 3 {
            case 0: content[content.count / 2] ^= 1
            case 1: content = content.prefix(content.count / 2)
            default: content = Data()
            }
            try content.write(to: file)
        }
        for tree in entries("unpacked").prefix(2) {
            try write(Data("not of this package".utf8), to: tree.appendingPathComponent("files/lib/modules/1.0-other/modules.order"))
        }
        #expect(try build(cache) == right)
        let kept = try FileManager.default.subpathsOfDirectory(atPath: cache.root.path).sorted()
        #expect(kept == all.map { String($0.path.dropFirst(cache.root.path.count + 1)) }, "mended, and nothing left over")
    }

    /// A digest says that an entry is whole. That it is the right one is seen from what it unpacks to.
    @Test func anEntryOfAnotherArchiveIsNotTaken() throws {
        let right = try build(cache)
        let places = entries("packed")
        let first = try Data(contentsOf: places[0])
        for place in places.dropFirst() { try first.write(to: place) }
        #expect(try build(cache) == right)
    }

    /// Whoever can write into the cache can make an entry that agrees with itself. No release image is made of it.
    @Test func aReleaseImageIsMadeOfThePackagesThemselves() throws {
        let right = try build(nil) { $0.builder.purpose = .release }
        _ = try build(cache)
        for tree in entries("unpacked") {
            let busybox = tree.appendingPathComponent("files/bin/busybox")
            guard FileManager.default.fileExists(atPath: busybox.path) else { continue }
            try write(Data("#!another".utf8), to: busybox)
            let index = try BuildCache.index(of: tree.appendingPathComponent("files"))
            try write(Data(BuildCache.head(index).utf8) + index, to: tree.appendingPathComponent("index"))
        }
        #expect(try build(cache) { $0.builder.purpose = .release } == right)
        #expect(try build(cache) != build(nil), "a development image is made of what lies there")
    }

    @Test func severalBuildsAtATimeAreAllRight() throws {
        let right = try build(nil)
        let results = SharedList()
        DispatchQueue.concurrentPerform(iterations: 4) { _ in results.append((try? build(cache))?.description ?? "failed") }
        #expect(results.all == Array(repeating: right.description, count: 4))
        #expect(entries("packed").count == 3 && entries("unpacked").allSatisfy { !$0.lastPathComponent.hasPrefix(".") })
    }

    @Test func aFolderThatCannotBeWrittenIsNotUsed() throws {
        let file = scratch.url.appendingPathComponent("file")
        try write(Data("no folder".utf8), to: file)
        #expect(try build(BuildCache(root: file)) == build(nil))
        #expect(try read(file) == Data("no folder".utf8))
    }

    @Test func whatNoBuildUsesIsRemoved() throws {
        _ = try build(cache)
        let count = entries("packed").count + entries("unpacked").count
        cache.prune(now: Date().addingTimeInterval(BuildCache.keptFor - 60))
        #expect(entries("packed").count + entries("unpacked").count == count)
        cache.prune(now: Date().addingTimeInterval(BuildCache.keptFor + 60))
        #expect(entries("packed").isEmpty && entries("unpacked").isEmpty)
    }
}

private final class SharedList: @unchecked Sendable {
    private var values: [String] = []
    private let lock = NSLock()

    func append(_ value: String) { lock.withLock { values.append(value) } }
    var all: [String] { lock.withLock { values } }
}
