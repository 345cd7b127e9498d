import Foundation
import Mutants
import Testing

/// The seeded bugs of `tools/mutants` still fit the engine.
@Suite struct MutantTests {
    static let engine = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appending(path: "Sources/Core/Coherence")

    @Test(arguments: Mutant.all.map(\.name))
    func itsTextOccursOnce(name: String) throws {
        let mutant = try #require(Mutant.all.first { $0.name == name })
        let source = try String(contentsOf: Self.engine.appending(path: mutant.file), encoding: .utf8)
        #expect(source.components(separatedBy: mutant.old).count == 2)
        #expect(mutant.old != mutant.new)
    }

    @Test func everyNameIsItsOwn() {
        #expect(Set(Mutant.all.map(\.name)).count == Mutant.all.count)
        #expect(Mutant.all.count >= 14)
    }
}
