import GuestChecks
import Testing

/// Each judge accepts what a right machine shows and refuses what a wrong one would show.
@Suite struct JudgeTests {
    private func fails(_ verdict: Verdict) -> Bool {
        if case .fail = verdict { true } else { false }
    }
    private func passes(_ verdict: Verdict) -> Bool {
        if case .ok = verdict { true } else { false }
    }

    @Test func countersMustBeExact() {
        let tallies = [5, 7].map { CounterTally(rounds: $0, ownWord: $0) }
        #expect(passes(Check.judgeCounters([12, 12], tallies)))
        #expect(fails(Check.judgeCounters([12, 11], tallies)))
        #expect(fails(Check.judgeCounters([5], [CounterTally(rounds: 5, ownWord: 4)])))
        #expect(fails(Check.judgeCounters([5], [CounterTally(rounds: 5, ownWord: 5, disorder: "2 after 3")])))
        #expect(fails(Check.judgeCounters([0], [CounterTally(rounds: 0, ownWord: 0)])))
    }

    @Test func messagePassingForbidsOldDataAfterNewFlag() {
        #expect(LitmusFinding.messagePassing(y: [0, 1, 3], x: [0, 2, 3]).violation == nil)
        #expect(LitmusFinding.messagePassing(y: [0, 2, 3], x: [0, 1, 3]).violation != nil)
        #expect(LitmusFinding.messagePassing(y: [3, 2], x: [3, 3]).violation != nil, "a location went back")
    }

    @Test func storeBufferingForbidsBothOldBehindFences() {
        #expect(LitmusFinding.storeBuffering([0, 0], [2, 2], fenced: true).violation == nil)
        #expect(LitmusFinding.storeBuffering([1, 2], [1, 2], fenced: true).violation == nil)
        #expect(LitmusFinding.storeBuffering([0], [0], fenced: true).violation != nil)
        // Iteration 2 missed store 2 of the other thread, whose iteration 2 missed store 2.
        let late = LitmusFinding.storeBuffering([1, 1, 3], [1, 1, 3], fenced: true)
        #expect(late.violation != nil)
        let plain = LitmusFinding.storeBuffering([0], [0], fenced: false)
        #expect(plain.violation == nil && plain.buffered == 1)
    }

    @Test func loadBufferingForbidsBothNew() {
        #expect(LitmusFinding.loadBuffering([0, 0], [1, 2]).violation == nil)
        #expect(LitmusFinding.loadBuffering([1], [1]).violation != nil)
        #expect(LitmusFinding.loadBuffering([0, 2], [0, 2]).violation != nil)
        #expect(LitmusFinding.loadBuffering([0, 2], [0, 1]).violation == nil)
    }

    @Test func independentReadersAgree() {
        let agree = LitmusFinding.independentReads(xThenY: ([1, 1], [0, 1]), yThenX: ([0, 1], [1, 1]))
        #expect(agree.violation == nil)
        let disagree = LitmusFinding.independentReads(xThenY: ([1], [0]), yThenX: ([1], [0]))
        #expect(disagree.violation != nil)
        let later = LitmusFinding.independentReads(xThenY: ([2, 5], [3, 4]), yThenX: ([4, 5], [4, 4]))
        #expect(later.violation != nil, "x = 5 before y > 4 against y = 5 before x > 4")
    }

    @Test func litmusFailsWhenThreadsNeverMet() {
        var met = LitmusFinding()
        met.samples = 10
        #expect(fails(Check.judgeLitmus([("MP", met)])))
        met.meetings = 1
        #expect(passes(Check.judgeLitmus([("MP", met)])))
        met.violation = "x"
        #expect(fails(Check.judgeLitmus([("MP", met)])))
    }

    @Test(arguments: PageChange.allCases)
    func aStalePageIsSeen(change: PageChange) {
        #expect(PageLook(before: 6, read: 4, after: 8).violation(of: change) != nil)
        #expect(PageLook(before: 6, read: 6, after: 6).violation(of: change) == nil)
        #expect(PageLook(before: 6, read: 8, after: 8).violation(of: change) == nil)
        #expect(PageLook(before: 6, read: nil, after: 6).violation(of: change) != nil, "a page that is there faulted")
    }

    @Test func aPageThatIsGoneMustFault() {
        for change in [PageChange.unmap, .protect, .move] {
            #expect(PageLook(before: 7, read: 7, after: 7).violation(of: change) != nil)
            #expect(PageLook(before: 7, read: nil, after: 7).violation(of: change) == nil)
            #expect(PageLook(before: 7, read: 8, after: 8).violation(of: change) == nil)
            #expect(PageLook(before: 7, read: nil, after: 8).violation(of: change) == nil)
        }
        #expect(PageLook(before: 7, read: 7, stored: true, after: 7).violation(of: .readOnly) != nil)
        #expect(PageLook(before: 7, read: 7, stored: false, after: 7).violation(of: .readOnly) == nil)
        #expect(PageLook(before: 8, read: 8, stored: false, after: 8).violation(of: .readOnly) != nil)
    }

    @Test func forkSeparatesParentAndChild() {
        let right = ForkLook(
            progressBefore: 10, progressAfter: 20, snapshot: 15, second: 14, later: 15, own: ~15)
        #expect(right.violation == nil)
        func broken(_ change: (inout ForkLook) -> Void) -> String? {
            var look = right
            change(&look)
            return look.violation
        }
        #expect(broken { $0.later = 30 } != nil, "the child sees the parent go on")
        #expect(broken { $0.own = 31 } != nil, "the parent writes into the child's copy")
        #expect(broken { $0.snapshot = 9 } != nil, "older than fork")
        #expect(broken { $0.snapshot = 22 } != nil, "newer than fork")
        #expect(broken { $0.second = 13 } != nil, "torn")
        #expect(broken { $0.second = 16 } != nil, "torn")
    }

    @Test func childrenMustEndAsAsked() {
        #expect(passes(Check.judgeChildren([ChildTally(started: 3), ChildTally(started: 1)])))
        #expect(fails(Check.judgeChildren([ChildTally(started: 3, wrong: [[1, 267]])])))
        #expect(fails(Check.judgeChildren([ChildTally(started: 3), ChildTally()])))
    }

    @Test func clocksMustNotGoBack() {
        func reading(_ turn: Int, _ tsc: UInt64, _ nanoseconds: UInt64) -> ClockReading {
            ClockReading(turn: turn, processor: turn % 2, tsc: tsc, nanoseconds: nanoseconds)
        }
        #expect(passes(Check.judgeClock([reading(0, 10, 100), reading(1, 20, 100), reading(2, 20, 101)])))
        #expect(fails(Check.judgeClock([reading(0, 10, 100), reading(1, 9, 101)])))
        #expect(fails(Check.judgeClock([reading(0, 10, 100), reading(1, 11, 99)])))
        #expect(fails(Check.judgeClock([reading(0, 10, 100), reading(2, 11, 101)])))
        #expect(fails(Check.judgeClock([reading(0, 10, 100)])))
    }

    @Test func lostWakeupsFail() {
        #expect(passes(Check.judgeWakeups([WakeupTally(rounds: 4)], unit: "rounds")))
        #expect(fails(Check.judgeWakeups([WakeupTally(rounds: 4, problem: "lost")], unit: "rounds")))
        #expect(fails(Check.judgeWakeups([WakeupTally()], unit: "rounds")))
    }

    @Test func memoryMustBeCoveredAndRight() throws {
        let options = try Options(arguments: [])
        var outcome = MemoryOutcome(totalPages: 100, wantedPages: 75, crossWantedPages: 75)
        (outcome.writtenPages, outcome.localPages, outcome.crossPages) = (75, 75, 75)
        #expect(passes(Check.judgeMemory(outcome, options)))
        var wrong = outcome
        wrong.wrong = ["page 3"]
        #expect(fails(Check.judgeMemory(wrong, options)))
        var late = outcome
        late.crossPages = 74
        #expect(fails(Check.judgeMemory(late, options)))
        var small = MemoryOutcome(totalPages: 100, wantedPages: 60, crossWantedPages: 60)
        (small.writtenPages, small.localPages, small.crossPages) = (60, 60, 60)
        #expect(fails(Check.judgeMemory(small, options)))
    }
}
