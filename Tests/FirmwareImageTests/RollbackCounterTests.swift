import Contract
import BoardSupport
import Foundation
import Testing

@testable import FirmwareImage

/// How far an image forbids going back: in the root file system, in the manifest, and wherever a person looks.
@Suite(.serialized, .enabled(if: buildObstacle == nil, "\(buildObstacle ?? "")"))
struct RollbackCounterTests {
    let workshop: Workshop
    let image: URL

    init() throws { (workshop, image) = try ImageBuildTests.shared.get() }

    @Test func aCounterIsANumberUpTo63() {
        #expect(RollbackCounter("0") == .zero && RollbackCounter("63")?.value == 63)
        for text in ["", "64", "-1", "+1", "01", " 1", "1\n", "x", "18446744073709551616"] { #expect(RollbackCounter(text) == nil, "\(text)") }
        #expect(RollbackCounter(-1) == nil && RollbackCounter(64) == nil)
    }

    @Test func theImageStatesItsCounterEverywhere() throws {
        var other = workshop
        other.builder.rollbackCounter = try #require(RollbackCounter(17))
        let raised = try other.build()
        let reader = try ImageReader(raised)
        try reader.verify()
        #expect(reader.manifest.text.contains("\nrollback-counter 17\n"))
        #expect(try ImageManifest(reader.manifest.text.utf8) == reader.manifest)
        #expect(try reader.rootArchive().entries["etc/vsmp/rollback-counter"] == .file(Data("17\n".utf8), permissions: 0o644))
        let list = try VSMP.run(["image", "ls", raised.path])
        #expect(list.output.contains("rollback       counter 17\n"), "\(list.errors)")
        #expect(try VSMP.run(["image", "ls", "--json", raised.path]).output.contains("\"rollbackCounter\" : 17"))
        #expect(try VSMP.run(["image", "ls", image.path]).output.contains("rollback       counter 0\n"))
        let difference = try VSMP.run(["image", "diff", image.path, raised.path])
        #expect(difference.status == 1 && difference.output.contains(#/rollback-counter\n +0  .*\n +17  /#), "\(difference.output)")
    }

    /// A manifest is not signed, the root file system is.
    @Test func aManifestThatStatesAnotherCounterIsRefused() throws {
        let copy = workshop.scratch.url.appendingPathComponent("counter.img")
        var content = try Data(contentsOf: image)
        let place = try #require(content.range(of: Data("\nrollback-counter 0\n".utf8)))
        content[place.upperBound - 2] = UInt8(ascii: "1")
        try content.write(to: copy)
        let error = imageError { try ImageReader(copy).verify() }
        #expect(error?.description.contains("the root file system states another rollback-counter") == true, "\(error?.description ?? "")")
        content[place.upperBound - 2] = UInt8(ascii: "x")
        try content.write(to: copy)
        #expect(imageError { _ = try ImageReader(copy) }?.description.contains("rollback-counter") == true)
    }

    @Test func theCommandTakesNumbersUpTo63() throws {
        for value in ["-1", "64", "two"] {
            let result = try VSMP.run(
                ["image", "build", "--board", "x", "--vsmpd", "y", "--output", "z", "--rollback-counter=\(value)"])
            #expect(result.status == 64 && result.errors.contains("rollback-counter"), "\(value): \(result.errors)")
        }
    }
}
