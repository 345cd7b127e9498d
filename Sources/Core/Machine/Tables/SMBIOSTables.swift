import Bytes

/// What the machine says of its maker (DMTF DSP0134, "System Management BIOS Reference Specification", 3.6).
package struct SMBIOSTables: Sendable, Equatable {
    package struct Identity: Sendable, Equatable {
        /// ASCII, at most 64 characters each.
        package var manufacturer: String
        package var product: String
        /// Whose firmware, and which.
        package var firmwareVendor: String
        package var firmwareVersion: String
        /// The kit: what tells one machine from another.
        package var serialNumber: String

        package init(
            manufacturer: String = "vSMP", product: String = "vSMP machine", firmwareVendor: String = "vSMP", firmwareVersion: String = "",
            serialNumber: String = ""
        ) {
            self.manufacturer = manufacturer
            self.product = product
            self.firmwareVendor = firmwareVendor
            self.firmwareVersion = firmwareVersion
            self.serialNumber = serialNumber
        }
    }

    /// Entry point and structures, to be placed at ``LowMemory/smbios``.
    package let bytes: [UInt8]

    private static let entryLength = 24

    package init(_ identity: Identity) {
        var structures = ByteWriter()
        structures.structure(0, handle: 0, strings: [identity.firmwareVendor, identity.firmwareVersion]) { w in
            w.put(raw: [1, 2])  // vendor and version
            w.u16(0xE000)  // segment of the firmware area
            w.put(raw: [0, UInt8(LowMemory.firmwareAreaSize >> 16) - 1])  // no date; size, in 64 KiB less one
            w.u64(1 << 3)  // what BIOSes can do: not said
            w.put(raw: [0, 1 << 4])  // a virtual machine (7.1.2.2)
            w.put(raw: [1, 0, 0xFF, 0xFF])  // release 1.0, no embedded controller
        }
        structures.structure(1, handle: 1, strings: [identity.manufacturer, identity.product, identity.firmwareVersion, identity.serialNumber]) { w in
            w.put(raw: [1, 2, 3, 4])
            w.put(zeros: 16)  // no UUID
            w.put(raw: [6, 0, 0])  // woken by the power switch
        }
        structures.structure(3, handle: 2, strings: [identity.manufacturer]) { w in
            w.put(raw: [1, 0x17, 0, 0, 0])  // rack-mounted, no version, serial number or tag
            w.put(raw: [2, 2, 2, 2])  // states and security: unknown
            w.u32(0)
            w.put(raw: [0, 0, 0, 0, 0])
        }
        structures.structure(127, handle: 3, strings: []) { _ in }

        var entry = ByteWriter()
        entry.put("_SM3_", width: 5)
        entry.put(raw: [0, UInt8(Self.entryLength), 3, 6, 0, 1, 0])  // checksum, length, version 3.6.0, revision 1
        entry.u32(UInt32(structures.count))
        entry.u64(LowMemory.smbios.rawValue + 32)
        entry.patch(ACPIBuilder.checksum(entry.bytes[...]), at: 5)
        entry.put(zeros: 32 - Self.entryLength)
        bytes = entry.bytes + structures.bytes
        precondition(bytes.count <= Int(LowMemory.smbiosSize), "names are bounded")
    }
}

extension ByteWriter {
    /// A structure: header, what `body` writes, its strings (6.1.3). Strings are cut to 64 characters; an empty one is a blank.
    fileprivate mutating func structure(_ type: UInt8, handle: UInt16, strings: [String], _ body: (inout ByteWriter) -> Void) {
        var formatted = ByteWriter()
        body(&formatted)
        u8(type)
        u8(UInt8(4 + formatted.count))
        u16(handle)
        put(raw: formatted.bytes)
        for string in strings {
            put(raw: (string.isEmpty ? " " : string).utf8.prefix(64).map { (0x20..<0x7F).contains($0) ? $0 : 0x3F })
            u8(0)
        }
        put(raw: strings.isEmpty ? [0, 0] : [0])
    }
}
