import Testing

@testable import Machine

@Suite struct TimerDeviceTests {
    private let chipset = testChipset()

    private func out(_ port: UInt16, _ value: UInt32, now: UInt64 = 0) {
        chipset.portWrite(Port(port), size: 1, value: value, now: now)
    }

    private func `in`(_ port: UInt16, now: UInt64) -> UInt8 {
        UInt8(chipset.portRead(Port(port), size: 1, now: now))
    }

    private func unmaskTimer() {
        chipset.mmioWrite(MachineLayout.ioAPICBase, size: 4, value: 0x14, now: 0)
        chipset.mmioWrite(GuestAddress(0xFEC0_0010), size: 4, value: 0x30, now: 0)
    }

    /// quick_pit_calibrate(): gate channel 2 on, mode 0, count 0xFFFF, watch the high byte fall.
    @Test func quickCalibrationSeesTheHighByteFall() {
        out(0x61, UInt32(`in`(0x61, now: 0) & ~0x02 | 0x01))
        out(0x43, 0xB0)
        out(0x42, 0xFF)
        out(0x42, 0xFF)
        var previous: UInt8 = 0xFF
        for tick in stride(from: UInt64(1), through: 100, by: 1) {
            let now = IntervalTimer.nanoseconds(tick * 256)
            _ = `in`(0x42, now: now)
            let high = `in`(0x42, now: now)
            #expect(high == previous - 1)
            previous = high
        }
    }

    /// pit_calibrate_tsc(): mode 0 with a latch of 10 ms; OUT2 in port 0x61 rises when it has run out.
    @Test func outputOfChannelTwoRisesAfterTheLatch() {
        out(0x61, 0x01)
        out(0x43, 0xB0)
        let latch: UInt32 = 1_193_182 / 100
        out(0x42, latch & 0xFF)
        out(0x42, latch >> 8)
        #expect(`in`(0x61, now: 9_900_000) & 0x20 == 0)
        #expect(`in`(0x61, now: 10_000_000) & 0x20 != 0)
    }

    @Test func closedGateStopsChannelTwo() {
        out(0x43, 0xB0)
        out(0x42, 0x00)
        out(0x42, 0x10)
        #expect(`in`(0x61, now: second) & 0x20 == 0)
        out(0x61, 0x01, now: second)
        #expect(`in`(0x61, now: second + 3 * millisecond) & 0x20 == 0)
        #expect(`in`(0x61, now: second + 4 * millisecond) & 0x20 != 0)
    }

    /// pit_set_periodic() at 250 Hz.
    @Test func periodicTimerInterruptsAtItsRate() {
        unmaskTimer()
        let latch: UInt32 = (1_193_182 + 125) / 250
        out(0x43, 0x34)
        out(0x40, latch & 0xFF)
        out(0x40, latch >> 8)
        var interrupts = 0
        for _ in 0..<250 {
            guard let next = chipset.nextDeadline else { break }
            chipset.advance(to: next)
            interrupts += chipset.takeInterrupts().filter { $0.vector == Vector(0x30) }.count
        }
        #expect(interrupts == 250)
        let due = chipset.nextDeadline ?? 0
        #expect(due > second && due < second + 5 * millisecond)
    }

    @Test func oneShotFiresOnceAndShutdownIsSilent() {
        unmaskTimer()
        out(0x43, 0x38)
        out(0x40, 0xA9)
        out(0x40, 0x04)
        let due = chipset.nextDeadline
        #expect(due != nil)
        chipset.advance(to: due ?? 0)
        #expect(chipset.takeInterrupts().count == 1)
        #expect(chipset.nextDeadline == nil)
        out(0x43, 0x30, now: second)
        #expect(chipset.nextDeadline == nil)
    }

    @Test func maskedTimerAsksForNoWakeup() {
        out(0x43, 0x34)
        out(0x40, 0)
        out(0x40, 0)
        #expect(chipset.nextDeadline == nil)
    }

    @Test func latchAndReadBackFreezeTheCount() {
        out(0x43, 0x34)
        out(0x40, 0x00)
        out(0x40, 0x80)
        out(0x43, 0x00, now: IntervalTimer.nanoseconds(0x100))
        let later = IntervalTimer.nanoseconds(0x500)
        #expect(`in`(0x40, now: later) == 0x00)
        #expect(`in`(0x40, now: later) == 0x7F)
        out(0x43, 0xE2, now: later)
        #expect(`in`(0x40, now: later) & 0x3F == 0x34)
    }

    /// mc146818_get_time() with the register contents of a PC: BCD, 24 hours.
    @Test func clockReadsAsBCD() {
        func cmos(_ index: UInt32, now: UInt64) -> UInt8 {
            out(0x70, index, now: now)
            return `in`(0x71, now: now)
        }
        #expect(cmos(10, now: 0) & 0x80 == 0)
        let expected: [(UInt32, UInt8)] = [
            (0, 0x24), (2, 0x44), (4, 0x14), (6, 1), (7, 0x22), (8, 0x11), (9, 0x26), (0x32, 0x20), (11, 0x02),
            (13, 0x80),
        ]
        for (register, value) in expected { #expect(cmos(register, now: 0) == value) }
        #expect(cmos(0, now: 36 * second) == 0x00)
        #expect(cmos(2, now: 36 * second) == 0x45)
        // Memory size bytes: 640 KiB and 255 MiB, the second cut to 63 MiB.
        #expect(cmos(0x15, now: 0) == 0x80 && cmos(0x16, now: 0) == 0x02)
        #expect(cmos(0x31, now: 0) == 0xFC)
        #expect(cmos(0x35, now: 0) == 0x0F)
    }

    @Test func updateInProgressIsShownShortlyBeforeTheSecond() {
        out(0x70, 10)
        #expect(`in`(0x71, now: 997 * millisecond) & 0x80 == 0)
        #expect(`in`(0x71, now: 999 * millisecond) & 0x80 != 0)
        #expect(`in`(0x71, now: 1000 * millisecond) & 0x80 == 0)
    }

    /// mc146818_set_time(): SET, fields, clear SET.
    @Test func clockCanBeSet() {
        func set(_ index: UInt32, _ value: UInt32, now: UInt64) {
            out(0x70, index, now: now)
            out(0x71, value, now: now)
        }
        set(11, 0x82, now: 0)
        for (register, value) in [(9, 0x00), (8, 0x02), (7, 0x29), (4, 0x23), (2, 0x59), (0, 0x59), (0x32, 0x20)]
            as [(UInt32, UInt32)]
        { set(register, value, now: 5 * second) }
        set(11, 0x02, now: 10 * second)
        out(0x70, 8)
        #expect(`in`(0x71, now: 10 * second) == 0x02)
        #expect(`in`(0x71, now: 11 * second) == 0x03)
        out(0x70, 7)
        #expect(`in`(0x71, now: 11 * second) == 0x01)
    }

    @Test func alarmInterruptsAndReadingFlagsEndsIt() {
        chipset.mmioWrite(MachineLayout.ioAPICBase, size: 4, value: 0x20, now: 0)
        chipset.mmioWrite(GuestAddress(0xFEC0_0010), size: 4, value: 0x38, now: 0)
        for (register, value) in [(1, 0x27), (3, 0xFF), (5, 0xFF), (11, 0x22)] as [(UInt32, UInt32)] {
            out(0x70, register)
            out(0x71, value)
        }
        chipset.advance(to: 2 * second)
        #expect(chipset.takeInterrupts() == [])
        #expect(chipset.nextDeadline == 3 * second)
        chipset.advance(to: 3 * second)
        #expect(chipset.takeInterrupts().map(\.vector) == [Vector(0x38)])
        out(0x70, 12, now: 3 * second)
        #expect(`in`(0x71, now: 3 * second) & 0xA0 == 0xA0)
        #expect(`in`(0x71, now: 3 * second) == 0)
    }
}
