import Interconnect
import Testing

@testable import Node

struct InterruptionsTests {
    /// A peer that still joins lets go of both streams at once, and before the machine is built nobody here reads the second.
    @Test func beforeTheMachineIsBuiltBothStreamsAreMadeAgain() {
        #expect(Interruptions.roles(after: .control, hasPart: false) == [.control, .coherence])
        #expect(Interruptions.roles(after: .control, hasPart: true) == [.control])
        #expect(Interruptions.roles(after: .coherence, hasPart: true) == [.coherence])
    }

    @Test func whatDoesNotComeBackInTimeIsOverdue() {
        var interruptions = Interruptions(nodes: 3)
        interruptions.begin(1, .closed, now: 10)
        interruptions.begin(2, .closed, now: 20)
        #expect(interruptions.overdue(now: 110, limit: 100).isEmpty)
        #expect(interruptions.overdue(now: 111, limit: 100).map(\.peer) == [1])
        interruptions.end(1)
        #expect(interruptions.overdue(now: 121, limit: 100).map(\.peer) == [2])
    }
}
