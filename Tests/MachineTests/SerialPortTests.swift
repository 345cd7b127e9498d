import Testing

@testable import Machine

@Suite struct SerialPortTests {
    private let chipset = testChipset()

    private func read(_ offset: UInt16) -> UInt8 {
        UInt8(chipset.portRead(Port(0x3F8 + offset), size: 1, now: 0))
    }

    private func write(_ offset: UInt16, _ value: UInt8) {
        chipset.portWrite(Port(0x3F8 + offset), size: 1, value: UInt32(value), now: 0)
    }

    /// The steps of Linux's 8250 autoconfig(), in order.
    @Test func linuxProbeFinds16550A() {
        write(1, 0)
        #expect(read(1) & 0x0F == 0)
        write(1, 0x0F)
        #expect(read(1) & 0x0F == 0x0F)
        write(1, 0)
        // Loopback of OUT2 and RTS shows as DCD and CTS.
        write(4, 0x1A)
        #expect(read(6) & 0xF0 == 0x90)
        write(4, 0)
        write(3, 0xBF)
        write(2, 0)
        write(3, 0)
        write(2, 1)
        #expect(read(2) >> 6 == 3)
        // Not a 16650: the extended feature register never reads zero. Not a 16750: no 64-byte FIFO bit.
        write(3, 0x80)
        #expect(read(2) != 0)
        write(3, 0xBF)
        #expect(read(2) != 0)
        write(3, 0)
        write(2, 1)
        write(2, 0x21)
        #expect(read(2) >> 5 == 6)
        write(3, 0x80)
        write(2, 0x21)
        #expect(read(2) >> 5 == 6)
        write(3, 0)
        // Not an XScale: bit 6 of the interrupt enable register does not stick.
        write(1, 0x40)
        #expect(read(1) & 0x40 == 0)
    }

    /// size_fifo(): 256 bytes sent in loopback leave sixteen to read, and none reaches the console.
    @Test func loopbackFillsTheFIFOOnly() {
        write(2, 0x07)
        write(4, 0x10)
        for i in 0..<256 { write(0, UInt8(truncatingIfNeeded: i)) }
        #expect(read(5) & 0x02 != 0)
        var received: [UInt8] = []
        while read(5) & 1 != 0 { received.append(read(0)) }
        #expect(received == Array(0..<16))
        #expect(chipset.takeConsoleOutput() == [])
    }

    @Test func divisorLatchHidesDataAndInterruptEnable() {
        write(3, 0x83)
        write(0, 1)
        write(1, 0)
        #expect(read(0) == 1 && read(1) == 0)
        write(3, 0x03)
        write(0, 0x41)
        #expect(chipset.takeConsoleOutput() == [0x41])
        #expect(read(5) == 0x60)
    }

    private func unmaskSerial() {
        chipset.mmioWrite(GuestAddress(0xFEC0_0000), size: 4, value: 0x18, now: 0)
        chipset.mmioWrite(GuestAddress(0xFEC0_0010), size: 4, value: 0x34, now: 0)
    }

    /// serial8250_do_startup's test: enabling the transmit interrupt raises it each time.
    @Test func transmitInterruptComesWhenEnabledAndAfterEachByte() {
        unmaskSerial()
        write(1, 2)
        #expect(chipset.takeInterrupts().map(\.vector) == [Vector(0x34)])
        #expect(read(2) & 0x0F == 2)
        #expect(read(2) & 0x0F == 1)
        write(1, 0)
        write(1, 2)
        #expect(read(2) & 0x0F == 2)
        _ = chipset.takeInterrupts()
        write(0, 0x61)
        #expect(chipset.takeInterrupts().count == 1)
        #expect(read(2) & 0x0F == 2)
    }

    @Test func inputArrivesInOrderThroughTheFIFO() {
        unmaskSerial()
        write(2, 0x81)
        write(1, 1)
        let text = Array("a line longer than sixteen bytes\n".utf8)
        #expect(chipset.consoleInput(text) == 0)
        #expect(chipset.takeInterrupts().count == 1)
        #expect(read(2) & 0x0F == 0x04)
        var got: [UInt8] = []
        while read(5) & 1 != 0 { got.append(read(0)) }
        #expect(got == text)
        #expect(read(2) & 0x0F == 1)
        // A few bytes below the trigger level come as a character time-out.
        chipset.consoleInput([0x0D])
        #expect(read(2) & 0x0F == 0x0C)
        #expect(chipset.takeInterrupts().count == 1)
    }

    @Test func unreadInputAndUntakenOutputAreBounded() {
        #expect(chipset.consoleInput([UInt8](repeating: 1, count: 70_000)) > 0)
        for _ in 0..<(SerialPort.outputLimit + 5) { write(0, 0x2E) }
        #expect(chipset.takeConsoleOutput().count == SerialPort.outputLimit)
        #expect(chipset.droppedConsoleOutput == 5)
    }

    /// Linux's serial8250_rx_chars(): the line status says BREAK once, with a zero character; the key follows as ordinary input.
    @Test func aSystemRequestIsABreakAndAKey() {
        write(2, 0x01)
        write(1, 0x05)
        chipset.consoleInput([0x61])
        chipset.write(FrontPanel.systemRequest, 0x74, now: 0)
        #expect(read(5) & 0x11 == 0x01 && read(0) == 0x61)
        #expect(read(2) & 0x0F == 0x06, "a line status interrupt")
        #expect(read(5) & 0x11 == 0x11)
        #expect(read(5) & 0x11 == 0x01 && read(2) & 0x0F != 0x06, "said once")
        #expect(read(0) == 0)
        #expect(read(5) & 0x11 == 0x01 && read(0) == 0x74)
        #expect(read(5) & 0x01 == 0)
    }
}
