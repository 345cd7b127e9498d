/// An entry of the memory map that the guest gets in its boot parameters (type numbers of ACPI 6.5, 15.4).
package struct E820Entry: Sendable, Equatable {
    package enum Kind: UInt32, Sendable { case usable = 1, reserved = 2, acpiReclaimable = 3 }
    package var start: GuestAddress
    /// Bytes.
    package var size: UInt64
    package var kind: Kind

    package init(start: GuestAddress, size: UInt64, kind: Kind) {
        self.start = start
        self.size = size
        self.kind = kind
    }

    package var end: GuestAddress { GuestAddress(start.rawValue + size) }
}

/// Fixed places in node 0's first MiB. Everything below is written once, before the first instruction.
package enum LowMemory {
    package static let bootParameters = GuestAddress(0x7000)
    package static let gdt = GuestAddress(0x6000)
    package static let commandLine = GuestAddress(0x20000)
    package static let commandLineLimit = 0x10000
    package static let pageTables = GuestAddress(0x9000)
    package static let usableEnd: UInt64 = 0x9FC00
    package static let firmwareArea = GuestAddress(0xE0000)
    package static let firmwareAreaSize: UInt64 = 0x20000
    /// SMBIOS's entry point in the end of the firmware area, where systems look for it (DMTF DSP0134 3.6, 5.2.2: below 1 MiB, on 16 bytes). Its
    /// structures stand elsewhere.
    package static let smbiosEntry = GuestAddress(0xFFFE0)
    package static let highMemory: UInt64 = 0x10_0000
}

extension MachineLayout {
    /// The map of all RAM. `acpiBytes` of node 0's low memory are kept for tables that do not fit below 1 MiB.
    package func e820(acpiBytes: UInt64 = 0) -> [E820Entry] {
        var map = [
            E820Entry(start: GuestAddress(0), size: LowMemory.usableEnd, kind: .usable),
            // Extended BIOS data area; then nothing (video hole) up to the firmware area with the tables.
            E820Entry(
                start: GuestAddress(LowMemory.usableEnd), size: 0xA0000 - LowMemory.usableEnd, kind: .reserved),
            E820Entry(start: LowMemory.firmwareArea, size: LowMemory.firmwareAreaSize, kind: .reserved),
        ]
        for range in memory {
            var start = range.start.rawValue
            var end = range.end.rawValue
            if start == 0 {
                start = LowMemory.highMemory
                end -= acpiBytes
            }
            // Neighbouring ranges become one entry: Linux learns whose memory it is from the SRAT.
            if let last = map.last, last.kind == .usable, last.end.rawValue == start {
                map[map.count - 1].size += end - start
            } else {
                map.append(E820Entry(start: GuestAddress(start), size: end - start, kind: .usable))
            }
            if range.start.rawValue == 0, acpiBytes > 0 {
                map.append(E820Entry(start: GuestAddress(end), size: acpiBytes, kind: .acpiReclaimable))
            }
        }
        return map
    }
}
