/// The devices of the one machine, all on node 0: serial console, clock, timers, power management, interrupt
/// controllers. Other nodes forward their port and memory-mapped exits here. The caller holds one lock around it and,
/// after each call, routes `takeInterrupts()`, looks at `powerRequest` and re-arms its timer for `nextDeadline`.
///
/// Time is nanoseconds from any fixed origin, given with each access.
package final class Chipset {
    package enum PowerRequest: Sendable { case none, shutdown, reset }

    /// I/O APIC inputs.
    package enum Line {
        package static let timer = 2, serial = 4, clock = 8, systemControl = 9
    }

    package static let serialBase: UInt16 = 0x3F8

    private var serial = SerialPort()
    private var timer = IntervalTimer()
    private var clock: RealTimeClock
    private var power = PowerManagement()
    private var legacyControllers = InterruptController8259()
    private var ioAPIC: IOAPIC
    private var pciAddress: UInt32 = 0
    private var systemControl: UInt8 = 0x02
    private var diagnosticCode: UInt8 = 0
    private var lastNow: UInt64
    package private(set) var powerRequest = PowerRequest.none
    /// Accesses to ports where nothing is; each reads all ones.
    package private(set) var unclaimedPorts: [Port: Int] = [:]
    /// Accesses to pages of the device hole where nothing is, by page address.
    package private(set) var unclaimedPages: [GuestAddress: Int] = [:]

    /// - Parameters:
    ///   - wallClock: nanoseconds since 1970-01-01 UTC at `now`.
    package init(layout: MachineLayout, wallClock: Int64, now: UInt64) {
        let low = layout.memory.filter { $0.start.rawValue < MachineLayout.holeStart }.reduce(0) { $0 + $1.size }
        let high = layout.memory.filter { $0.start.rawValue >= MachineLayout.holeEnd }.reduce(0) { $0 + $1.size }
        clock = RealTimeClock(wallClock: wallClock, now: now, lowMemory: low, highMemory: high)
        ioAPIC = IOAPIC(extendedDestinations: layout.needsX2APICAtStart)
        lastNow = now
    }

    // MARK: Ports

    /// - Parameter size: 1, 2 or 4 bytes.
    package func portRead(_ port: Port, size: Int, now: UInt64) -> UInt32 {
        advance(to: now)
        let now = lastNow
        defer { updateLines() }
        let ones: UInt32 = size >= 4 ? 0xFFFF_FFFF : 1 << UInt32(size * 8) - 1
        let p = port.rawValue
        switch p {
        case PowerManagement.ports: return power.read(p, size: size, now: now) & ones
        case 0xCF8 where size == 4: return pciAddress
        // No PCI device yet: configuration space answers like an empty slot.
        case 0xCF8...0xCFF: return ones
        default: break
        }
        // Byte-wide devices: a wider access is one access per port.
        var value: UInt32 = 0
        for i in 0..<min(size, 4) {
            let byte = readByte(p &+ UInt16(i), now: now)
            if byte == nil { unclaimedPorts[Port(p &+ UInt16(i)), default: 0] += 1 }
            value |= UInt32(byte ?? 0xFF) << UInt32(i * 8)
        }
        return value
    }

    package func portWrite(_ port: Port, size: Int, value: UInt32, now: UInt64) {
        advance(to: now)
        let now = lastNow
        defer { updateLines() }
        let p = port.rawValue
        switch p {
        case PowerManagement.ports:
            power.write(p, size: min(size, 4), value: value)
            if power.requestsSoftOff, powerRequest == .none { powerRequest = .shutdown }
            return
        case 0xCF8 where size == 4:
            pciAddress = value & 0x80FF_FFFC
            return
        case 0xCF9 where size == 1:
            // Reset control register: bit 2 resets.
            if value & 0x04 != 0 { requestReset() }
            return
        case 0xCF8...0xCFF: return
        default: break
        }
        for i in 0..<min(size, 4) {
            let byte = UInt8(truncatingIfNeeded: value >> UInt32(i * 8))
            if !writeByte(p &+ UInt16(i), byte, now: now) { unclaimedPorts[Port(p &+ UInt16(i)), default: 0] += 1 }
        }
    }

    private func readByte(_ port: UInt16, now: UInt64) -> UInt8? {
        switch port {
        case Self.serialBase...Self.serialBase + 7: serial.read(port - Self.serialBase)
        case 0x40...0x43, 0x61: timer.read(port, now: now)
        case 0x70, 0x71: clock.read(port, now: now)
        case 0x20, 0x21, 0xA0, 0xA1, 0x4D0, 0x4D1: legacyControllers.read(port)
        case 0x92: systemControl
        case 0x80: diagnosticCode
        // No keyboard controller: its ports float, which is how Linux finds out.
        case 0x60, 0x64: 0xFF
        default: nil
        }
    }

    private func writeByte(_ port: UInt16, _ value: UInt8, now: UInt64) -> Bool {
        switch port {
        case Self.serialBase...Self.serialBase + 7: serial.write(port - Self.serialBase, value)
        case 0x40...0x43, 0x61: timer.write(port, value, now: now)
        case 0x70, 0x71: clock.write(port, value, now: now)
        case 0x20, 0x21, 0xA0, 0xA1, 0x4D0, 0x4D1: legacyControllers.write(port, value)
        case 0x92:
            if value & 1 != 0, systemControl & 1 == 0 { requestReset() }
            systemControl = value & 0x02
        case 0x64: if value == 0xFE { requestReset() }
        // Port 0x80 takes diagnostic codes; 0xED is the delay port of some systems.
        case 0x80: diagnosticCode = value
        case 0x60, 0xED: break
        default: return false
        }
        return true
    }

    private func requestReset() { if powerRequest == .none { powerRequest = .reset } }

    // MARK: Memory-mapped registers

    /// Whether an access belongs here (or to a local APIC) and not to RAM.
    package static func claims(_ address: GuestAddress) -> Bool {
        (MachineLayout.holeStart..<MachineLayout.holeEnd).contains(address.rawValue)
    }

    package func mmioRead(_ address: GuestAddress, size: Int, now: UInt64) -> UInt64 {
        advance(to: now)
        if let offset = ioAPICOffset(address) {
            return UInt64(ioAPIC.read(offset: offset & ~3) >> ((offset & 3) * 8)) & Self.ones(size)
        }
        countUnclaimed(address)
        return Self.ones(size)
    }

    package func mmioWrite(_ address: GuestAddress, size: Int, value: UInt64, now: UInt64) {
        advance(to: now)
        guard let offset = ioAPICOffset(address) else {
            countUnclaimed(address)
            return
        }
        ioAPIC.write(offset: offset, value: UInt32(truncatingIfNeeded: value & Self.ones(size)))
        updateLines()
    }

    private static func ones(_ size: Int) -> UInt64 { size >= 8 ? .max : 1 << UInt64(size * 8) - 1 }

    private func ioAPICOffset(_ address: GuestAddress) -> UInt32? {
        let base = MachineLayout.ioAPICBase.rawValue
        guard (base..<base + 0x1000).contains(address.rawValue) else { return nil }
        return UInt32(address.rawValue - base)
    }

    private func countUnclaimed(_ address: GuestAddress) {
        let page = GuestAddress(address.rawValue & ~0xFFF)
        // A guest that scans the hole must not fill this table.
        if unclaimedPages.count < 1024 || unclaimedPages[page] != nil { unclaimedPages[page, default: 0] += 1 }
    }

    // MARK: Time and interrupts

    /// When `advance` has to be called next even if the guest accesses nothing; nil when nothing is due.
    package var nextDeadline: UInt64? {
        var next = clock.nextDeadline(now: lastNow)
        // A masked timer is not worth waking for.
        if !ioAPIC.isMasked(Line.timer), let edge = timer.nextEdge { next = min(next ?? edge, edge) }
        return next
    }

    package func advance(to now: UInt64) {
        // Exits from different nodes may arrive slightly out of order; device time never goes back.
        lastNow = max(lastNow, now)
        clock.advance(now: lastNow)
        if timer.takeEdge(now: lastNow) { ioAPIC.pulse(Line.timer) }
        updateLines()
    }

    private func updateLines() {
        ioAPIC.setLine(Line.serial, serial.interruptLine)
        ioAPIC.setLine(Line.clock, clock.interruptLine)
        ioAPIC.setLine(Line.systemControl, power.interruptLine)
    }

    /// Interrupt messages to route since the last call.
    package func takeInterrupts() -> [InterruptMessage] { ioAPIC.takeMessages() }
    package var hasInterrupts: Bool { ioAPIC.hasMessages }

    /// A local APIC of any node ended a level-triggered interrupt.
    package func endOfInterrupt(_ vector: Vector) { ioAPIC.endOfInterrupt(vector) }

    // MARK: Console and power

    /// Bytes typed at the guest's console.
    /// - Returns: how many were dropped because the guest does not read.
    @discardableResult
    package func consoleInput(_ bytes: some Collection<UInt8>) -> Int {
        defer { updateLines() }
        return serial.receive(bytes)
    }

    /// What the guest wrote to its console since the last call.
    package func takeConsoleOutput() -> [UInt8] { serial.takeOutput() }
    package var hasConsoleOutput: Bool { !serial.output.isEmpty }
    package var droppedConsoleOutput: Int { serial.droppedOutput }

    /// Asks the guest to shut down, like a short press on the power button.
    package func pressPowerButton() {
        power.pressPowerButton()
        updateLines()
    }
}
