import ArgumentParser
import TestSupport
import Testing

@testable import OEMCommands

/// Every option of vsmp that is a number refuses what is none or out of its range, and says the range.
struct NumberOptionTests {
    @Test func whatIsNoNumberInItsRangeIsRefused() throws {
        let options = try NumberOption.all(in: RootCommand._dumpHelp())
        #expect(options.count >= 18, "\(options.map(\.words))")
        for option in options {
            for value in option.refused {
                let error = #expect(throws: (any Error).self, "\(option.words) '\(value)'") { try RootCommand.parseAsRoot(option.words + [value]) }
                guard let error else { continue }
                let message = RootCommand.fullMessage(for: error)
                #expect(RootCommand.exitCode(for: error).rawValue == 64)
                #expect(message.contains("from \(option.range.least) to \(option.range.most)"), "\(option.words) '\(value)': \(message)")
            }
        }
    }
}
