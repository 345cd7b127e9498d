import Testing

@testable import Machine

@Suite struct ChipsetTests {
    private let chipset = testChipset()

    private func out(_ port: UInt16, _ value: UInt32, size: Int = 1, now: UInt64 = 0) {
        chipset.portWrite(Port(port), size: size, value: value, now: now)
    }

    private func `in`(_ port: UInt16, size: Int = 1, now: UInt64 = 0) -> UInt32 {
        chipset.portRead(Port(port), size: size, now: now)
    }

    private func ioAPIC(_ register: UInt64, _ value: UInt64) {
        chipset.mmioWrite(MachineLayout.ioAPICBase, size: 4, value: register, now: 0)
        chipset.mmioWrite(GuestAddress(0xFEC0_0010), size: 4, value: value, now: 0)
    }

    @Test func nothingThereReadsAllOnesAndIsCounted() {
        #expect(`in`(0x1234) == 0xFF)
        #expect(`in`(0x1234, size: 2) == 0xFFFF)
        #expect(`in`(0xFFFF, size: 4) == 0xFFFF_FFFF)
        out(0x1234, 1)
        // A wide access to nothing is one to each of its ports.
        #expect(chipset.unclaimed == 1 + 2 + 4 + 1)
        #expect(chipset.mmioRead(GuestAddress(0xFED0_0000), size: 8, now: 0) == .max)
        #expect(chipset.mmioRead(GuestAddress(0xFED4_0000), size: 1, now: 0) == 0xFF)
        #expect(chipset.unclaimed == 8 + 8 + 1)
        #expect(chipset.powerRequest == .none)
    }

    /// Linux: acpi_enter_sleep_state(5) writes SLP_TYP, then with SLP_EN.
    @Test func sleepStateFiveShutsDown() {
        #expect(`in`(0x604, size: 2) & 1 == 1)
        out(0x604, 5 << 10 | 1, size: 2)
        #expect(chipset.powerRequest == .none)
        out(0x604, 5 << 10 | 1 << 13 | 1, size: 2)
        #expect(chipset.powerRequest == .shutdown)
    }

    @Test func otherSleepStatesAreIgnored() {
        out(0x604, 1 << 10 | 1 << 13, size: 2)
        #expect(chipset.powerRequest == .none)
        #expect(`in`(0x604, size: 2) & 0x2000 == 0)
    }

    @Test(arguments: [(UInt16(0xCF9), UInt32(0x06)), (0x64, 0xFE), (0x92, 0x01)])
    func resetsInTheUsualWays(port: UInt16, value: UInt32) {
        out(port, value)
        #expect(chipset.powerRequest == .reset)
    }

    @Test func keyboardControllerIsAbsent() {
        #expect(`in`(0x64) == 0xFF && `in`(0x60) == 0xFF)
        out(0x64, 0xAA)
        out(0x60, 0xED)
        #expect(chipset.powerRequest == .none)
    }

    /// Linux's pci_check_type1() and pci_sanity_check(): a host bridge on bus 0, and nothing in its other slots.
    @Test func pciConfigurationSpaceHoldsAHostBridgeAlone() {
        out(0xCFB, 0x01)
        #expect(chipset.powerRequest == .none)
        out(0xCF8, 0x8000_0000, size: 4)
        #expect(`in`(0xCF8, size: 4) == 0x8000_0000)
        #expect(`in`(0xCFC, size: 4) == 0x1237_8086)
        #expect(`in`(0xCFE, size: 2) == 0x1237)
        out(0xCF8, 0x8000_0008, size: 4)
        #expect(`in`(0xCFE, size: 2) == 0x0600)
        out(0xCFC, 0xFFFF_FFFF, size: 4)
        #expect(`in`(0xCFE, size: 2) == 0x0600)
        for address: UInt32 in [0x8000_0100, 0x8000_0800, 0x8001_0000, 0x0000_0000] {
            out(0xCF8, address, size: 4)
            #expect(`in`(0xCFC, size: 4) == 0xFFFF_FFFF)
        }
        #expect(chipset.unclaimed == 0)
    }

    /// probe_8259A(), then init_8259A().
    @Test func legacyControllersKeepTheirMasks() {
        out(0xA1, 0xFF)
        out(0x21, 0xFB)
        #expect(`in`(0x21) == 0xFB)
        for (port, value) in [(0x20, 0x11), (0x21, 0x30), (0x21, 0x04), (0x21, 0x03)] as [(UInt16, UInt32)] {
            out(port, value)
        }
        #expect(`in`(0x21) == 0)
        out(0x21, 0xFA)
        #expect(`in`(0x21) == 0xFA && `in`(0xA1) == 0xFF)
        #expect(`in`(0x4D1) == 0x02)
    }

    @Test func powerTimerCountsAtItsRateAndWraps() {
        #expect(`in`(0x608, size: 4) == 0)
        #expect(`in`(0x608, size: 4, now: second) == 3_579_545)
        #expect(`in`(0x608, size: 4, now: 1200 * second) == UInt32(truncatingIfNeeded: 1200 * 3_579_545 as UInt64))
    }

    @Test func powerButtonRaisesTheSystemControlInterruptUntilCleared() {
        ioAPIC(0x10 + 18, 0x8029)
        chipset.pressPowerButton()
        #expect(chipset.takeInterrupts() == [])
        out(0x602, 1 << 8, size: 2)
        #expect(chipset.takeInterrupts().map(\.vector) == [Vector(0x29)])
        #expect(`in`(0x600, size: 2) == 1 << 8)
        chipset.endOfInterrupt(Vector(0x29))
        #expect(chipset.takeInterrupts().count == 1)
        out(0x600, 1 << 8, size: 2)
        chipset.endOfInterrupt(Vector(0x29))
        #expect(chipset.takeInterrupts() == [])
        #expect(`in`(0x600, size: 2) == 0)
    }

    /// Two nodes' accesses may arrive in the wrong order; a clock that went back would be taken for broken.
    @Test func deviceTimeNeverGoesBack() {
        let first = `in`(0x608, size: 4, now: 5 * millisecond)
        #expect(`in`(0x608, size: 4, now: 4 * millisecond) == first)
        #expect(`in`(0x608, size: 4, now: 6 * millisecond) > first)
    }

    /// Port writes with bytes above the access width must not leak into it.
    @Test func accessWidthIsRespected() {
        out(0x80, 0xFFFF_FF42)
        #expect(`in`(0x80) == 0x42)
        #expect(`in`(0x3F9, size: 1) <= 0xFF)
    }

    @Test func theResetButtonResets() {
        chipset.write(FrontPanel.reset, 1, now: 0)
        #expect(chipset.powerRequest == .reset)
    }
}
