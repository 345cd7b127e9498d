import Contract
import Interconnect
import Testing

@testable import Node

@Suite struct InterruptionsTests {
    /// A peer that still joins lets go of both streams at once, and before the machine is built nobody here reads the second.
    @Test func beforeTheMachineIsBuiltBothStreamsAreMadeAgain() {
        #expect(Interruptions.roles(after: .control, hasPart: false) == [.control, .coherence])
        #expect(Interruptions.roles(after: .control, hasPart: true) == [.control])
        #expect(Interruptions.roles(after: .coherence, hasPart: true) == [.coherence])
    }

    @Test func anInterruptionThatLastsLongerThanTheLimitIsOverdue() {
        var interruptions = Interruptions(nodes: 3)
        interruptions.begin(2, .closed, now: 1000)
        #expect(interruptions.overdue(now: 1500, limit: 500).isEmpty)
        #expect(interruptions.overdue(now: 1501, limit: 500).map(\.peer) == [2])
        interruptions.end(2)
        #expect(interruptions.overdue(now: 9000, limit: 500).isEmpty)
    }

    /// A round of the receiving thread reads the clock once, and notes an interruption a moment later.
    @Test func oneThatBeganAfterTheRoundIsNotOverdue() {
        var interruptions = Interruptions(nodes: 2)
        interruptions.begin(1, .closed, now: 1000)
        #expect(interruptions.overdue(now: 999, limit: 500).isEmpty)
    }
}
