/// PCI configuration mechanism 1 (PCI Local Bus 3.0, 3.2.2.3.2) with nothing but the host bridge on bus 0, and the reset control
/// register that chipsets keep among the mechanism's ports (0xCF9).
final class PCIHost: Device {
    private enum Offset { static let address: UInt64 = 0, resetControl: UInt64 = 1, data: UInt64 = 4 }

    private var address: UInt32 = 0
    private var requestsReset = false

    /// The bridge that virtual machines of this size have: Intel 82441FX.
    private static let bridge: [UInt32] = {
        var words = [UInt32](repeating: 0, count: 64)
        words[0] = 0x1237_8086
        words[1] = 0
        words[2] = 0x0600_0002  // Host bridge, revision 2.
        words[11] = 0x1100_1AF4
        return words
    }()

    func read(_ register: DeviceRegister, size: Int, now: UInt64) -> UInt64 {
        switch (register.offset, size) {
        case (Offset.address, 4): UInt64(address)
        case (Offset.data..., 1...4): UInt64(configuration) >> ((register.offset - Offset.data) * 8)
        default: DeviceAccess.ones(size)
        }
    }

    /// The addressed 32-bit register; all ones where no function answers.
    private var configuration: UInt32 {
        let selectsBridge = address & 0x80FF_FF00 == 0x8000_0000
        return selectsBridge ? Self.bridge[Int(address & 0xFC) / 4] : .max
    }

    func write(_ register: DeviceRegister, size: Int, value: UInt64, now: UInt64) {
        switch (register.offset, size) {
        case (Offset.address, 4): address = UInt32(truncatingIfNeeded: value) & 0x80FF_FFFC
        // Bit 2 resets.
        case (Offset.resetControl, 1): if value & 0x04 != 0 { requestsReset = true }
        // The bridge has no register that does anything.
        default: break
        }
    }

    func takeSignals() -> DeviceSignals {
        var signals = DeviceSignals()
        if requestsReset { signals.power = .reset }
        return signals
    }
}
