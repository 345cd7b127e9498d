import ArgumentParser
import TestSupport
import Testing

@testable import CoherenceCommands

/// Every option of vsmp-coherence that is a number refuses what is none or out of its range, and says the range.
struct CoherenceNumberOptionTests {
    @Test func whatIsNoNumberInItsRangeIsRefused() throws {
        let faults = try NumberOption.faults(in: CoherenceRootCommand._dumpHelp(), atLeast: 15) { words in
            do {
                _ = try CoherenceRootCommand.parseAsRoot(words)
                return nil
            } catch {
                return (CoherenceRootCommand.exitCode(for: error).rawValue, CoherenceRootCommand.fullMessage(for: error))
            }
        }
        #expect(faults == [])
    }
}
