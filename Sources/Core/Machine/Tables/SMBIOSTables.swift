import Bytes

/// What the machine says of its maker, its boards, processors and memory (DMTF DSP0134, "System Management BIOS Reference Specification", 3.6).
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
        package var uuid: MachineUUID?

        package init(
            manufacturer: String = "vSMP", product: String = "vSMP machine", firmwareVendor: String = "vSMP", firmwareVersion: String = "",
            serialNumber: String = "", uuid: MachineUUID? = nil
        ) {
            self.manufacturer = manufacturer
            self.product = product
            self.firmwareVendor = firmwareVendor
            self.firmwareVersion = firmwareVersion
            self.serialNumber = serialNumber
            self.uuid = uuid
        }
    }

    /// The entry point, to be placed at ``LowMemory/smbiosEntry``.
    package let entry: [UInt8]
    /// The structures, to be placed at ``address``.
    package let structures: [UInt8]
    package let address: GuestAddress

    private static let entryLength: UInt8 = 24

    /// Bytes that the structures of a machine take.
    package static func size(_ identity: Identity, layout: MachineLayout, processor: ProcessorModel) -> Int {
        SMBIOSStructures(identity: identity, layout: layout, processor: processor).bytes.count
    }

    /// - Parameter address: where the structures are going to be.
    package init(_ identity: Identity, layout: MachineLayout, processor: ProcessorModel, at address: GuestAddress) {
        structures = SMBIOSStructures(identity: identity, layout: layout, processor: processor).bytes
        self.address = address
        var entry = ByteWriter()
        entry.put("_SM3_", width: 5)
        entry.put(raw: [0, Self.entryLength, 3, 6, 0, 1, 0])  // checksum, length, version 3.6.0, revision 1
        entry.u32(UInt32(structures.count))
        entry.u64(address.rawValue)
        entry.patch(ACPIBuilder.checksum(entry.bytes[...]), at: 5)
        self.entry = entry.bytes
    }
}

/// What tells one machine from all others: 16 bytes in the order of RFC 9562.
package struct MachineUUID: Sendable, Equatable {
    package let bytes: [UInt8]

    /// - Returns: nil unless there are 16 bytes.
    package init?(bytes: [UInt8]) {
        guard bytes.count == 16 else { return nil }
        self.bytes = bytes
    }

    /// The first three fields are little-endian (DSP0134, 7.2.1).
    var smbios: [UInt8] { bytes[0..<4].reversed() + bytes[4..<6].reversed() + bytes[6..<8].reversed() + bytes[8...] }
}

/// What SMBIOS tells of the machine's processors, which are all of one model: that of CPUID.
package struct ProcessorModel: Sendable, Equatable {
    let vendor: String
    let brand: String
    /// EAX and EDX of CPUID leaf 1.
    let identification: UInt64
    let megahertz: UInt16

    /// - Parameters:
    ///   - table: what the bootstrap processor answers.
    ///   - tscKHz: frequency of the time-stamp counter.
    package init(_ table: CPUIDTable, tscKHz: UInt64) {
        vendor = table.vendorName
        let words = (UInt32(0x8000_0002)...0x8000_0004).compactMap { table[$0] }.flatMap { [$0.eax, $0.ebx, $0.ecx, $0.edx] }
        let text = words.flatMap { $0.bytes() }.prefix { $0 != 0 }
        brand = String(decoding: text.drop { $0 == 0x20 }, as: UTF8.self)
        identification = UInt64(table[1]?.edx ?? 0) << 32 | UInt64(table[1]?.eax ?? 0)
        megahertz = UInt16(clamping: (tscKHz + 500) / 1000)
    }
}
