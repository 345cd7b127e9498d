import Contract
import Bytes

/// MADT (ACPI 6.5, 5.2.12), SRAT (5.2.16) and SLIT (5.2.17). Processors stand in x2APIC structures, also below 255: Linux takes them at any id,
/// and one form serves any number of boards.
extension ACPIBuilder {
    func madtBody() -> [UInt8] {
        var w = ByteWriter()
        w.u32(UInt32(MachineLayout.localAPICBase.rawValue))
        w.u32(1)  // The 8259 pair exists and has to be masked.
        for processor in layout.processors {
            w.put(raw: [9, 16, 0, 0])
            w.u32(processor.apicID.rawValue)
            w.u32(1)
            w.u32(UInt32(processor.index))
        }
        w.put(raw: [1, 12, IOAPIC.id, 0])
        w.u32(UInt32(MachineLayout.ioAPICBase.rawValue))
        w.u32(0)
        // The timer's IRQ 0 arrives at input 2; the system control interrupt is level-triggered, active high.
        w.put(raw: [2, 10, 0, 0])
        w.u32(UInt32(PlacedDevice.Wire.timer))
        w.u16(0)
        w.put(raw: [2, 10, 0, UInt8(PlacedDevice.Wire.systemControl)])
        w.u32(UInt32(PlacedDevice.Wire.systemControl))
        w.u16(0x0D)
        // NMI at LINT1 of every processor.
        w.put(raw: [10, 12, 0, 0])
        w.u32(0xFFFF_FFFF)
        w.put(raw: [1, 0, 0, 0])
        return w.bytes
    }

    /// One proximity domain a node, numbered like it.
    func sratBody() -> [UInt8] {
        var w = ByteWriter()
        w.u32(1)
        w.put(zeros: 8)
        for processor in layout.processors {
            w.put(raw: [2, 24, 0, 0])
            w.u32(UInt32(processor.node.rawValue))
            w.u32(processor.apicID.rawValue)
            w.u32(1)
            w.put(zeros: 8)
        }
        for range in layout.memory {
            w.put(raw: [1, 40])
            w.u32(UInt32(range.node.rawValue))
            w.u16(0)
            w.u64(range.start.rawValue)
            w.u64(range.size)
            w.u32(0)
            w.u32(1)
            w.u64(0)
        }
        return w.bytes
    }

    func slitBody() -> [UInt8] {
        var w = ByteWriter()
        w.u64(UInt64(layout.nodes.count))
        for row in layout.distances { w.put(raw: row) }
        return w.bytes
    }
}
