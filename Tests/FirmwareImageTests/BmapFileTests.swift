import Disk
import Foundation
import Platform
import TestSupport
import Testing

@testable import FirmwareImage

/// The block map beside an image, as Debian's bmaptool reads it.
@Suite(
    .serialized, .enabled(if: buildObstacle == nil, "\(buildObstacle ?? "")"),
    .enabled(if: HostProgram.locate("bmaptool") != nil, "bmaptool is not installed: tools/setup installs bmap-tools"))
struct BmapFileTests {
    let workshop: Workshop
    let image: URL
    let scratch: Scratch

    init() throws {
        (workshop, image) = try ImageBuildTests.shared.get()
        scratch = try Scratch("bmap")
    }

    private func copy(_ image: URL, to target: String) throws -> HostProgram.Result {
        try HostProgram("bmaptool").result(["copy", "--bmap", self.image.path + ".bmap", image.path, scratch.url.path + "/" + target])
    }

    private func digest(_ name: String) throws -> ContentDigest { try ContentDigest(ofFile: scratch.url.appendingPathComponent(name)) }

    @Test func bmaptoolWritesTheImageByOurMap() throws {
        let run = try copy(image, to: "written")
        #expect(run.isSuccess, "\(String(decoding: run.errors, as: UTF8.self))")
        #expect(try digest("written") == ContentDigest(ofFile: image))
    }

    /// What is not in the map means nothing.
    @Test func theMapMakesOfAUsedStickOneThatVerifies() throws {
        let source = try FileStore(reading: image.path)
        let map = try BlockMap(of: source)
        let path = scratch.url.path + "/used"
        let stick = try FileStore(creating: path, size: source.byteCount)
        let garbage = [UInt8](repeating: 0xA5, count: 1 << 20)
        for offset in stride(from: 0, to: stick.byteCount, by: garbage.count) { try stick.write(garbage, at: offset) }
        for range in map.ranges { try stick.write(try source.read(at: range.lowerBound, count: range.count), at: range.lowerBound) }
        #expect(try digest("used") != ContentDigest(ofFile: image) && map.mappedBytes < source.byteCount / 4)
        #expect(try VSMP.run(["image", "verify", path]).status == 0)
        let difference = try VSMP.run(["image", "diff", image.path, path])
        #expect(difference.status == 0, "\(difference.output)")
    }

    @Test func bmaptoolRefusesAnImageThatWasChanged() throws {
        let changed = scratch.url.appendingPathComponent("changed")
        try FileManager.default.copyItem(at: image, to: changed)
        let file = try FileHandle(forUpdating: changed)
        try file.seek(toOffset: UInt64(ImageLayout.systemStart) + 512)
        try file.write(contentsOf: Data("changed".utf8))
        try file.close()
        let run = try copy(changed, to: "refused")
        #expect(!run.isSuccess)
    }

    /// Our own commands look at the image, never at a map beside it.
    @Test func aMapThatIsNotTheImagesMisleadsNoStick() throws {
        let own = scratch.url.appendingPathComponent("own.img")
        try FileManager.default.copyItem(at: image, to: own)
        let empty = "<?xml version=\"1.0\" ?>\n<bmap version=\"2.0\">\n<ImageSize> 4096 </ImageSize>\n<BlockMap></BlockMap>\n</bmap>\n"
        try write(Data(empty.utf8), to: own.appendingPathExtension("bmap"))
        #expect(try VSMP.run(["usb", "write", own.path, scratch.url.path + "/stick"]).status == 0)
        #expect(try digest("stick") == ContentDigest(ofFile: image))
    }
}
