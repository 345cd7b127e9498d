import Foundation
import Interconnect
import Testing

@testable import Node

/// The corpus of the fuzz target `FuzzControl`, and mutations of it.
@Suite struct HostileFrameTests {
    private static let corpus = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        .appending(path: "Fuzz/Corpus/control")

    @Test func theCorpusAndItsMutationsAreReadOrRefused() throws {
        let files = try FileManager.default.contentsOfDirectory(at: Self.corpus, includingPropertiesForKeys: nil)
        var random = SystemRandomNumberGenerator()
        var read = 0
        for file in files {
            let input = [UInt8](try Data(contentsOf: file))
            if HostileFrames.run(input) { read += 1 }
            for _ in 0..<20 {
                var mutated = input
                for _ in 0..<3 { mutated[Int.random(in: mutated.indices, using: &random)] = UInt8.random(in: 0...255, using: &random) }
                HostileFrames.run(mutated)
            }
        }
        #expect(files.count >= 40 && read >= 20, "\(files.count) inputs, \(read) read")
    }

    /// What nodes do send goes through the same file.
    @Test func everyMessageOfThisFirmwareIsRead() {
        for message in WireTests.messages {
            let frame = message.frame
            #expect(HostileFrames.run([0, frame.kind.rawValue, UInt8(frame.body.count)] + frame.body + frame.payload), "\(message)")
        }
    }
}
