import TestSupport
import Testing

@testable import Machine

/// Whatever a guest writes anywhere, the node goes on: no trap, no unbounded list.
@Suite struct HostileGuestTests {
    private static let ports: [UInt16] =
        Array(0x3F8...0x3FF) + Array(0x40...0x43) + Array(0x600...0x60B) + Array(0xCF8...0xCFF)
        + [0x20, 0x21, 0xA0, 0xA1, 0x4D0, 0x4D1, 0x61, 0x64, 0x70, 0x71, 0x71, 0x71, 0x80, 0x92, 0xFFFF, 0xFFFD]

    @Test(arguments: [UInt64(1), 2, 3, 4])
    func anyDeviceAccessAtAnyTimeIsSurvived(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        let chipset = testChipset()
        var now: UInt64 = 0
        for _ in 0..<20_000 {
            // Mostly microseconds, sometimes days, sometimes backwards.
            switch random.next() % 64 {
            case 0: now &+= random.next() % (86_400 * 30 * second)
            case 1: now = now > millisecond ? now - millisecond : 0
            default: now &+= random.next() % 100_000
            }
            now = min(now, 1 << 62)
            let size = [1, 2, 4][Int(random.next() % 3)]
            let port = Port(Self.ports.randomElement(using: &random) ?? 0)
            let value = UInt32(truncatingIfNeeded: random.next())
            switch random.next() % 5 {
            case 0: #expect(size == 4 || chipset.portRead(port, size: size, now: now) >> UInt32(size * 8) == 0)
            case 1, 2: chipset.portWrite(port, size: size, value: value, now: now)
            case 3:
                let offset = [0, 0x10, 0x40, 0x1C].randomElement(using: &random) ?? 0
                chipset.mmioWrite(
                    GuestAddress(0xFEC0_0000 + UInt64(offset)), size: 4, value: UInt64(value & 0x3F), now: now)
            default:
                _ = chipset.mmioRead(GuestAddress(0xC000_0000 + random.next() % (1 << 30)), size: 8, now: now)
            }
            if let due = chipset.nextDeadline { #expect(due > 0) }
            if random.next() % 100 == 0 {
                chipset.consoleInput([UInt8](repeating: 0x41, count: Int(random.next() % 64)))
                _ = chipset.takeConsoleOutput()
                _ = chipset.takeInterrupts()
            }
        }
    }

    @Test(arguments: [UInt64(5), 6])
    func anyLocalAPICAccessIsSurvived(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        let apic = LocalAPIC(id: APICID(3), isBootstrap: false)
        var now: UInt64 = 0
        for step in 0..<50_000 {
            now &+= random.next() % 1_000_000_000
            let value = random.next() & (random.next() % 2 == 0 ? .max : 0xFFFF_FFFF)
            if step % 1000 == 0 {
                _ = apic.setBase(0xFEE0_0000)
                _ = apic.setBase(0xFEE0_0800)
                if step % 2000 == 0 { _ = apic.setBase(0xFEE0_0C00) }
            }
            let msr = 0x800 + UInt32(random.next() % 0x100)
            let offset = UInt32(random.next() % 0x1100)
            switch random.next() % 8 {
            case 0: _ = apic.readMSR(msr, now: now)
            case 1, 2: _ = apic.writeMSR(msr, value, now: now)
            case 3: _ = apic.writeMSR(0x6E0, value, now: now)
            case 4: _ = apic.readMMIO(offset: offset, now: now)
            case 5: _ = apic.writeMMIO(offset: offset & ~0xF, value: UInt32(truncatingIfNeeded: value), now: now)
            case 6: apic.mailbox.post(Vector(UInt8(truncatingIfNeeded: value)))
            default: apic.advance(now: now, tsc: random.next())
            }
            if let vector = apic.pendingInterrupt() {
                #expect(vector.rawValue >> 4 > apic.processorPriority >> 4)
                apic.acknowledge(vector)
            }
        }
    }

    /// A periodic 8254 that runs for a year keeps its rate.
    @Test func longUptimesDoNotOverflow() {
        let year = 365 * 86_400 * second
        #expect(IntervalTimer.ticks(year) == 365 * 86_400 * IntervalTimer.frequency)
        #expect(IntervalTimer.nanoseconds(365 * 86_400 * IntervalTimer.frequency) == year)
        let chipset = testChipset()
        chipset.mmioWrite(MachineLayout.ioAPICBase, size: 4, value: 0x14, now: 0)
        chipset.mmioWrite(GuestAddress(0xFEC0_0010), size: 4, value: 0x30, now: 0)
        for (port, value) in [(0x43, 0x34), (0x40, 0xA5), (0x40, 0x12)] as [(UInt16, UInt32)] {
            chipset.portWrite(Port(port), size: 1, value: value, now: 0)
        }
        chipset.advance(to: year)
        let due = chipset.nextDeadline ?? 0
        #expect(due > year && due <= year + 4_001_000)
    }

    /// Random bytes as a message or a CPUID table are refused or decoded, never trapped on.
    @Test func randomBytesFromAPeerAreSurvived() {
        var random = SeededGenerator(seed: 9)
        for _ in 0..<20_000 {
            var bytes = (0..<16).map { _ in UInt8(truncatingIfNeeded: random.next()) }
            if random.next() % 2 == 0 {
                bytes[0] = 1
                for i in 1..<8 { bytes[i] &= 7 }
            }
            if let message = try? InterruptMessage(decoding: bytes) { #expect(message.encoded() == bytes) }
            _ = try? CPUIDTable(decoding: bytes)
        }
    }
}
