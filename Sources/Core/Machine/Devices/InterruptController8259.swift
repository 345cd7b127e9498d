/// The pair of 8259A controllers as an operating system with an I/O APIC meets them: they initialize, their masks read
/// back, and no device is wired to them. Linux decides by the mask whether they exist.
final class InterruptController8259: Device {
    private struct Chip {
        var mask: UInt8 = 0xFF
        /// The next initialization word expected at the odd port; 0 when initialized.
        var step = 0
        var needsWord4 = false
        var vectorBase: UInt8 = 0

        mutating func writeEven(_ value: UInt8) {
            guard value & 0x10 != 0 else { return }
            mask = 0
            step = 2
            needsWord4 = value & 1 != 0
        }

        mutating func writeOdd(_ value: UInt8) {
            switch step {
            case 2:
                vectorBase = value & 0xF8
                step = 3
            case 3: step = needsWord4 ? 4 : 0
            case 4: step = 0
            default: mask = value
            }
        }
    }

    private var primary = Chip()
    private var secondary = Chip()
    /// Edge/level control, ports 0x4D0 and 0x4D1; the system control interrupt (9) is level-triggered.
    private var edgeLevel: [UInt8] = [0, 0x02]

    /// Offsets 0 and 1 are the primary's ports, 2 and 3 the secondary's, 4 and 5 edge/level control.
    func read(_ register: DeviceRegister, size: Int, now: UInt64) -> UInt64 {
        ByteRegisters.read(register.offset, size: size) { offset in
            switch offset {
            case 1: primary.mask
            case 3: secondary.mask
            case 4, 5: edgeLevel[Int(offset - 4)]
            default: 0
            }
        }
    }

    func write(_ register: DeviceRegister, size: Int, value: UInt64, now: UInt64) {
        ByteRegisters.write(register.offset, size: size, value: value) { offset, value in
            switch offset {
            case 0: primary.writeEven(value)
            case 1: primary.writeOdd(value)
            case 2: secondary.writeEven(value)
            case 3: secondary.writeOdd(value)
            case 4: edgeLevel[0] = value & 0xF8
            case 5: edgeLevel[1] = value & 0xDE
            default: break
            }
        }
    }
}
