import TestSupport
import Testing

@testable import CoherenceCommands

/// Every option of vsmp-coherence that is a number refuses what is none or out of its range, and says the range.
struct CoherenceNumberOptionTests {
    @Test func whatIsNoNumberInItsRangeIsRefused() throws {
        #expect(try NumberOption.faults(in: CoherenceRootCommand.self, atLeast: 15) == [])
    }
}
