/// The pair of 8259A controllers as an operating system with an I/O APIC meets them: they initialize, their masks read
/// back, and no device is wired to them. Linux decides by the mask whether they exist.
struct InterruptController8259 {
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

    func read(_ port: UInt16) -> UInt8 {
        switch port {
        case 0x21: primary.mask
        case 0xA1: secondary.mask
        case 0x4D0, 0x4D1: edgeLevel[Int(port & 1)]
        default: 0
        }
    }

    mutating func write(_ port: UInt16, _ value: UInt8) {
        switch port {
        case 0x20: primary.writeEven(value)
        case 0x21: primary.writeOdd(value)
        case 0xA0: secondary.writeEven(value)
        case 0xA1: secondary.writeOdd(value)
        case 0x4D0: edgeLevel[0] = value & 0xF8
        case 0x4D1: edgeLevel[1] = value & 0xDE
        default: break
        }
    }
}
