import ArgumentParser
import TestSupport
import Testing

@testable import CoherenceCommands

/// Every option of vsmp-coherence that is a number refuses what is none or out of its range, and says the range.
struct CoherenceNumberOptionTests {
    @Test func whatIsNoNumberInItsRangeIsRefused() throws {
        let options = try NumberOption.all(in: CoherenceRootCommand._dumpHelp())
        #expect(options.count >= 15, "\(options.map(\.words))")
        for option in options {
            for value in option.refused {
                let error = #expect(throws: (any Error).self, "\(option.words) '\(value)'") { try CoherenceRootCommand.parseAsRoot(option.words + [value]) }
                guard let error else { continue }
                let message = CoherenceRootCommand.fullMessage(for: error)
                #expect(CoherenceRootCommand.exitCode(for: error).rawValue == 64)
                #expect(message.contains("from \(option.range.least) to \(option.range.most)"), "\(option.words) '\(value)': \(message)")
            }
        }
    }
}
