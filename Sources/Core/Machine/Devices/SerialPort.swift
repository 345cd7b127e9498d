/// A 16550A (National PC16550D data sheet). The transmitter is infinitely fast: its holding register is always empty,
/// and what the guest wrote waits in `output` until the caller takes it.
package final class SerialPort: Device {
    private enum Register {
        static let data: UInt16 = 0, interruptEnable: UInt16 = 1, identification: UInt16 = 2, lineControl: UInt16 = 3
        static let modemControl: UInt16 = 4, lineStatus: UInt16 = 5, modemStatus: UInt16 = 6
    }

    private enum Enable { static let received: UInt8 = 1, transmit: UInt8 = 2, line: UInt8 = 4, modem: UInt8 = 8 }

    private static let breakMark: UInt16 = 0x100

    private enum Status {
        static let breakInterrupt: UInt8 = 0x10
        static let dataReady: UInt8 = 0x01, overrun: UInt8 = 0x02, transmitterEmpty: UInt8 = 0x60
    }

    static let fifoSize = 16
    /// Output that nobody takes is dropped beyond this many bytes, and counted.
    static let outputLimit = 1 << 20
    static let inputLimit = 1 << 16

    private var interruptEnable: UInt8 = 0
    private var fifoControl: UInt8 = 0
    private var lineControl: UInt8 = 0
    private var modemControl: UInt8 = 0
    private var modemDelta: UInt8 = 0
    private var scratch: UInt8 = 0
    private var divisor: UInt16 = 12
    private var overrun = false
    private var transmitterInterrupt = false
    /// Characters, with `breakMark` for a BREAK, which comes with a character of zero.
    private var fifo: [UInt16] = []
    /// Input that found the FIFO full, oldest first from `inputHead`.
    private var input: [UInt16] = []
    private var inputHead = 0
    private(set) var output: [UInt8] = []
    package private(set) var droppedOutput = 0

    private var isLoopback: Bool { modemControl & 0x10 != 0 }
    private var fifoEnabled: Bool { fifoControl & 1 != 0 }
    private var capacity: Int { fifoEnabled ? Self.fifoSize : 1 }

    private var triggerLevel: Int {
        guard fifoEnabled else { return 1 }
        switch fifoControl >> 6 {
        case 0: return 1
        case 1: return 4
        case 2: return 8
        default: return 14
        }
    }

    /// Modem inputs: a null-modem cable with an attentive terminal (CTS, DSR, DCD), or the outputs looped back.
    private var modemInputs: UInt8 {
        guard isLoopback else { return 0xB0 }
        return (modemControl & 1) << 5 | (modemControl & 2) << 3 | (modemControl & 4) << 4 | (modemControl & 8) << 4
    }

    /// The oldest character is a BREAK that nobody has seen yet.
    private var hasBreak: Bool { fifo.first.map { $0 & Self.breakMark != 0 } ?? false }

    /// Interrupt identification without the FIFO bits; bit 0 set means none.
    private var pendingInterrupt: UInt8 {
        if interruptEnable & Enable.line != 0, overrun || hasBreak { return 0x06 }
        if interruptEnable & Enable.received != 0, !fifo.isEmpty { return fifo.count >= triggerLevel ? 0x04 : 0x0C }
        if interruptEnable & Enable.transmit != 0, transmitterInterrupt { return 0x02 }
        if interruptEnable & Enable.modem != 0, modemDelta != 0 { return 0x00 }
        return 0x01
    }

    package init() {}

    /// What the guest wrote since the last call.
    package func takeOutput() -> [UInt8] {
        defer { output.removeAll(keepingCapacity: true) }
        return output
    }

    /// - Returns: bytes that were not accepted because too much input already waits.
    @discardableResult
    package func receive(_ bytes: some Collection<UInt8>) -> Int {
        receive(characters: bytes.map(UInt16.init))
    }

    /// BREAK on the line, then a key.
    private func receiveSystemRequest(_ key: UInt8) { _ = receive(characters: [Self.breakMark, UInt16(key)]) }

    private func receive(characters: [UInt16]) -> Int {
        let room = Self.inputLimit - (input.count - inputHead)
        input += characters.prefix(room)
        refill()
        return max(0, characters.count - room)
    }

    private func refill() {
        guard !isLoopback else { return }
        while fifo.count < capacity, inputHead < input.count {
            fifo.append(input[inputHead])
            inputHead += 1
        }
        if inputHead == input.count {
            input.removeAll(keepingCapacity: true)
            inputHead = 0
        }
    }

    package func read(_ register: DeviceRegister, size: Int, now: UInt64) -> UInt64 {
        ByteRegisters.read(register.offset, size: size) { readByte(UInt16($0)) }
    }

    package func write(_ register: DeviceRegister, size: Int, value: UInt64, now: UInt64) {
        guard register.space == .port else { return receiveSystemRequest(UInt8(truncatingIfNeeded: value)) }
        ByteRegisters.write(register.offset, size: size, value: value) { writeByte(UInt16($0), $1) }
    }

    package func takeSignals() -> DeviceSignals {
        var signals = DeviceSignals()
        signals.wire = pendingInterrupt != 0x01
        signals.wakesBackEnd = !output.isEmpty
        return signals
    }

    private func readByte(_ offset: UInt16) -> UInt8 {
        switch offset {
        case Register.data:
            if lineControl & 0x80 != 0 { return UInt8(truncatingIfNeeded: divisor) }
            guard !fifo.isEmpty else { return 0 }
            let byte = UInt8(truncatingIfNeeded: fifo.removeFirst())
            refill()
            return byte
        case Register.interruptEnable:
            return lineControl & 0x80 != 0 ? UInt8(divisor >> 8) : interruptEnable
        case Register.identification:
            let pending = pendingInterrupt
            // Reading the transmitter's identification takes it back.
            if pending == 0x02 { transmitterInterrupt = false }
            return pending | (fifoEnabled ? 0xC0 : 0)
        case Register.lineControl: return lineControl
        case Register.modemControl: return modemControl
        case Register.lineStatus:
            // What went wrong with a character is said once; the character stays.
            defer {
                overrun = false
                if hasBreak { fifo[0] &= 0xFF }
            }
            return Status.transmitterEmpty | (fifo.isEmpty ? 0 : Status.dataReady) | (overrun ? Status.overrun : 0)
                | (hasBreak ? Status.breakInterrupt : 0)
        case Register.modemStatus:
            defer { modemDelta = 0 }
            return modemInputs | modemDelta
        default: return scratch
        }
    }

    private func writeByte(_ offset: UInt16, _ value: UInt8) {
        switch offset {
        case Register.data:
            if lineControl & 0x80 != 0 {
                divisor = divisor & 0xFF00 | UInt16(value)
            } else {
                transmit(value)
            }
        case Register.interruptEnable:
            if lineControl & 0x80 != 0 {
                divisor = divisor & 0xFF | UInt16(value) << 8
            } else {
                let new = value & 0x0F
                // Enabling the interrupt while the holding register is empty raises it at once.
                if new & ~interruptEnable & Enable.transmit != 0 { transmitterInterrupt = true }
                interruptEnable = new
            }
        case Register.identification: setFIFOControl(value)
        case Register.lineControl: lineControl = value
        case Register.modemControl: setModemControl(value & 0x1F)
        case Register.lineStatus, Register.modemStatus: break
        default: scratch = value
        }
    }

    private func transmit(_ byte: UInt8) {
        transmitterInterrupt = true
        if isLoopback {
            if fifo.count < capacity { fifo.append(UInt16(byte)) } else { overrun = true }
        } else if output.count < Self.outputLimit {
            output.append(byte)
        } else {
            droppedOutput += 1
        }
    }

    private func setFIFOControl(_ value: UInt8) {
        // Switching the FIFOs on or off clears them.
        if (value ^ fifoControl) & 1 != 0 || value & 2 != 0 { fifo.removeAll(keepingCapacity: true) }
        if value & 4 != 0 { transmitterInterrupt = true }
        fifoControl = value & 1 != 0 ? value & 0xC1 : 0
        refill()
    }

    private func setModemControl(_ value: UInt8) {
        let before = modemInputs
        modemControl = value
        let changed = before ^ modemInputs
        modemDelta |= (changed >> 4) & 0x0B
        // The ring indicator reports its trailing edge only.
        if before & ~modemInputs & 0x40 != 0 { modemDelta |= 0x04 }
        refill()
    }
}
