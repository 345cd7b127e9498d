/// ACPI fixed hardware (ACPI 6.5, 4.8.3): PM1 event and control blocks and the power management timer. The machine is
/// always in ACPI mode, so SCI_EN reads as one and there is no SMI command port.
package final class PowerManagement: Device {
    static let eventPort: UInt16 = 0x600
    static let controlPort: UInt16 = 0x604
    static let timerPort: UInt16 = 0x608
    static let registerBytes: UInt32 = 12
    static let timerFrequency: UInt64 = 3_579_545
    /// SLP_TYP of \_S5 in the DSDT.
    static let softOff: UInt16 = 5
    static let powerButton: UInt16 = 1 << 8

    private var status: UInt16 = 0
    private var enable: UInt16 = 0
    private var control: UInt16 = 0
    private var requestsSoftOff = false

    package init() {}

    package func takeSignals() -> DeviceSignals {
        var signals = DeviceSignals()
        // The system control interrupt.
        signals.wire = status & enable != 0
        if requestsSoftOff { signals.power = .shutdown }
        return signals
    }

    /// 32-bit timer value.
    static func timer(now: UInt64) -> UInt32 {
        let product = now.multipliedFullWidth(by: timerFrequency)
        return UInt32(
            truncatingIfNeeded: UInt64(1_000_000_000).dividingFullWidth(
                (product.high % 1_000_000_000, product.low)).quotient)
    }

    package func read(_ register: DeviceRegister, size: Int, now: UInt64) -> UInt64 {
        ByteRegisters.read(register.offset, size: size) { offset in
            let value: UInt32 =
                switch Self.eventPort + UInt16(offset) & ~3 {
                case Self.eventPort: UInt32(status) | UInt32(enable) << 16
                case Self.controlPort: UInt32(control | 1)
                default: Self.timer(now: now)
                }
            return UInt8(truncatingIfNeeded: value >> UInt32((offset & 3) * 8))
        }
    }

    package func write(_ register: DeviceRegister, size: Int, value: UInt64, now: UInt64) {
        guard register.space == .port else {
            status |= Self.powerButton
            return
        }
        // Bytes of a wider or narrower access each reach the register they fall into.
        ByteRegisters.write(register.offset, size: size, value: value) { writeByte(Self.eventPort + UInt16($0), $1) }
        if control & 0x2000 != 0 {
            control &= ~0x2000
            if (control >> 10) & 7 == Self.softOff { requestsSoftOff = true }
        }
    }

    private func writeByte(_ port: UInt16, _ byte: UInt8) {
        func merged(_ old: UInt16) -> UInt16 {
            port & 1 == 0 ? old & 0xFF00 | UInt16(byte) : old & 0xFF | UInt16(byte) << 8
        }
        switch port & ~1 {
        case Self.eventPort: status &= ~(UInt16(byte) << ((port & 1) * 8))
        case Self.eventPort + 2: enable = merged(enable)
        case Self.controlPort: control = merged(control)
        default: break
        }
    }
}
