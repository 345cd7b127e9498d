import Contract
import Foundation
import Testing

@testable import FirmwareImage

/// Results whose folder is not there: said before the work, with the folder's name.
@Suite(.serialized, .enabled(if: buildObstacle == nil, "\(buildObstacle ?? "")"))
struct OutputFolderTests {
    @Test func aMissingFolderIsNamedBeforeAnythingIsMade() throws {
        let (workshop, image) = try ImageBuildTests.shared.get()
        let missing = workshop.scratch.url.appendingPathComponent("missing")
        let output = missing.appendingPathComponent("result")
        let reader = try ImageReader(image)
        let attempts = [
            imageError { try workshop.builder.build(to: output) { Issue.record("started with \($0)") } },
            imageError { _ = try reader.extract([], to: output) },
            imageError { try checkFolder(of: output) },
        ]
        for error in attempts {
            #expect(error?.exitStatus == .cannotCreate && error?.description.contains("there is no folder \(missing.path)") == true, "\(error?.description ?? "")")
        }
        #expect(!FileManager.default.fileExists(atPath: missing.path))
    }
}
