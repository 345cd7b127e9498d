import Bytes

/// What has to be in guest memory before the bootstrap processor's first instruction, and how it starts. All of it lies
/// in node 0's memory, so that no other node is asked for a page.
package struct BootPlan: Sendable {
    /// Where a chunk's bytes come from. Files are named by offset, so that nobody holds them twice.
    package enum Source: Sendable, Equatable {
        case bytes([UInt8])
        case kernelFile(offset: UInt64, size: UInt64)
        case initrdFile(offset: UInt64, size: UInt64)
    }

    package struct Chunk: Sendable {
        package let address: GuestAddress
        package let source: Source
    }

    package let chunks: [Chunk]
    package let bootstrap: ProcessorStart
    package let memoryMap: [E820Entry]
    package let commandLine: String

    /// - Parameters:
    ///   - initrdSize: 0 for none.
    ///   - commandLine: complete; see `GuestCommandLine`.
    package init(
        layout: MachineLayout, kernel: LinuxKernel, initrdSize: UInt64, commandLine: String, acpi: ACPITables, smbios: SMBIOSTables? = nil
    ) throws(BootError) {
        let text = Array(commandLine.utf8)
        try kernel.check(commandLine: commandLine)

        let memoryEnd = layout.lowMemoryEndOfFirstNode.rawValue - acpi.reclaimableBytes
        let loadAddress = kernel.preferredAddress
        let kernelEnd = loadAddress.rawValue.addingReportingOverflow(kernel.initSize)
        guard loadAddress.rawValue >= LowMemory.highMemory, !kernelEnd.overflow, kernelEnd.partialValue <= memoryEnd
        else {
            throw .kernelDoesNotFit(
                address: loadAddress, size: kernel.initSize, available: GuestAddress(memoryEnd))
        }
        let initrd = try Self.placeInitrd(
            size: initrdSize, from: kernelEnd.partialValue, to: min(memoryEnd, kernel.initrdLimit))

        memoryMap = layout.e820(acpiBytes: acpi.reclaimableBytes)
        self.commandLine = commandLine
        var chunks = [
            Chunk(address: GuestAddress(0x400), source: .bytes(Self.biosDataArea)),
            Chunk(address: LowMemory.gdt, source: .bytes(GuestGDT.bytes)),
            Chunk(
                address: LowMemory.bootParameters,
                source: .bytes(
                    Self.bootParameters(
                        kernel: kernel, map: memoryMap, root: acpi.rootPointer, initrd: initrd,
                        initrdSize: initrdSize))),
            Chunk(address: LowMemory.pageTables, source: .bytes(Self.identityMap(at: LowMemory.pageTables))),
            Chunk(address: LowMemory.commandLine, source: .bytes(text + [0])),
        ]
        if let smbios {
            chunks.append(Chunk(address: LowMemory.smbiosEntry, source: .bytes(smbios.entry)))
            chunks.append(Chunk(address: smbios.address, source: .bytes(smbios.structures)))
        }
        chunks += acpi.tables.map { Chunk(address: $0.address, source: .bytes($0.bytes)) }
        chunks.append(
            Chunk(
                address: loadAddress, source: .kernelFile(offset: kernel.payloadOffset, size: kernel.payloadSize)))
        if initrdSize > 0 {
            chunks.append(Chunk(address: initrd, source: .initrdFile(offset: 0, size: initrdSize)))
        }
        self.chunks = chunks
        bootstrap = .longMode(
            entry: GuestAddress(loadAddress.rawValue + 0x200), bootParameters: LowMemory.bootParameters,
            pageTables: LowMemory.pageTables, gdt: LowMemory.gdt)
    }

    /// As high as possible, page-aligned, so that the kernel's own allocations find room below.
    private static func placeInitrd(size: UInt64, from: UInt64, to: UInt64) throws(BootError) -> GuestAddress {
        let room = to > from ? to - from : 0
        guard size <= room else { throw .initrdDoesNotFit(size: size, room: room) }
        guard size > 0 else { return GuestAddress(0) }
        let address = (to - size) & ~0xFFF
        guard address >= from else { throw .initrdDoesNotFit(size: size, room: room) }
        return GuestAddress(address)
    }

    /// COM1's port, the extended BIOS data area's segment and the base memory in KiB: what Linux reads there.
    private static var biosDataArea: [UInt8] {
        var w = ByteWriter()
        w.u16(PlacedDevice.serialBase)
        w.put(zeros: 0x0C)
        w.u16(UInt16(LowMemory.usableEnd >> 4))
        w.put(zeros: 3)
        w.u16(UInt16(LowMemory.usableEnd >> 10))
        return w.bytes
    }

    /// Identity map of the first 4 GiB in 2 MiB pages: PML4, PDPT and four page directories.
    private static func identityMap(at base: GuestAddress) -> [UInt8] {
        let present: UInt64 = 0x03
        let large: UInt64 = 0x83
        var w = ByteWriter()
        w.u64((base.rawValue + 0x1000) | present)
        w.put(zeros: 0xFF8)
        for i in 0..<4 { w.u64((base.rawValue + 0x2000 + UInt64(i) * 0x1000) | present) }
        w.put(zeros: 0x1000 - 32)
        for i in 0..<2048 { w.u64(UInt64(i) << 21 | large) }
        return w.bytes
    }

    private enum Parameter {
        static let rootPointer = 0x070, initrdHigh = 0x0C0, initrdSizeHigh = 0x0C4, mapEntries = 0x1E8
        static let setupHeader = 0x1F1, loaderType = 0x210, loadFlags = 0x211, initrd = 0x218, initrdSize = 0x21C
        static let commandLine = 0x228, map = 0x2D0
    }

    private static func bootParameters(
        kernel: LinuxKernel, map: [E820Entry], root: GuestAddress, initrd: GuestAddress, initrdSize: UInt64
    ) -> [UInt8] {
        var page = [UInt8](repeating: 0, count: 4096)
        func put(_ value: some FixedWidthInteger & UnsignedInteger, _ at: Int) {
            for (i, byte) in value.bytes().enumerated() { page[at + i] = byte }
        }
        for (i, byte) in kernel.setupHeader.enumerated() { page[Parameter.setupHeader + i] = byte }
        put(root.rawValue, Parameter.rootPointer)
        page[Parameter.loaderType] = 0xFF
        page[Parameter.loadFlags] = 1
        put(UInt32(truncatingIfNeeded: initrd.rawValue), Parameter.initrd)
        put(UInt32(truncatingIfNeeded: initrdSize), Parameter.initrdSize)
        put(UInt32(initrd.rawValue >> 32), Parameter.initrdHigh)
        put(UInt32(initrdSize >> 32), Parameter.initrdSizeHigh)
        put(UInt32(LowMemory.commandLine.rawValue), Parameter.commandLine)
        precondition(map.count <= 128, "a memory map of \(map.count) entries")
        page[Parameter.mapEntries] = UInt8(map.count)
        for (i, entry) in map.enumerated() {
            let at = Parameter.map + i * 20
            put(entry.start.rawValue, at)
            put(entry.size, at + 8)
            put(entry.kind.rawValue, at + 16)
        }
        return page
    }
}
