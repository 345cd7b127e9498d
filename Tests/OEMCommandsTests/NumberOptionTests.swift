import ArgumentParser
import TestSupport
import Testing

@testable import OEMCommands

/// Every option of vsmp that is a number refuses what is none or out of its range, and says the range.
struct NumberOptionTests {
    @Test func whatIsNoNumberInItsRangeIsRefused() throws {
        let faults = try NumberOption.faults(in: RootCommand._dumpHelp(), atLeast: 18) { words in
            do {
                _ = try RootCommand.parseAsRoot(words)
                return nil
            } catch {
                return (RootCommand.exitCode(for: error).rawValue, RootCommand.fullMessage(for: error))
            }
        }
        #expect(faults == [])
    }
}
