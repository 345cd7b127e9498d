import Coherence
import Platform
import KVM
import Interconnect
import Synchronization
import Testing

@testable import Node

@Suite struct TimeAndSignalTests {
    @Test func deadlinesAreConvertedAndNeverOverflow() {
        let clock = MachineClock(kilohertz: 2_000_000, offset: 0 &- hostTimestamp())
        let now: UInt64 = 1_000_000_000
        #expect(clock.monotonic(atGuestTimestamp: 0, now: now) == now)
        let hour = clock.monotonic(atGuestTimestamp: clock.guestTimestamp &+ 2_000_000_000 * 3600, now: now)
        #expect(hour <= now + 3_600_000_000_000 && hour > now + 3_590_000_000_000)
        #expect(clock.nanoseconds(ofTicks: -2_000_000) == -1_000_000)
        let frequencies: [UInt64] = [1, 3, 999_999, 4_000_000, 0xFFFF_FFFF]
        for kilohertz in frequencies {
            let clock = MachineClock(kilohertz: kilohertz)
            let distances: [UInt64] = [1 << 62, (1 << 63) - 1_000_000_000]
            for ahead in distances {
                #expect(clock.monotonic(atGuestTimestamp: clock.guestTimestamp &+ ahead, now: .max - 5) >= .max - 5)
            }
        }
    }

    @Test func correctionsStepTheClockForwardAndAreNoticed() {
        let clock = MachineClock(kilohertz: 1_000_000, offset: .max)
        let generation = clock.generation
        let now = hostTimestamp()
        clock.steer { _ in ClockCourse(offset: 199, since: now) }
        clock.jump()
        #expect(clock.offset == 199 && clock.generation == generation + 1, "also from before zero")
        clock.steer { _ in ClockCourse(offset: 250, since: now) }
        #expect(clock.step(of: 0, at: now) == (false, nil) && clock.offset == 199 && clock.generation == generation + 1, "no step is that short")
        clock.steer { _ in ClockCourse(offset: 399, since: now) }
        #expect(clock.step(of: 0, at: now) == (true, nil) && clock.offset == 399 && clock.generation == generation + 2)
        // A thread that read the counter before another one steered the clock: what it takes for the gain lies behind what was told.
        clock.steer { _ in ClockCourse(offset: 380, since: now) }
        #expect(!clock.step(of: 0, at: now).isDue && clock.offset == 399, "it does not go back")
    }

    /// A peer chooses both the ticks and the frequency.
    @Test func noNumberOfTicksIsTooManyForTheClocksFigures() {
        for kilohertz: UInt64 in [1, 2_600_000, 1 << 32] {
            let clock = MachineClock(kilohertz: kilohertz)
            #expect(clock.nanoseconds(ofTicks: .max) > 0 && clock.nanoseconds(ofTicks: .min) < 0)
        }
    }

    /// Node 0's counter says nothing of what a guest has written: forwards or backwards, it stays, and corrections go on from there.
    @Test(arguments: [5_000_000, -5_000_000, Int64.min]) func whatAGuestWroteIsNotUndone(ticks: Int64) {
        let clock = MachineClock(kilohertz: 1_000_000, offset: 100)
        let (moved, now) = (UInt64(bitPattern: ticks), hostTimestamp())
        clock.move(by: moved)
        clock.steer { _ in ClockCourse(offset: 100, since: now) }
        _ = clock.step(of: 0, at: now)
        #expect(clock.offset == 100 &+ moved && clock.lead.gained == 0)
        clock.steer { _ in ClockCourse(offset: 250, since: now) }
        _ = clock.step(of: 0, at: now)
        #expect(clock.offset == 250 &+ moved && clock.lead.gained == 150)
        clock.move(by: 0 &- moved)
        #expect(clock.offset == 250)
    }

    /// What the guest wrote stays, whatever corrections come; corrections are steps, forward only.
    @Test func aGuestsWriteIsNoPartOfTheCourse() {
        let clock = MachineClock(kilohertz: 1_000_000)
        let begun = hostTimestamp()
        clock.steer { _ in ClockCourse(offset: 0, since: begun, gain: 1 << 22) }
        #expect(clock.step(of: 1000, at: begun) == (false, 1000 << 10))
        clock.move(by: 0 &- 5_000_000)
        let generation = clock.generation
        #expect(clock.step(of: 1000, at: begun + 1024 * 1500) == (true, 1000 << 10))
        #expect(clock.offset == 1500 &- 5_000_000 && clock.generation == generation + 1)
        // The shortest step is 100 ns.
        #expect(clock.step(of: 0, at: begun + 1024 * 1599) == (false, 1 << 10) && clock.step(of: 0, at: begun + 1024 * 1600).isDue)
        clock.steer { _ in ClockCourse(offset: 1600, since: begun) }
        #expect(clock.step(of: 0, at: begun + (1 << 40)) == (false, nil) && clock.offset == 1600 &- 5_000_000)
    }

    @Test func timerInterruptsAreSpacedByTheirStalls() {
        let pacing = TimerPacing()
        let begun: UInt64 = 1_000_000_000
        pacing.stalled(since: 5, until: 50)
        #expect(pacing.earliest == 0)
        pacing.delivered(now: begun)
        #expect(pacing.earliest == begun)
        pacing.stalled(since: begun + 1_000, until: begun + 51_000)
        pacing.stalled(since: begun + 60_000, until: begun + 70_000)
        #expect(pacing.earliest == begun + 60_000 * TimerPacing.share)
        pacing.stalled(since: begun + 80_000, until: begun + (1 << 40))
        #expect(pacing.earliest == begun + TimerPacing.limit)
        pacing.delivered(now: begun + (1 << 40))
        #expect(pacing.earliest == begun + (1 << 40))
    }

    @Test func whatAProcessorDoesLongAfterATimerInterruptOrAfterASleepIsNotCharged() {
        let pacing = TimerPacing()
        let begun: UInt64 = 1_000_000_000
        let after = begun + TimerPacing.handler
        pacing.delivered(now: begun)
        pacing.stalled(since: after, until: after + 10_000)
        pacing.stalled(since: begun + 1, until: begun + 2)
        #expect(pacing.earliest == begun)
        pacing.delivered(now: begun)
        pacing.rested()
        pacing.stalled(since: begun + 1, until: begun + 2)
        #expect(pacing.earliest == begun)
        // Once it has stalled for long, it is still charged until it has run as long.
        pacing.delivered(now: begun)
        pacing.stalled(since: begun, until: begun + 10_000_000)
        pacing.stalled(since: begun + 16_000_000, until: begun + 17_000_000)
        #expect(pacing.earliest == begun + 11_000_000 * TimerPacing.share)
        pacing.stalled(since: begun + 50_000_000, until: begun + 60_000_000)
        #expect(pacing.earliest == begun + 11_000_000 * TimerPacing.share)
    }

    /// A program that waits a quarter of its time for pages takes its timer interrupts as soon as one that does not.
    @Test func aProgramsOwnStallsAreNotCharged() {
        let pacing = TimerPacing()
        var now: UInt64 = 1_000_000_000
        pacing.delivered(now: now)
        let handler: UInt64 = 20_000_000
        pacing.stalled(since: now, until: now + handler)
        now += handler
        for _ in 0..<1_000 {
            now += 15_000_000
            pacing.stalled(since: now, until: now + 5_000_000)
            now += 5_000_000
        }
        #expect(pacing.earliest < 1_000_000_000 + 2 * handler * TimerPacing.share)
    }

    /// One that waits for half of it is charged like a handler: the limit is what it waits at most.
    @Test func aProgramThatMostlyWaitsIsDelayedToTheLimit() {
        let pacing = TimerPacing()
        var now: UInt64 = 1_000_000_000
        pacing.delivered(now: now)
        pacing.stalled(since: now, until: now + 20_000_000)
        now += 20_000_000
        for _ in 0..<1_000 {
            now += 10_000_000
            pacing.stalled(since: now, until: now + 10_000_000)
            now += 10_000_000
        }
        #expect(pacing.earliest == 1_000_000_000 + TimerPacing.limit)
    }

    @Test func aKickBeforeASleepIsKept() {
        let signal = ProcessorSignal()
        signal.kick()
        let begun = monotonicNow()
        signal.sleep(timeout: 5_000_000_000)
        #expect(monotonicNow() - begun < 2_000_000_000)
        signal.kick()
        #expect(!signal.willEnterGuest() && signal.willEnterGuest())
        signal.didLeaveGuest()
    }

    @Test func waitingForAPageIsTimedAndEndsWithThePage() {
        let signal = ProcessorSignal()
        signal.bind()
        var waiters = FaultWaiters([ProcessorSignal(), signal])
        waiters.began(FaultEvent(page: PageNumber(9), thread: signal.threadID, isWrite: true), now: 1_000)
        #expect(signal.isWaitingForPage && waiters.pages == [PageNumber(9)])
        waiters.ended(PageNumber(10), isRemote: true, now: 2_000)
        #expect(signal.isWaitingForPage)
        waiters.ended(PageNumber(8), count: 2, isRemote: true, now: 4_000)
        #expect(!signal.isWaitingForPage && waiters.pages.isEmpty)
        #expect(waiters.times.count == 1 && waiters.times.maximumNanoseconds == 3_000)
    }
}
