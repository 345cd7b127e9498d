import BoardSupport
import Contract
import Foundation
import Platform
import StickState
import TestSupport
import Testing

@testable import NodeCommands

@Suite struct RejoinTests {
    private let root = ScratchFolder()

    @Test(arguments: [80, 81, 82, 70, 74, 137, 139] as [Int32]) func aLossAFailureAndACrashAreWorthAnotherJoin(status: Int32) {
        #expect(RejoinDecision(after: status, setting: .always, attempts: 0) == .again(attempt: 1, seconds: 1))
        #expect(RejoinDecision(after: status, setting: .never, attempts: 0) == .no)
    }

    /// Neither the licence nor the guest, the image or the hardware gets better by another start.
    @Test(arguments: [0, 64, 65, 66, 69, 83, 84, 85, 89, 90, 91, 1] as [Int32]) func whatNeedsAPersonIsNotRepeated(status: Int32) {
        #expect(RejoinDecision(after: status, setting: .always, attempts: 0) == .no)
    }

    @Test func thePauseDoublesUpToAMinute() {
        let pauses = (0..<9).map { attempts in
            if case .again(attempts + 1, let seconds) = RejoinDecision(after: 80, setting: .always, attempts: attempts) { seconds } else { -1 }
        }
        #expect(pauses == [1, 2, 4, 8, 16, 32, 60, 60, 60])
        #expect(RejoinDecision(after: 80, setting: .always, attempts: 1000) == .again(attempt: 1000, seconds: 60))
    }

    @Test func aNumberOfAttemptsIsKept() {
        #expect(RejoinDecision(after: 80, setting: .attempts(2), attempts: 1) == .again(attempt: 2, seconds: 2))
        #expect(RejoinDecision(after: 80, setting: .attempts(2), attempts: 2) == .enough(attempts: 2))
    }

    /// What the state store remembers outlives the process, and does not grow.
    @Test func attemptsAreCountedInTheStateStore() throws {
        try root.write("state", Data(count: StateStore.partitionSize))
        let path = root.path + "/state"
        #expect(NodeMemory(store: path).rejoinAttempts == 0)
        try NodeMemory(store: path).keep(rejoinAttempts: 3)
        #expect(NodeMemory(store: path).rejoinAttempts == 3)
        try NodeMemory(store: path).keep(rejoinAttempts: 0)
        #expect(NodeMemory(store: path).facts == NodeFacts())
    }

    /// To open the device of a timer that stands still starts it, so only one that runs is touched, and none where the stick says so.
    @Test(arguments: [("active\n", nil, true), ("active\n", .on, true), ("active\n", .off, false), ("inactive\n", nil, false), (nil, .on, false)]
        as [(String?, MachineConfiguration.WatchdogUse?, Bool)])
    func onlyAWatchdogThatRunsIsTouched(state: String?, use: MachineConfiguration.WatchdogUse?, isTouched: Bool) throws {
        if let state { try root.write("sys/class/watchdog/watchdog0/state", Data(state.utf8)) }
        #expect(NodeWatchdog.isLeftBehind(use, SystemFiles(root: root.path)) == isTouched)
    }
}
