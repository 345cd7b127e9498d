import Foundation
import TestSupport
import Testing

@testable import Licensing

/// The fuzz targets' corpora, with crash files, and what is near to them.
@Suite struct LicensingCorpusTests {
    static let targets: [(name: String, exercise: @Sendable ([UInt8]) -> Bool)] = [
        ("envelope", { LicensingExercise.envelope($0) }), ("armour", { LicensingExercise.armour($0) }), ("deny-list", { LicensingExercise.denyList($0) }),
        ("request", { LicensingExercise.request($0) }),
    ]

    @Test(arguments: 0..<4)
    func theCorpusAndItsMutationsAreHandled(target: Int) throws {
        let (name, exercise) = Self.targets[target]
        let folder = "\(repository)/Fuzz/Corpus/\(name)"
        let files = try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
        #expect(files.count >= 5, "the corpus is in Fuzz/Corpus/\(name)")
        var random = SeededGenerator(seed: 31)
        var accepted = 0
        for file in files {
            let content = Array(try Data(contentsOf: URL(fileURLWithPath: "\(folder)/\(file)")))
            accepted += exercise(content) ? 1 : 0
            guard !content.isEmpty else { continue }
            for round in 0..<60 {
                var mutated = content
                switch round % 4 {
                case 0: mutated = Array(content.prefix(Int.random(in: 0..<content.count, using: &random)))
                case 1: mutated.insert(contentsOf: content.suffix(Int.random(in: 1...20, using: &random)), at: Int.random(in: 0...content.count, using: &random))
                default:
                    for _ in 0...round % 4 { mutated[Int.random(in: 0..<content.count, using: &random)] = UInt8.random(in: .min ... .max, using: &random) }
                }
                _ = exercise(mutated)
            }
        }
        #expect(accepted >= 1 && accepted < files.count, "the corpus holds what is accepted and what is refused")
    }
}
