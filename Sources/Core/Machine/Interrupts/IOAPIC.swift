/// An 82093AA-compatible I/O APIC with 24 inputs, version 0x20 (it has the EOI register).
package final class IOAPIC: Device {
    package static let pinCount = 24
    package static let id: UInt8 = 0
    /// Of the register that a local APIC's end of a level-triggered interrupt is written to.
    package static let endOfInterruptOffset: UInt32 = 0x40
    /// The end of a level-triggered interrupt is a write of its vector to the machine's I/O APIC, from whichever node.
    package static let endOfInterrupt = DeviceAccess(
        space: .memory, address: MachineLayout.ioAPICBase.rawValue + UInt64(endOfInterruptOffset), size: 4)

    private var selected: UInt8 = 0
    private var identity: UInt32 = 0
    private var entries = [UInt64](repeating: RedirectionEntry.mask, count: pinCount)
    /// The wires: high (asserted) or low.
    private var lines: UInt32 = 0
    private var outgoing: [InterruptMessage] = []

    private let extendedDestinations: Bool

    /// - Parameter extendedDestinations: whether the guest was offered KVM's 15-bit destinations (bits 55:49 of an
    ///   entry are destination bits 14:8; KVM documentation, "KVM_FEATURE_MSI_EXT_DEST_ID").
    package init(extendedDestinations: Bool = false) { self.extendedDestinations = extendedDestinations }

    private enum RedirectionEntry {
        static let deliveryStatus: UInt64 = 1 << 12
        static let remoteIRR: UInt64 = 1 << 14
        static let level: UInt64 = 1 << 15
        static let mask: UInt64 = 1 << 16
        static let readOnly = deliveryStatus | remoteIRR
        static let reserved: UInt64 = 0x0001_FFFF_FFFE_0000
    }

    /// Whether an input is masked; a device may use it to skip work.
    package func isMasked(_ pin: Int) -> Bool { entries[pin] & RedirectionEntry.mask != 0 }

    package func takeSignals() -> DeviceSignals {
        var signals = DeviceSignals()
        swap(&signals.interrupts, &outgoing)
        return signals
    }

    /// Drives an input. Edge-triggered inputs send when it rises, level-triggered ones while it is high.
    package func setLine(_ pin: Int, _ high: Bool) {
        guard pin >= 0, pin < Self.pinCount else { return }
        let bit: UInt32 = 1 << UInt32(pin)
        let rose = high && lines & bit == 0
        if high { lines |= bit } else { lines &= ~bit }
        if entries[pin] & RedirectionEntry.level != 0 {
            serviceLevel(pin)
        } else if rose, !isMasked(pin) {
            send(pin)
        }
    }

    /// A local APIC ended a level-triggered interrupt: inputs with that vector that are still high send again.
    package func endOfInterrupt(_ vector: Vector) {
        for pin in 0..<Self.pinCount
        where UInt8(truncatingIfNeeded: entries[pin]) == vector.rawValue && entries[pin] & RedirectionEntry.remoteIRR != 0
        {
            entries[pin] &= ~RedirectionEntry.remoteIRR
            serviceLevel(pin)
        }
    }

    /// Registers are 32 bits wide; a wire has none to read.
    package func read(_ register: DeviceRegister, size: Int, now: UInt64) -> UInt64 {
        guard register.space == .memory else { return DeviceAccess.ones(size) }
        return UInt64(read(offset: UInt32(register.offset) & ~3) >> UInt32((register.offset & 3) * 8))
    }

    package func write(_ register: DeviceRegister, size: Int, value: UInt64, now: UInt64) {
        if register.space == .wire {
            setLine(Int(register.offset), value & 1 != 0)
        } else {
            write(offset: UInt32(register.offset), value: UInt32(truncatingIfNeeded: value))
        }
    }

    func read(offset: UInt32) -> UInt32 {
        switch offset {
        case 0x00: UInt32(selected)
        case 0x10: readRegister()
        default: 0
        }
    }

    func write(offset: UInt32, value: UInt32) {
        switch offset {
        case 0x00: selected = UInt8(truncatingIfNeeded: value)
        case 0x10: writeRegister(value)
        case Self.endOfInterruptOffset: endOfInterrupt(Vector(UInt8(truncatingIfNeeded: value)))
        default: break
        }
    }

    private func readRegister() -> UInt32 {
        switch selected {
        case 0, 2: return identity
        case 1: return 0x20 | UInt32(Self.pinCount - 1) << 16
        case 0x10..<0x10 + UInt8(2 * Self.pinCount):
            let entry = entries[Int(selected - 0x10) / 2]
            return UInt32(truncatingIfNeeded: selected & 1 == 0 ? entry : entry >> 32)
        default: return 0
        }
    }

    private func writeRegister(_ value: UInt32) {
        if selected == 0 { identity = value & 0x0F00_0000 }
        guard (0x10..<0x10 + UInt8(2 * Self.pinCount)).contains(selected) else { return }
        let pin = Int(selected - 0x10) / 2
        let old = entries[pin]
        var new =
            selected & 1 == 0
            ? old & 0xFFFF_FFFF_0000_0000 | UInt64(value) : old & 0xFFFF_FFFF | UInt64(value) << 32
        new = new & ~RedirectionEntry.readOnly & ~RedirectionEntry.reserved | old & RedirectionEntry.readOnly
        // An edge-triggered input has no remote IRR; Linux clears a stuck one by switching to edge and back.
        if new & RedirectionEntry.level == 0 { new &= ~RedirectionEntry.remoteIRR }
        entries[pin] = new
        if new & RedirectionEntry.level != 0 { serviceLevel(pin) }
    }

    private func serviceLevel(_ pin: Int) {
        let entry = entries[pin]
        guard entry & RedirectionEntry.level != 0, entry & (RedirectionEntry.mask | RedirectionEntry.remoteIRR) == 0,
            lines & (1 << UInt32(pin)) != 0
        else { return }
        entries[pin] |= RedirectionEntry.remoteIRR
        send(pin)
    }

    private func send(_ pin: Int) {
        let entry = entries[pin]
        guard let delivery = InterruptMessage.DeliveryMode(rawValue: UInt8((entry >> 8) & 7)) else { return }
        let vector = Vector(UInt8(truncatingIfNeeded: entry))
        if delivery == .fixed || delivery == .lowestPriority, vector.rawValue < 16 { return }
        let isLogical = entry & 0x800 != 0
        var destination = UInt32(entry >> 56)
        let isWide = extendedDestinations && !isLogical
        if isWide { destination |= UInt32((entry >> 49) & 0x7F) << 8 }
        outgoing.append(
            InterruptMessage(
                destination: destination, destinationMode: isLogical ? .logical : .physical, deliveryMode: delivery,
                vector: vector, trigger: entry & RedirectionEntry.level != 0 ? .level : .edge, isNarrow: !isWide))
    }
}
