/// The small registers of a PC's board: system control port A, the ports of the keyboard controller that is not there,
/// the diagnostic code and the delay port.
final class PlatformControl: Device {
    enum Register {
        static let systemControl: UInt32 = 0, keyboardData: UInt32 = 1, keyboardCommand: UInt32 = 2, diagnosticCode: UInt32 = 3
        static let delay: UInt32 = 4
    }

    private var systemControl: UInt8 = 0x02
    private var diagnosticCode: UInt8 = 0
    private var requestsReset = false

    func read(_ register: DeviceRegister, size: Int, now: UInt64) -> UInt64 {
        ByteRegisters.read(register.offset, size: size) { offset in
            switch UInt32(offset) {
            case Register.systemControl: systemControl
            case Register.diagnosticCode: diagnosticCode
            // The keyboard controller's ports float, which is how Linux finds out.
            default: 0xFF
            }
        }
    }

    func write(_ register: DeviceRegister, size: Int, value: UInt64, now: UInt64) {
        guard register.space == .port else {
            requestsReset = true
            return
        }
        ByteRegisters.write(register.offset, size: size, value: value) { offset, value in
            switch UInt32(offset) {
            case Register.systemControl:
                if value & 1 != 0, systemControl & 1 == 0 { requestsReset = true }
                systemControl = value & 0x02
            case Register.keyboardCommand: if value == 0xFE { requestsReset = true }
            case Register.diagnosticCode: diagnosticCode = value
            default: break
            }
        }
    }

    func takeSignals() -> DeviceSignals {
        var signals = DeviceSignals()
        if requestsReset { signals.power = .reset }
        return signals
    }
}
