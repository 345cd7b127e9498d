import Testing

@testable import Machine

@Suite struct APICTimerTests {
    private func apic() -> LocalAPIC {
        let apic = LocalAPIC(id: APICID(0), isBootstrap: true)
        _ = apic.setBase(0xFEE0_0D00)
        _ = apic.writeMSR(0x80F, 0x1FF, now: 0)
        return apic
    }

    /// Linux with TSC-deadline: LVTT = vector | 2 << 17, then the MSR.
    @Test func tscDeadlineFiresOnce() {
        let apic = apic()
        #expect(apic.writeMSR(0x6E0, 5000, now: 0) == .none)
        #expect(apic.timerDeadline == nil)  // Ignored outside of its mode.
        _ = apic.writeMSR(0x832, 0x400EC, now: 0)
        _ = apic.writeMSR(0x6E0, 5000, now: 0)
        #expect(apic.timerDeadline == .tsc(5000))
        #expect(apic.readMSR(0x6E0, now: 0) == 5000)
        #expect(!apic.advance(now: 9_999_999, tsc: 4999))
        #expect(apic.advance(now: 0, tsc: 5000))
        #expect(apic.pendingInterrupt() == Vector(0xEC))
        #expect(apic.timerDeadline == nil)
        #expect(apic.readMSR(0x6E0, now: 0) == 0)
        _ = apic.writeMSR(0x6E0, 6000, now: 0)
        _ = apic.writeMSR(0x6E0, 0, now: 0)
        #expect(apic.timerDeadline == nil)
    }

    /// Linux's calibration: divide by 16, count down from the maximum, masked or not.
    @Test func oneShotCountsDownByTheDivider() {
        let apic = apic()
        _ = apic.writeMSR(0x83E, 0x3, now: 0)
        _ = apic.writeMSR(0x832, 0xEC, now: 0)
        _ = apic.writeMSR(0x838, 1000, now: 100)
        #expect(apic.timerDeadline == .nanoseconds(16_100))
        #expect(apic.readMSR(0x839, now: 100) == 1000)
        #expect(apic.readMSR(0x839, now: 1700) == 900)
        #expect(!apic.advance(now: 16_099, tsc: 0))
        #expect(apic.advance(now: 16_100, tsc: 0))
        #expect(apic.readMSR(0x839, now: 20_000) == 0)
        #expect(apic.timerDeadline == nil)
    }

    @Test func dividerCodesFollowTheManual() {
        let expected: [(UInt64, UInt64)] = [(0, 2), (1, 4), (2, 8), (3, 16), (8, 32), (9, 64), (10, 128), (11, 1)]
        for (code, divisor) in expected {
            let apic = apic()
            _ = apic.writeMSR(0x83E, code, now: 0)
            _ = apic.writeMSR(0x838, 10, now: 0)
            #expect(apic.timerDeadline == .nanoseconds(10 * divisor))
        }
    }

    @Test func periodicKeepsItsPhaseAndCoalesces() {
        let apic = apic()
        _ = apic.writeMSR(0x83E, 0xB, now: 0)
        _ = apic.writeMSR(0x832, 0x200EC, now: 0)
        _ = apic.writeMSR(0x838, 4_000_000, now: 0)
        #expect(apic.advance(now: 4_000_000, tsc: 0))
        #expect(apic.timerDeadline == .nanoseconds(8_000_000))
        #expect(apic.advance(now: 17_000_000, tsc: 0))
        #expect(apic.timerDeadline == .nanoseconds(20_000_000))
        #expect(apic.readMSR(0x839, now: 19_000_000) == 1_000_000)
        _ = apic.writeMSR(0x838, 0, now: 19_000_000)
        #expect(apic.timerDeadline == nil)
    }

    @Test func maskedTimerRunsSilently() {
        let apic = apic()
        _ = apic.writeMSR(0x832, 0x100EC, now: 0)
        _ = apic.writeMSR(0x838, 10, now: 0)
        #expect(!apic.advance(now: 1000, tsc: 0))
        #expect(apic.pendingInterrupt() == nil)
    }

    @Test func changingModeDisarmsTheDeadline() {
        let apic = apic()
        _ = apic.writeMSR(0x832, 0x400EC, now: 0)
        _ = apic.writeMSR(0x6E0, 5000, now: 0)
        _ = apic.writeMSR(0x832, 0x000EC, now: 0)
        #expect(apic.timerDeadline == nil)
        _ = apic.writeMSR(0x838, 10, now: 0)
        _ = apic.writeMSR(0x832, 0x400EC, now: 0)
        #expect(apic.timerDeadline == nil)
    }
}
