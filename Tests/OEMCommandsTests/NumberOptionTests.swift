import TestSupport
import Testing

@testable import OEMCommands

/// Every option of vsmp that is a number refuses what is none or out of its range, and says the range.
struct NumberOptionTests {
    @Test func whatIsNoNumberInItsRangeIsRefused() throws {
        #expect(try NumberOption.faults(in: RootCommand.self, atLeast: 18) == [])
    }
}
