import Bytes

/// The fixed ACPI description table, revision 6.5 (ACPI 6.5, 5.2.9): full ACPI hardware, always in ACPI mode.
extension ACPIBuilder {
    static let fadtLength = 276

    private enum Flag {
        static let wbinvd: UInt32 = 1 << 0, c1: UInt32 = 1 << 2, noSleepButton: UInt32 = 1 << 5
        static let rtcWakeNotFixed: UInt32 = 1 << 6, timer32: UInt32 = 1 << 8, resetRegister: UInt32 = 1 << 10
        static let headless: UInt32 = 1 << 12, physicalDestination: UInt32 = 1 << 19
    }

    private enum BootArchitecture {
        static let legacyDevices: UInt16 = 1 << 0, noVGA: UInt16 = 1 << 2, noASPM: UInt16 = 1 << 4
    }

    func fadtBody(facs: GuestAddress, dsdt: GuestAddress) -> [UInt8] {
        var w = ByteWriter()
        w.u32(UInt32(truncatingIfNeeded: facs.rawValue))
        w.u32(UInt32(truncatingIfNeeded: dsdt.rawValue))
        w.u8(0)
        w.u8(4)  // Preferred profile: enterprise server.
        w.u16(UInt16(PlacedDevice.Wire.systemControl))
        w.u32(0)  // No SMI command port: the machine starts in ACPI mode.
        w.put(zeros: 4)
        w.u32(UInt32(PowerManagement.eventPort))
        w.u32(0)
        w.u32(UInt32(PowerManagement.controlPort))
        w.u32(0)
        w.u32(0)
        w.u32(UInt32(PowerManagement.timerPort))
        w.u32(0)
        w.u32(0)
        w.u8(4)
        w.u8(2)
        w.u8(0)
        w.u8(4)
        w.put(zeros: 4)
        w.u16(0xFFFF)  // No C2 and C3: an idle processor halts, and the node sees it.
        w.u16(0xFFFF)
        w.put(zeros: 4)
        w.u8(0)
        w.u8(0)
        w.u8(0)  // No day and month alarm.
        w.u8(0)
        w.u8(0x32)
        w.u16(BootArchitecture.legacyDevices | BootArchitecture.noVGA | BootArchitecture.noASPM)
        w.u8(0)
        w.u32(
            Flag.wbinvd | Flag.c1 | Flag.noSleepButton | Flag.rtcWakeNotFixed | Flag.timer32 | Flag.resetRegister
                | Flag.headless | Flag.physicalDestination)
        w.put(raw: Self.ioRegister(0xCF9, bits: 8, access: 1))
        w.u8(0x06)
        w.u16(0)
        w.u8(5)  // Minor version.
        w.u64(0)  // The 32-bit field above holds the FACS; then this one has to be zero.
        w.u64(dsdt.rawValue)
        w.put(raw: Self.ioRegister(PowerManagement.eventPort, bits: 32, access: 2))
        w.put(zeros: 12)
        w.put(raw: Self.ioRegister(PowerManagement.controlPort, bits: 16, access: 2))
        w.put(zeros: 12)
        w.put(zeros: 12)
        w.put(raw: Self.ioRegister(PowerManagement.timerPort, bits: 32, access: 3))
        w.put(zeros: 12)
        w.put(zeros: 12)
        w.put(zeros: 12)
        w.put(zeros: 12)
        w.put("VSMP", width: 8, padding: 0)
        precondition(w.count == Self.fadtLength - 36, "FADT body of \(w.count) bytes")
        return w.bytes
    }

    /// Generic address structure in I/O space (ACPI 6.5, 5.2.3.2).
    private static func ioRegister(_ port: UInt16, bits: UInt8, access: UInt8) -> [UInt8] {
        [1, bits, 0, access] + UInt64(port).bytes()
    }
}
