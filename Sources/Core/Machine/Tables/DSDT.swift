/// The differentiated system description table: soft-off and the devices that software cannot find by itself.
enum DSDT {
    static func body() -> [UInt8] {
        let sleep = AML.name(
            "_S5",
            AML.package(
                AML.integer(UInt64(PowerManagement.softOff)), AML.integer(UInt64(PowerManagement.softOff)),
                AML.integer(0), AML.integer(0)))
        let devices = AML.scope(
            "_SB",
            AML.device(
                "COM1", AML.name("_HID", AML.eisaID("PNP0501")), AML.name("_UID", AML.integer(1)),
                AML.name("_STA", AML.integer(0x0F)),
                AML.name(
                    "_CRS",
                    AML.resources(AML.io(PlacedDevice.serialBase, count: 8), AML.irq(PlacedDevice.Wire.serial)))),
            AML.device(
                "RTC", AML.name("_HID", AML.eisaID("PNP0B00")),
                AML.name("_CRS", AML.resources(AML.io(0x70, count: 2), AML.irq(PlacedDevice.Wire.clock)))),
            AML.device(
                "TIMR", AML.name("_HID", AML.eisaID("PNP0100")),
                AML.name("_CRS", AML.resources(AML.io(0x40, count: 4), AML.irq(0)))),
            // Addresses that no driver may claim.
            AML.device(
                "MBRD", AML.name("_HID", AML.eisaID("PNP0C02")), AML.name("_UID", AML.integer(1)),
                AML.name(
                    "_CRS",
                    AML.resources(
                        AML.io(PowerManagement.eventPort, count: 12), AML.io(0x61, count: 1), AML.io(0x80, count: 1),
                        AML.io(0x92, count: 1), AML.io(0x4D0, count: 2),
                        AML.memory32(UInt32(MachineLayout.ioAPICBase.rawValue), size: 0x1000),
                        AML.memory32(UInt32(MachineLayout.localAPICBase.rawValue), size: 0x1000)))))
        return sleep + devices
    }
}
