import Bytes

/// Every ACPI table of the machine, built from its layout (ACPI 6.5, chapter 5).
package struct ACPITables: Sendable {
    /// Names that a brand puts into the tables.
    package struct Identity: Sendable, Equatable {
        /// At most 6, 8 and 4 ASCII characters.
        package var oemID: String
        package var oemTableID: String
        package var oemRevision: UInt32
        package var creatorID: String
        package var creatorRevision: UInt32

        package init(
            oemID: String = "VSMP", oemTableID: String = "VSMPFW", oemRevision: UInt32 = 1,
            creatorID: String = "VSMP", creatorRevision: UInt32 = 1
        ) {
            self.oemID = oemID
            self.oemTableID = oemTableID
            self.oemRevision = oemRevision
            self.creatorID = creatorID
            self.creatorRevision = creatorRevision
        }
    }

    package struct Table: Sendable {
        /// Four characters, "RSD PTR " shortened to RSDP.
        package let signature: String
        package let address: GuestAddress
        package let bytes: [UInt8]
    }

    package let tables: [Table]
    package let rootPointer: GuestAddress
    /// Behind the tables, of the size that was asked for.
    package let room: GuestAddress
    /// Bytes taken from the end of node 0's low memory, 0 when everything fits below 1 MiB.
    package let reclaimableBytes: UInt64

    /// - Parameter room: bytes that others want behind the tables: SMBIOS's structures.
    package init(layout: MachineLayout, identity: Identity = Identity(), room: Int = 0) {
        let builder = ACPIBuilder(layout: layout, identity: identity)
        let root = LowMemory.firmwareArea
        let lengths = builder.totalLength + UInt64(room)
        let base: GuestAddress
        if root.rawValue + 0x40 + lengths <= LowMemory.smbiosEntry.rawValue {
            reclaimableBytes = 0
            base = GuestAddress(root.rawValue + 0x40)
        } else {
            // Whole 2 MiB, so that the guest's large pages and the nodes' home ranges stay aligned.
            reclaimableBytes = (lengths + 0x1F_FFFF) & ~0x1F_FFFF
            base = GuestAddress(layout.lowMemoryEndOfFirstNode.rawValue - reclaimableBytes)
        }
        rootPointer = root
        self.room = GuestAddress(base.rawValue + builder.totalLength)
        tables = builder.build(root: root, base: base)
    }
}

struct ACPIBuilder {
    let layout: MachineLayout
    let identity: ACPITables.Identity

    private func aligned(_ value: UInt64) -> UInt64 { (value + 63) & ~63 }

    private var fixed: (dsdt: [UInt8], madt: [UInt8], srat: [UInt8], slit: [UInt8]) {
        (
            table("DSDT", revision: 2, DSDT.body()), table("APIC", revision: 5, madtBody()),
            table("SRAT", revision: 3, sratBody()), table("SLIT", revision: 1, slitBody())
        )
    }

    /// Bytes of everything but the RSDP, each table aligned to 64.
    var totalLength: UInt64 {
        let (dsdt, madt, srat, slit) = fixed
        let parts = [64, dsdt.count, Self.fadtLength, madt.count, srat.count, slit.count, 36 + 4 * 8]
        return parts.reduce(0) { $0 + aligned(UInt64($1)) }
    }

    func build(root: GuestAddress, base: GuestAddress) -> [ACPITables.Table] {
        var next = base.rawValue
        func place(_ signature: String, _ bytes: [UInt8]) -> ACPITables.Table {
            defer { next = aligned(next + UInt64(bytes.count)) }
            return ACPITables.Table(signature: signature, address: GuestAddress(next), bytes: bytes)
        }
        let parts = fixed
        let facs = place("FACS", facsBytes())
        let dsdt = place("DSDT", parts.dsdt)
        let fadt = place("FACP", table("FACP", revision: 6, fadtBody(facs: facs.address, dsdt: dsdt.address)))
        let madt = place("APIC", parts.madt)
        let srat = place("SRAT", parts.srat)
        let slit = place("SLIT", parts.slit)
        var pointers = ByteWriter()
        for table in [fadt, madt, srat, slit] { pointers.u64(table.address.rawValue) }
        let xsdt = place("XSDT", table("XSDT", revision: 1, pointers.bytes))
        let rsdp = ACPITables.Table(signature: "RSDP", address: root, bytes: rsdpBytes(xsdt: xsdt.address))
        return [rsdp, xsdt, fadt, facs, dsdt, madt, srat, slit]
    }

    /// Header of 36 bytes (ACPI 6.5, 5.2.6), body, checksum.
    func table(_ signature: String, revision: UInt8, _ body: [UInt8]) -> [UInt8] {
        var w = ByteWriter()
        w.put(signature, width: 4)
        w.u32(UInt32(36 + body.count))
        w.u8(revision)
        w.u8(0)
        w.put(identity.oemID, width: 6)
        w.put(identity.oemTableID, width: 8)
        w.u32(identity.oemRevision)
        w.put(identity.creatorID, width: 4)
        w.u32(identity.creatorRevision)
        w.put(raw: body)
        w.patch(Self.checksum(w.bytes[...]), at: 9)
        return w.bytes
    }

    /// The byte that makes the sum of all zero.
    static func checksum(_ bytes: ArraySlice<UInt8>) -> UInt8 { 0 &- bytes.reduce(0, &+) }

    private func rsdpBytes(xsdt: GuestAddress) -> [UInt8] {
        var w = ByteWriter()
        w.put("RSD PTR ", width: 8)
        w.u8(0)
        w.put(identity.oemID, width: 6)
        w.u8(2)
        w.u32(0)
        w.u32(36)
        w.u64(xsdt.rawValue)
        w.put(zeros: 4)
        w.patch(Self.checksum(w.bytes[0..<20]), at: 8)
        w.patch(Self.checksum(w.bytes[...]), at: 32)
        return w.bytes
    }

    private func facsBytes() -> [UInt8] {
        var w = ByteWriter()
        w.put("FACS", width: 4)
        w.u32(64)
        w.put(zeros: 24)
        w.u8(2)
        w.put(zeros: 31)
        return w.bytes
    }
}
